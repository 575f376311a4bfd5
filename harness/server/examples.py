"""Training files: JSONL with a prompt and a completion a line, checked line by line."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import TunebenchError

COLUMNS = ("prompt", "completion")


class TrainingFileError(TunebenchError):
    """A line that is no record, or a file without any."""


@dataclass(frozen=True)
class Example:
    """A prompt and what should follow it, both as they are in the file."""

    prompt: str
    completion: str


def read(path: Path) -> list[Example]:
    """The examples of a file.

    Raises:
        TrainingFileError: it holds none, or a line is wrong.
    """
    found = list(examples(path))
    if not found:
        raise TrainingFileError(
            "The file is empty; give one JSON object a line, with a prompt and a completion."
        )
    return found


def examples(path: Path) -> Iterator[Example]:
    """The examples of a file, one at a time; lines of white space alone are passed over."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield _example(number, line)


def _example(number: int, line: bytes) -> Example:
    # Neither the line nor json's words about it are repeated: they are the user's texts.
    try:
        record = json.loads(line.decode())
    except UnicodeDecodeError as error:
        raise TrainingFileError(f"Line {number} is not UTF-8; save the file as UTF-8.") from error
    except (ValueError, RecursionError) as error:
        raise TrainingFileError(
            f"Line {number} is not valid JSON; give one JSON object a line."
        ) from error
    if not isinstance(record, dict):
        raise TrainingFileError(f"Line {number} is no JSON object; give one object a line.")
    for column in COLUMNS:
        _check(number, column, record)
    if unknown := sorted(set(record) - set(COLUMNS)):
        raise TrainingFileError(
            f"Line {number} has the column {unknown[0][:40]!r}, which this server does not train "
            "on; give prompt and completion alone."
        )
    return Example(record["prompt"], record["completion"])


def _check(number: int, column: str, record: dict[str, Any]) -> None:
    if column not in record:
        hint = " (messages are not trained on here)" if "messages" in record else ""
        raise TrainingFileError(
            f"Line {number} has no {column}; each line needs a prompt and a completion{hint}."
        )
    text = record[column]
    if not isinstance(text, str):
        raise TrainingFileError(f"Line {number} has a {column} that is no text; quote it.")
    if not text:
        raise TrainingFileError(f"Line {number} has an empty {column}; fill it or drop the line.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise TrainingFileError(
            f"Line {number} has half of a surrogate pair in its {column}; mend the text."
        ) from error
