"""The answer of a model without the thoughts that some models write before it.

A server without a reasoning parser leaves them in the answer, between marks such as ``<think>``
and ``</think>``.
"""

from __future__ import annotations

import re

# How a thought begins and how it ends. Every pattern must take linear time: answers are foreign
# text.
_MARKS = (
    *(
        (f"<{name}>", f"</{name}>")
        for name in (
            "think",
            "thinking",
            "thoughts?",
            "reasoning",
            "reflection",
            "scratchpad",
            "seed:think",
        )
    ),
    (r"\[think\]", r"\[/think\]"),
    ("◁think▷", "◁/think▷"),
    (r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>"),
    (r"<\|start_thinking\|>", r"<\|end_thinking\|>"),
    (r"<\|channel>", r"<channel\|>"),
    (
        r"<\|channel\|>(?!final)",
        r"<\|channel\|>final(?: ?<\|constrain\|>\w{1,20})?(?:<\|message\|>)?",
    ),
    # The same from a server that leaves out the special tokens around the names of channels.
    (r"\A(?-i:analysis(?=[A-Z]))", "(?-i:assistantfinal)"),
)
_MARK = re.compile(
    r"(?=[<\[◁a])(?:"  # for speed: how any of them begins
    + "|".join(f"(?P<begin{i}>{b})|(?P<end{i}>{e})" for i, (b, e) in enumerate(_MARKS))
    + ")",
    re.IGNORECASE,
)


def behind_thoughts(text: str) -> str | None:
    """The text after the last mark that ends a thought; None while a thought is unfinished.

    A mark ends the thought that the same kind of mark began, and those within it. If there is no
    such thought, it ends all that came before: the chat template may have begun it.
    """
    begun: list[str] = []
    start = 0
    for mark in _MARK.finditer(text):
        kind = str(mark.lastgroup)
        if kind.startswith("begin"):
            if kind not in begun:
                begun.append(kind)
            continue
        start = mark.end()
        kind = kind.replace("end", "begin")
        del begun[begun.index(kind) if kind in begun else 0 :]
    return None if begun else text[start:]
