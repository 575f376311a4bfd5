"""The steps of a preparation: each looks at the rows and may propose one change.

A step is a function of the rows and the settings; it gives a `Proposal` or None. It looks at the
rows as the steps before it have left them, so that a change never rests on rows that are gone.
"""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

from tunebench.training_data import analysis
from tunebench.training_data.proposals import Proposal, Settings, duplicates, empty_rows, long_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tunebench.training_data.rows import Rows

LONGEST_KEPT_PREFIX = 12  # characters; a longer beginning of all prompts is an instruction
SHORTEST_CUT_PREFIX = 5  # characters; the same of completions


def upper_prompts(rows: Rows, _: Settings) -> Proposal | None:
    """Lower the prompts' case."""
    return _lower("prompt", rows.prompts)


def upper_completions(rows: Rows, _: Settings) -> Proposal | None:
    """Lower the completions' case."""
    return _lower("completion", rows.completions)


def _lower(column: str, texts: list[bytes]) -> Proposal | None:
    if not analysis.mostly_upper(texts):
        return None
    return Proposal(
        f"upper_{column}s",
        f"More than a third of the {column}s' letters are capitals, which models read less well.",
        f"put all {column}s in lower case",
        lambda: edit(texts, lambda text: text.decode().lower().encode()),
    )


def separator(rows: Rows, settings: Settings) -> Proposal | None:
    """End each prompt with a separator."""
    texts = rows.prompts
    if settings.task_of(rows) == "open-ended":
        return None
    chosen = settings.separator
    if chosen is not None:
        end = chosen.encode()
        if all(text.endswith(end) for text in texts):
            return None
        found = f"Not all prompts end with {json.dumps(chosen)}."
    else:
        if analysis.is_separator(analysis.common_ending(texts), texts):
            return None
        chosen = _unused_separator(texts)
        found = "The prompts have no common separator at their end, where the completion begins."
    end = chosen.encode()
    given = settings.separator is not None  # some prompts may end with it already
    return Proposal(
        "separator",
        found,
        f"add {json.dumps(chosen)} to the prompts",
        lambda: edit(texts, lambda text: text if given and text.endswith(end) else text + end),
    )


def _unused_separator(texts: Sequence[bytes]) -> str:
    for candidate in analysis.SEPARATORS:
        # An arrow in the line is for texts of one line.
        if candidate == analysis.SEPARATORS[0] and any(b"\n" in text for text in texts):
            continue
        if not any(candidate.encode() in text for text in texts):
            return candidate
    return analysis.LAST_SEPARATOR


def prompt_prefix(rows: Rows, _: Settings) -> Proposal | None:
    """Cut an instruction that all prompts begin with."""
    shared = analysis.common_beginning(rows.prompts)
    # A word that all texts happen to begin with is theirs.
    shared = shared.rstrip("".join(c for c in set(shared) if c.isalnum()))
    cut = len(shared.encode())
    if len(shared) <= LONGEST_KEPT_PREFIX or any(
        text[cut:].strip() in analysis.NOTHING for text in rows.prompts
    ):
        return None
    return Proposal(
        "prompt_prefix",
        f"All prompts begin with {json.dumps(shared, ensure_ascii=False)}, which a fine-tuned "
        "model need not be told.",
        "cut it from the prompts",
        lambda: edit(rows.prompts, lambda text: text[cut:]),
    )


def completion_prefix(rows: Rows, _: Settings) -> Proposal | None:
    """Cut what all completions begin with, but for a space."""
    shared = analysis.common_beginning(rows.completions)
    cut = len(shared.encode())
    if len(shared) < SHORTEST_CUT_PREFIX or not all(
        text[cut:].strip() for text in set(rows.completions)
    ):
        return None
    space = b" " if shared.startswith(" ") else b""
    return Proposal(
        "completion_prefix",
        f"All completions begin with {json.dumps(shared, ensure_ascii=False)}, which says nothing.",
        "cut it from the completions",
        lambda: edit(rows.completions, lambda text: space + text[cut:]),
    )


def completion_ending(rows: Rows, settings: Settings) -> Proposal | None:
    """End each generated completion so that a model knows where to stop."""
    texts = rows.completions
    if settings.task_of(rows) != "generation":
        return None
    ending = analysis.common_ending(texts)
    if ending and not analysis.stands_before_the_end(ending, texts):
        return None
    numbered = (f" [END{i or ''}]" for i in itertools.count())
    chosen = next(
        candidate
        for candidate in itertools.chain(analysis.COMPLETION_ENDINGS, numbered)
        if not any(candidate.encode() in text for text in texts)
    )
    end = chosen.encode()
    return Proposal(
        "completion_ending",
        "The completions have no ending of their own, at which to stop.",
        f"add {json.dumps(chosen)} to the completions",
        lambda: edit(texts, lambda text: text + end),
    )


def leading_space(rows: Rows, _: Settings) -> Proposal | None:
    """Begin each completion with a space, as a word does within a line."""
    if all(text.startswith(b" ") for text in rows.completions):
        return None
    return Proposal(
        "leading_space",
        "Not all completions begin with a space, as words do to a tokenizer.",
        "put a space before them",
        lambda: edit(rows.completions, lambda t: t if t.startswith(b" ") else b" " + t),
    )


def edit(texts: list[bytes], change: Callable[[bytes], bytes]) -> None:
    """Change texts in place; the results of frequent ones are shared, as the texts were."""
    shared: dict[bytes, bytes] = {}
    for place, text in enumerate(texts):
        changed = shared.get(text)
        if changed is None:
            changed = change(text)
            if len(shared) < 4096:
                shared[text] = changed
        texts[place] = changed


COMPLETION_STEPS = (
    empty_rows,
    duplicates,
    long_rows,
    upper_prompts,
    upper_completions,
    separator,
    prompt_prefix,
    completion_prefix,
    completion_ending,
    leading_space,
)
CHAT_STEPS = (empty_rows, duplicates)
