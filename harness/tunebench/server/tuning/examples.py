"""Training files: JSONL, checked line by line.

A line holds a prompt and a completion, or messages, of which the last is the assistant's answer to
the others. All lines of a file have the same form.
"""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from tunebench.errors import DatasetError
from tunebench.server import bounded_json

_COLUMNS = ("prompt", "completion")
_PREFERENCES = {"preferred_output", "non_preferred_output"}
_ROLES = ("system", "developer", "user", "assistant")
# Empty in an answer of the API that is used as an example.
_OF_ANSWERS = ("refusal", "audio", "function_call", "tool_calls", "annotations")
Turns = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Example:
    """A prompt and its completion, both exactly as in the file.

    Attributes:
        prompt: a text; in a file of messages, role and content of all but the last.
        completion: what the model learns to answer; the content of the last message.
    """

    prompt: str | Turns
    completion: str


def read(path: Path) -> list[Example]:
    """The examples of a file.

    Raises:
        DatasetError: as in ``examples``.
    """
    with path.open("rb") as file:
        return list(examples(file))


def examples(file: BinaryIO) -> Iterator[Example]:
    """The examples of a file's lines, one at a time; blank lines are skipped.

    Raises:
        DatasetError: a line is wrong, or there is none.
    """
    first: Example | None = None
    most = bounded_json.MAX_BYTES
    for number, raw in enumerate(iter(lambda: file.readline(most + 1), b""), start=1):
        # Files from Windows begin with a mark, and joined files hold it at each one's beginning.
        line = raw.removeprefix(codecs.BOM_UTF8)
        if not line.strip():
            continue
        try:
            found = _example(line)
            first = first or found
            if isinstance(found.prompt, str) is not isinstance(first.prompt, str):
                raise DatasetError(
                    "the form differs from the first line's",
                    hint="give messages in all lines, or a prompt and a completion in all",
                )
        except DatasetError as error:
            place = f"line {number}, {error.where}" if error.where else f"line {number}"
            raise DatasetError(error.problem, where=place, hint=error.hint) from error
        yield found
    if first is None:
        raise DatasetError(
            "the file is empty",
            hint="give one JSON object per line, with a prompt and a completion or with messages",
        )


def _example(line: bytes) -> Example:
    # Neither the line nor json's message is quoted: they hold the user's texts.
    if len(line) > bounded_json.MAX_BYTES:
        raise DatasetError(
            f"the line has more than {bounded_json.MAX_BYTES:,} bytes", hint="shorten its texts"
        )
    try:
        line.decode()
        record = bounded_json.loads(line)
    except bounded_json.TooMuchError as error:
        raise DatasetError(f"the line {error}", hint="give texts only") from error
    except UnicodeDecodeError as error:
        raise DatasetError("the text is not UTF-8", hint="save the file as UTF-8") from error
    except ValueError as error:
        raise DatasetError(
            "this is not valid JSON", hint="give one JSON object per line"
        ) from error
    if not isinstance(record, dict):
        raise DatasetError("this is not a JSON object", hint="give one JSON object per line")
    if record.keys() & _PREFERENCES:
        raise DatasetError(
            "this line is for preference training (DPO), which this server does not do",
            hint="give messages that end with the preferred answer, or a prompt and a completion",
        )
    if "messages" in record:
        _refuse_others(record, ("messages",))
        return _conversation(record["messages"])
    for column in _COLUMNS:
        if column not in record:
            raise DatasetError(
                f"the {column} is missing", hint="give a prompt and a completion, or messages"
            )
        _check(column, record[column])
    _refuse_others(record, _COLUMNS)
    return Example(record["prompt"], record["completion"])


def _conversation(messages: Any) -> Example:
    if not isinstance(messages, list) or len(messages) < 2:
        raise DatasetError(
            "messages must be a list of at least two", hint="give the user's and the assistant's"
        )
    turns: list[tuple[str, str]] = []
    for number, message in enumerate(messages, start=1):
        where = f"message {number}"
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            raise DatasetError(f"the role must be one of {', '.join(_ROLES)}", where=where)
        _check("content", message.get("content"), where)
        empty = {key for key in _OF_ANSWERS if not message.get(key)}
        said = {key: value for key, value in message.items() if key not in empty}
        _refuse_others(said, ("role", "content", "weight"), where)
        turns.append((message["role"], message["content"]))
        earlier = number < len(messages)
        if earlier and message["role"] == "assistant" and message.get("weight") != 0:
            raise DatasetError(
                "this server trains on the assistant's last message only",
                where=where,
                hint='give an earlier one "weight": 0, or a line of its own',
            )
    if turns[-1][0] != "assistant":
        raise DatasetError("the last message must be the assistant's")
    return Example(tuple(turns[:-1]), turns[-1][1])


def _refuse_others(
    record: dict[str, Any], known: tuple[str, ...], where: str | None = None
) -> None:
    if unknown := sorted(set(record) - set(known)):
        raise DatasetError(
            f"{unknown[0][:40]!r} is not supported",
            where=where,
            hint=f"give {' and '.join(known)} only",
        )


def _check(column: str, text: Any, where: str | None = None) -> None:
    if not isinstance(text, str):
        raise DatasetError(f"the {column} must be a text", where=where, hint="quote it")
    if not text:
        raise DatasetError(f"the {column} is empty", where=where, hint="fill it or remove the line")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DatasetError(
            f"the {column} holds half of a surrogate pair", where=where, hint="fix the text"
        ) from error
