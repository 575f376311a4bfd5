"""Lines of training files: a prompt and its answer in the completions or the chat format.

A record of the completions format is the bare prompt and the completion that a fine-tuned model is
prompted and answers with (`tunebench.formatting.prompts`)::

    {"prompt":"a fine film ->","completion":" Positive"}

A record of the chat format has the same as two messages, after the instruction if there is one.
Files are UTF-8 and unescaped, except for the line ends that JSON allows in a string (U+0085,
U+2028, U+2029): they are escaped, so that every reader finds as many lines as there are records.
"""

from __future__ import annotations

import re
from json.encoder import encode_basestring
from typing import TYPE_CHECKING

from tunebench.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd

_BARE_LINE_ENDS = re.compile("[\x85\u2028\u2029]")


def without_line_ends(line: str) -> str:
    """JSON in one line for every reader: the line ends that JSON allows in a string are escaped."""
    if line.isascii():
        return line
    return _BARE_LINE_ENDS.sub(lambda end: f"\\u{ord(end[0]):04x}", line)


def record(prompt: str, completion: str) -> bytes:
    """The line of a record in the completions format, in UTF-8.

    Raises:
        UnicodeEncodeError: a text holds half a surrogate pair.
    """
    prompt, completion = encode_basestring(prompt), encode_basestring(completion)
    line = f'{{"prompt":{prompt},"completion":{completion}}}\n'
    return without_line_ends(line).encode()


def chat_record(prompt: str, completion: str, instruction: str | None) -> bytes:
    """The line of a record in the chat format: system (with an instruction), user, assistant."""
    turns = [("user", prompt), ("assistant", completion)]
    if instruction is not None:
        turns.insert(0, ("system", instruction))
    messages = ",".join(
        f'{{"role":"{role}","content":{encode_basestring(text)}}}' for role, text in turns
    )
    return without_line_ends(f'{{"messages":[{messages}]}}\n').encode()


def refuse_overlap(train: pd.DataFrame, test_texts: Collection[str]) -> None:
    """Refuse training rows whose text is among the test texts.

    Raises:
        DatasetError: there are such rows; the first five are named.
    """
    shared = train["item"][train["text"].isin(set(test_texts))].tolist()
    if shared:
        named = ", ".join(map(str, shared[:5])) + (", …" if len(shared) > 5 else "")
        raise DatasetError(
            f"{len(shared)} training rows are among the test rows (items {named})",
            hint="leave them out of one of the two, or the score will flatter the model",
        )
