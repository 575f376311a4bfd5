"""The file ``items.jsonl`` beside an experiment's cassettes: a replay's inputs without any text.

A replay makes the prompts from the data set and looks their hashes up. Where the data set is not on
the machine, it takes the hashes from this file, and the labels to compare the answers with::

    {"items":1,"experiment":"tickets","dataset":"tickets.csv","rows":200,"task":{...},...}
    {"item":"...","label":2,"group":0,"prompts":{"0shot":"<64 hex digits>",...},"crc32":"<8>"}

The header has the keys of ``[task]`` that the items follow from, the hash of the instruction in
each kind of prompt, and rows and checksum of the training and of the validation file of each
training size. Each other line is an item, in the order of the test rows. A group is a number, not
what the data set calls it. A kind of prompt is the part of a cell's id after the model, ``bare``
for a fine-tuned model's, with ``chat-`` before it for messages, and with what a decision rule adds
to the prompt after a ``+``.

A line with ``"role":"calibration"`` is a training row that the rule ``calibrated`` asks, or a text
that says nothing, without a label. Each line ends with a
checksum as those of cassettes do.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, get_args

from tunebench.cassettes.lines import checked_fields, line_of
from tunebench.errors import CassetteError, holds_control
from tunebench.files import whole_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

ITEMS_NAME = "items.jsonl"
WRITE_ITEMS = "write it again with `tunebench cassettes items`, where the data set is"

Role = Literal["test", "calibration"]

_ROLES = get_args(Role)
_VERSION = 1
_HEADER = {"experiment": str, "dataset": str, "rows": int, "task": dict, "prompts": dict}
_FIELDS = {"item", "role", "label", "group", "prompts"}
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Item:
    """A text that is asked, without the text.

    Attributes:
        item: its item id.
        label: its label id; None for a text that calibrates without one.
        group: the number of its group; None where texts have none.
        prompts: SHA-256 (hex) of its prompts by kind, as rows of cassettes have it.
        role: whether it is a test row, or a text that calibrates.
    """

    item: str
    label: int | None
    group: int | None = None
    prompts: dict[str, str] = field(default_factory=dict)
    role: Role = "test"

    @property
    def fields(self) -> dict[str, Any]:
        """As they are stored; what is the default is left out."""
        role = {} if self.role == "test" else {"role": self.role}
        group = {} if self.group is None else {"group": self.group}
        return {"item": self.item, **role, "label": self.label, **group, "prompts": self.prompts}


@dataclass(frozen=True)
class ItemsFile:
    """The content of an ``items.jsonl``.

    Attributes:
        experiment: the experiment's name.
        dataset: the data set's name.
        task: the keys of ``[task]`` that the items follow from.
        instructions: SHA-256 (hex) of the first line of each kind of prompt.
        files: by training size, rows and SHA-256 of the training and of the validation file.
        items: in the order of the file.
    """

    experiment: str
    dataset: str
    task: dict[str, Any]
    instructions: dict[str, str] = field(default_factory=dict)
    files: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    items: tuple[Item, ...] = ()

    def of_role(self, role: Role) -> list[Item]:
        """The items of a role, in their order."""
        return [item for item in self.items if item.role == role]

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all; its folder exists.

        Raises:
            TunebenchError: it cannot be written.
        """
        self.write_with(path, len(self.items), self.items)

    def write_with(self, path: Path, rows: int, items: Iterable[Item]) -> None:
        """As `write`, with so many items instead of its own."""
        header = {
            "items": _VERSION,
            "experiment": self.experiment,
            "dataset": self.dataset,
            "rows": rows,
            "task": self.task,
            "prompts": self.instructions,
            "files": self.files,
        }
        with whole_files([path], overwrite=True) as (file,):
            file.write(line_of(header))
            file.writelines(line_of(item.fields) for item in items)


def read_items(path: Path) -> ItemsFile | None:
    """Read an ``items.jsonl``; None if there is none.

    Raises:
        CassetteError: it cannot be read, is of another version, or a line is damaged.
    """
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        problem = f"the file cannot be read ({error.strerror})"
        raise CassetteError(problem, where=path, hint="make it readable") from error
    return _read(path, content)


class ItemsStream:
    """An ``items.jsonl`` that is read an item at a time, and once.

    Attributes:
        file: its content without the items.

    Raises:
        CassetteError: it cannot be read, is of another version, or its header is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._lines = path.open("rb")
        except OSError as error:
            problem = f"the file cannot be read ({error.strerror})"
            raise CassetteError(problem, where=path, hint="make it readable") from error
        try:
            self.file = _without_items(_header(path, self._lines))
        except BaseException:
            self._lines.close()
            raise

    def __iter__(self) -> Iterator[Item]:
        with self._lines as lines:
            for number, line in enumerate(lines, 2):
                yield _item_at(self._path, number, line)

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


@lru_cache(maxsize=8)  # by the content: it is read for each cell of an experiment
def _read(path: Path, content: bytes) -> ItemsFile:
    lines = content.splitlines(keepends=True)
    header, items = _header(path, lines), []
    for number, line in enumerate(lines[1:], 2):
        items.append(_item_at(path, number, line))
    if len(items) != header["rows"]:
        problem = f"the file has {len(items)} of its {header['rows']} items"
        raise CassetteError(problem, where=path, hint=_fix())
    counted = Counter((item.role, item.item) for item in items)
    if twice := [item for (_, item), count in counted.items() if count > 1]:
        raise CassetteError(f"the item {twice[0]!r} is there twice", where=path, hint=_fix())
    return replace(_without_items(header), items=tuple(items))


def _item_at(path: Path, number: int, line: bytes) -> Item:
    try:
        if not line.endswith(b"\n"):
            raise ValueError("it has no end")
        return _item(checked_fields(line))
    except ValueError as error:
        raise _damaged(f"{path}, line {number}", str(error)) from None


def _without_items(header: dict[str, Any]) -> ItemsFile:
    return ItemsFile(
        header["experiment"],
        header["dataset"],
        header["task"],
        header["prompts"],
        {size: [(rows, sha) for rows, sha in files] for size, files in header["files"].items()},
    )


def _header(path: Path, lines: Iterable[bytes]) -> dict[str, Any]:
    place = f"{path}, line 1"
    try:
        header = checked_fields(next(iter(lines), b""))
        if type(header) is not dict or "items" not in header:
            raise ValueError("it is not the header of an items.jsonl")
    except ValueError as error:
        raise _damaged(place, str(error)) from None
    if header["items"] != _VERSION:
        raise CassetteError(
            f"the file has format version {header['items']!r} and this tunebench reads version "
            f"{_VERSION}",
            where=path,
            hint=f"install the version that wrote it, or {WRITE_ITEMS}",
        )
    files = header.get("files")
    right = all(type(header.get(name)) is kind for name, kind in _HEADER.items())
    right = right and all(map(_is_sha256, header["prompts"].values()))
    if not right or not (isinstance(files, dict) and all(map(_are_files, files.values()))):
        raise _damaged(place, "its fields are not those of a header")
    return header


def _are_files(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(one, list) and len(one) == 2 for one in value)
        and all(type(rows) is int and _is_sha256(sha) for rows, sha in value)
    )


def _item(fields: Any) -> Item:
    if type(fields) is not dict or not {"item", "label", "prompts"} <= fields.keys() <= _FIELDS:
        raise ValueError("its fields are not those of an item")
    item, label, prompts = fields["item"], fields["label"], fields["prompts"]
    group, role = fields.get("group"), fields.get("role", "test")
    wrong = None
    if type(item) is not str or not item or holds_control(item):
        wrong = "item"
    elif not ((type(label) is int and label >= 0) or (label is None and role != "test")):
        wrong = "label"
    elif not (group is None or (type(group) is int and group >= 0)):
        wrong = "group"
    elif type(prompts) is not dict or not all(map(_is_sha256, prompts.values())):
        wrong = "prompts"
    elif role not in _ROLES:
        wrong = "role"
    if wrong is not None:
        raise ValueError(f"the field {wrong} is not of its kind")
    return Item(item, label, group, prompts, role)


def _is_sha256(value: Any) -> bool:
    return type(value) is str and _SHA256.fullmatch(value) is not None


def _damaged(place: str, why: str) -> CassetteError:
    return CassetteError(f"the line is damaged ({why})", where=place, hint=_fix())


def _fix() -> str:
    return f"restore the file from version control, or {WRITE_ITEMS}"
