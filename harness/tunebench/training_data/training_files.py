"""Training files: labelled texts as JSONL, one record a line, and back.

A record of the completions format is the bare prompt and the completion that a fine-tuned model is
asked for and answers with (`tunebench.formatting.prompts`)::

    {"prompt":"a fine film ->","completion":" Positive"}

A record of the chat format says the same as two messages, after the instruction if there is one.
Files are UTF-8 and unescaped, but for the line ends that JSON would leave bare (U+0085, U+2028,
U+2029): they are escaped, so that every reader finds as many lines as there are records.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Literal

from tunebench.errors import DatasetError
from tunebench.files import whole_files
from tunebench.formatting import ARROW, AnswerFormat, bare_prompt

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    import pandas as pd

_BARE_LINE_ENDS = re.compile("[\x85\u2028\u2029]")


def quote(text: str) -> str:
    """A text as a JSON string without a line end of any kind in it."""
    quoted = json.encoder.encode_basestring(text)
    if quoted.isascii():
        return quoted
    return _BARE_LINE_ENDS.sub(lambda match: f"\\u{ord(match[0]):04x}", quoted)


def record(prompt: str, completion: str) -> bytes:
    """The line of a record in the completions format, with its line end, in UTF-8.

    Raises:
        UnicodeEncodeError: a text holds half a surrogate pair.
    """
    return f'{{"prompt":{quote(prompt)},"completion":{quote(completion)}}}\n'.encode()


def chat_record(prompt: str, completion: str, instruction: str | None) -> bytes:
    """The line of a record in the chat format: system (if instructed), user, assistant."""
    turns = [("user", prompt), ("assistant", completion)]
    if instruction is not None:
        turns.insert(0, ("system", instruction))
    messages = ",".join(f'{{"role":"{role}","content":{quote(text)}}}' for role, text in turns)
    return f'{{"messages":[{messages}]}}\n'.encode()


def write_training_file(
    path: Path,
    rows: pd.DataFrame,
    labels: Sequence[str],
    *,
    style: Literal["completions", "chat"] = "completions",
    instruction: str | None = None,
) -> None:
    """Write labelled texts as a training file, whole or not at all; a file that is there goes.

    Args:
        path: where; its folder exists.
        rows: n rows with the columns ``item``, ``text`` and ``label`` (label ids).
        labels: label names by id.
        style: the format of the records. In ``chat`` the user says the text as it is and the
            assistant the label.
        instruction: a system message before each pair; only for ``chat``.

    Raises:
        DatasetError: a text is no string or cannot be said in UTF-8, a label id has no name,
            or the file cannot be written.
    """
    answers = AnswerFormat.of(labels)
    with whole_files([path], overwrite=True) as [file]:
        for item, text, label in zip(rows["item"], rows["text"], rows["label"], strict=True):
            if not isinstance(text, str):
                raise DatasetError(
                    f"{path}: the text of item {item!r} is {text!r}, not a text: leave the row out."
                )
            if label not in range(len(labels)):
                raise DatasetError(
                    f"{path}: the label of item {item!r} is {label!r}, which is no position in "
                    f"the {len(labels)} label names: fix the label or name it."
                )
            name = labels[int(label)]
            try:
                if style == "chat":
                    line = chat_record(text, name, instruction)
                else:
                    line = record(bare_prompt(text), answers.completion(name))
            except UnicodeEncodeError as error:
                half = error.object[error.start]
                raise DatasetError(
                    f"{path}: item {item!r} holds half a surrogate pair ({half!a}), which "
                    "UTF-8 cannot say: fix the text or leave the row out."
                ) from None
            file.write(line)


def read_training_file(path: Path, labels: Sequence[str]) -> pd.DataFrame:
    """Read back what `write_training_file` wrote, in either style.

    Args:
        path: the file.
        labels: label names by id, as it was written with.

    Returns:
        n rows in the file's order with the columns ``text`` and ``label`` (label ids, int64).

    Raises:
        DatasetError: the file cannot be read, or a line is no such record.
    """
    import pandas as pd

    texts, ids = [], []
    ids_of = {name: position for position, name in enumerate(labels)}
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            for number, line in enumerate(file, 1):
                try:
                    text, label = _text_and_label(json.loads(line))
                    ids.append(ids_of[label])
                except (ValueError, LookupError, TypeError):
                    raise DatasetError(
                        f"{path}, line {number}: this is no record with one of the labels "
                        f"{', '.join(labels)}: write the file again."
                    ) from None
                texts.append(text)
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: the file cannot be read ({error}).") from error
    return pd.DataFrame(
        {"text": pd.Series(texts, dtype="str"), "label": pd.Series(ids, dtype="int64")}
    )


def _text_and_label(row: dict[str, Any]) -> tuple[str, str]:
    """The text and the label of a record; ValueError, LookupError or TypeError if it is none."""
    if "messages" in row:
        *_, said, answer = row["messages"]
        text, label = said["content"], answer["content"]
    else:
        text, label = row["prompt"], row["completion"]
    if not isinstance(text, str) or not isinstance(label, str):
        raise TypeError
    if "messages" in row:
        return text, label
    if not text.endswith(ARROW) or not label.startswith(" "):
        raise ValueError
    return text.removesuffix(ARROW), label[1:]


def refuse_overlap(train: pd.DataFrame, test_texts: Collection[str]) -> None:
    """Refuse training rows whose text stands among the texts that will be asked.

    Args:
        train: rows with the columns ``item`` and ``text``.
        test_texts: the texts of the test rows.

    Raises:
        DatasetError: there are such rows; the first five are named.
    """
    asked = set(test_texts)
    shared = [
        item for item, text in zip(train["item"], train["text"], strict=True) if text in asked
    ]
    if shared:
        named = ", ".join(map(str, shared[:5])) + (", …" if len(shared) > 5 else "")
        raise DatasetError(
            f"{len(shared)} training rows stand in the test rows too (items {named}): leave them "
            "out of one of the two, or the score will flatter the model."
        )
