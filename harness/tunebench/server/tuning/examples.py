"""Training files: JSONL, checked line by line.

A line holds a prompt and a completion, or messages of which the last one, the assistant's, is what
the model is to answer to those before. A file holds lines of one kind.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunebench.errors import DatasetError

COLUMNS = ("prompt", "completion")
_ROLES = ("system", "developer", "user", "assistant")
Turns = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Example:
    """A prompt and what should follow it, both as they are in the file.

    Attributes:
        prompt: a text; in a file of messages, role and content of all but the last.
        completion: what should follow; the content of the last message.
    """

    prompt: str | Turns
    completion: str


def read(path: Path) -> list[Example]:
    """The examples of a file.

    Raises:
        DatasetError: it holds none, or a line is wrong.
    """
    found = list(examples(path))
    if not found:
        raise DatasetError(
            "The file is empty; give one JSON object a line, with a prompt and a completion or "
            "with messages."
        )
    return found


def examples(path: Path) -> Iterator[Example]:
    """The examples of a file, one at a time; lines of white space alone are passed over."""
    first: Example | None = None
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                found = _example(number, line)
                first = first or found
                if isinstance(found.prompt, str) is not isinstance(first.prompt, str):
                    raise DatasetError(
                        f"Line {number} is not of the kind of the first one; give all lines "
                        "messages, or all of them a prompt and a completion."
                    )
                yield found


def _example(number: int, line: bytes) -> Example:
    # Neither the line nor json's words about it are repeated: they are the user's texts.
    try:
        record = json.loads(line.decode())
    except UnicodeDecodeError as error:
        raise DatasetError(f"Line {number} is not UTF-8; save the file as UTF-8.") from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(
            f"Line {number} is not valid JSON; give one JSON object a line."
        ) from error
    if not isinstance(record, dict):
        raise DatasetError(f"Line {number} is not a JSON object; give one object a line.")
    if "messages" in record:
        _refuse_others(number, record, ("messages",))
        return _conversation(number, record["messages"])
    for column in COLUMNS:
        if column not in record:
            raise DatasetError(
                f"Line {number} has no {column}; each line needs a prompt and a completion, or "
                "messages."
            )
        _check(number, column, record[column])
    _refuse_others(number, record, COLUMNS)
    return Example(record["prompt"], record["completion"])


def _conversation(number: int, messages: Any) -> Example:
    if not isinstance(messages, list) or len(messages) < 2:
        raise DatasetError(
            f"Line {number} has messages that are no list of two or more; give the user's and the "
            "assistant's."
        )
    turns: list[tuple[str, str]] = []
    for place, message in enumerate(messages, start=1):
        what = f"message {place}"
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            raise DatasetError(
                f"Line {number} has a {what} without a known role; use {', '.join(_ROLES)}."
            )
        _check(number, f"{what} content", message.get("content"))
        _refuse_others(number, message, ("role", "content", "weight"), f" in {what}")
        turns.append((message["role"], message["content"]))
        earlier = place < len(messages)
        if earlier and message["role"] == "assistant" and message.get("weight") != 0:
            raise DatasetError(
                f"Line {number} has a {what} of the assistant's before the last; this server "
                'trains on the last alone: give it "weight": 0, or a line of its own.'
            )
    if turns[-1][0] != "assistant":
        raise DatasetError(f"Line {number} does not end with a message of the assistant's.")
    return Example(tuple(turns[:-1]), turns[-1][1])


def _refuse_others(
    number: int, record: dict[str, Any], known: tuple[str, ...], where: str = ""
) -> None:
    if unknown := sorted(set(record) - set(known)):
        raise DatasetError(
            f"Line {number} has {unknown[0][:40]!r}{where}, which this server does not train on; "
            f"give {' and '.join(known)} alone."
        )


def _check(number: int, column: str, text: Any) -> None:
    if not isinstance(text, str):
        raise DatasetError(f"Line {number} has a {column} that is not text; quote it.")
    if not text:
        raise DatasetError(f"Line {number} has an empty {column}; fill it or drop the line.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DatasetError(
            f"Line {number} has half of a surrogate pair in its {column}; fix the text."
        ) from error
