"""A user's file as a table, also where it is a training file as OpenAI takes it.

A row of a chat file, ``{"messages": [...]}``, has a column for each role. Prompts and completions
lose the marks that only training needs.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from tunebench.errors import DatasetError
from tunebench.files import files_of
from tunebench.formatting import lacks_separator, without_marks
from tunebench.tables import Strings, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tunebench.tables import Record

CHAT = ("user", "assistant")
PAIR = ("prompt", "completion")
# The columns of texts and labels in training files.
TRAINING_FILES = (CHAT, PAIR)

_MESSAGES = "messages"
_ROLES = ("system", "user", "assistant")


@dataclass
class OwnTable(Table):
    """A `Table` that also reads training files.

    Attributes:
        path: the file, or a pattern of files that are read as one.
        instruction: the system message of a chat file; None if it has none, or is another file.
        files: of several files, the name of that of each row.
    """

    instruction: str | None = None
    files: list[str] = field(default_factory=list)
    _first_system: tuple[str, str] | None = field(default=None, init=False)

    def read(self, *, encoding: str | None = None, delimiter: str | None = None) -> None:
        """As `Table.read`; columns called prompt and completion come without separator and ending.

        Raises:
            DatasetError: as there; also if the rows of a training file contradict each other, or a
                pattern finds no file.
        """
        whole, paths = self.path, files_of(self.path)
        if not paths:
            problem = "no file has a name of this pattern"
            raise DatasetError(problem, where=whole, hint="fix the pattern")
        for self.path in paths:
            super().read(encoding=encoding, delimiter=delimiter)
            if len(paths) > 1:
                self.files += [self.path.name] * (len(self.places) - len(self.files))
        self.path = whole
        if self.columns[:2] != PAIR or not self.places:
            return
        prompts, completions, *_ = self.texts
        if (lacking := lacks_separator(prompts)) is not None:
            position, separator = lacking
            problem = f"the prompt does not end with {separator!r}, as most others do"
            where = self.at(self.places[position])
            if self.files:
                where = f"{self.path.with_name(self.files[position])}, line {self.places[position]}"
            raise DatasetError(problem, where=where, hint="write them alike")
        texts, labels, separator, ending = without_marks(prompts, completions)
        self.texts[:2] = Strings(texts), list(map(sys.intern, labels))
        for what, mark, kind in (
            ("prompts", separator, "text"),
            ("completions", ending, "label"),
        ):
            if mark:
                self.notes.append(
                    f"All {what} end with {mark!r}, which is not part of the {kind}s."
                )

    def json_lines(self, encoding: str | None) -> Iterator[Record]:
        """As `Table.json_lines`, with a key for each role of a chat."""
        records = super().json_lines(encoding)
        first = list(islice(records, 1))
        is_chat = any(self._is_chat(record) for _, record, _ in first)
        for place, record, line in chain(first, records):
            if is_chat:
                yield place, self._row(record, place), line
            else:
                yield place, record, line

    def _is_chat(self, record: dict[str, Any]) -> bool:
        has_columns = bool(self.columns) and set(self.columns) <= record.keys()
        return isinstance(record.get(_MESSAGES), list) and not has_columns

    def _row(self, record: dict[str, Any], place: int) -> dict[str, Any]:
        """A chat's row."""
        try:
            row = {key: value for key, value in record.items() if key != _MESSAGES}
            contents = _contents(record.get(_MESSAGES))
            if both := [key for key in contents if key in row]:
                raise DatasetError(
                    f"there are messages and a key {both[0]!r}", hint="rename that key"
                )
            system = contents.get("system") or ""
            if not isinstance(system, str):
                raise _fault("the system message is not a text")
            if self._first_system is None:
                self._first_system = system, self.at(place)
                self.instruction = system or None
            text, first = self._first_system
            if system != text:
                first = first.removeprefix(f"{self.path}, ")
                problem = f"the system message is not that of {first}"
                hint = "a task has one instruction: write them alike, or make a file of each"
                raise DatasetError(problem, hint=hint)
        except DatasetError as error:
            raise DatasetError(error.problem, where=self.at(place), hint=error.hint) from None
        # All rows have the same columns, also where a message is empty.
        return row | contents | ({"system": system} if system else {})


def _fault(problem: str) -> DatasetError:
    return DatasetError(problem, hint="make it a row of one text and its label, or take it out")


def _contents(messages: Any) -> dict[str, Any]:
    """The content of each role's message, in the order of a chat of one turn."""
    if not isinstance(messages, list) or not messages:
        raise DatasetError(
            f"{_MESSAGES!r} must be a list of messages", hint="write the user's and the assistant's"
        )
    found: dict[str, Any] = {}
    for number, message in enumerate(messages, 1):
        name = f"message {number}"
        if not isinstance(message, dict):
            raise DatasetError(
                f"{name} is not an object", hint='write {"role": "…", "content": "…"}'
            )
        role = message.get("role")
        role = "system" if role == "developer" else role
        if role not in _ROLES:
            raise _fault(f"{name} has the role {role!r}, not {', '.join(_ROLES)}")
        if message.get("tool_calls") or message.get("function_call"):
            raise _fault(f"{name} calls a tool, which is not a label")
        if role in found:
            raise _fault(f"there is more than one message of the role {role!r}")
        found[role] = _joined(message.get("content"), name)
    if lacking := [role for role in CHAT if role not in found]:
        raise _fault(f"there is no message of the role {lacking[0]!r}")
    if list(found)[-1] != "assistant":
        raise DatasetError("the last message is not the assistant's", hint="end with the label")
    return found


def _joined(content: Any, name: str) -> Any:
    """The content of a message; parts of texts are joined."""
    if not isinstance(content, list):
        return content
    texts = []
    for part in content:
        text = part.get("text") if isinstance(part, dict) else part
        if not isinstance(text, str):
            kind = part.get("type") if isinstance(part, dict) else part
            raise _fault(f"{name} has a part that is not a text ({str(kind)[:40]!r})")
        texts.append(text)
    return "".join(texts)
