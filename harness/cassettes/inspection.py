"""A cassette's file as it stands, whatever is wrong with it.

A replay refuses a damaged file at its first fault. This reads on and names them all.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from harness.cassettes.fingerprint import CassetteError
from harness.cassettes.leaks import holds_secret, long_texts, repeats
from harness.cassettes.store import VERSION, Row

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_FIELDS = [one.name for one in fields(Row)]
_TYPES: dict[str, Any] = {
    **dict.fromkeys(("key", "endpoint", "model", "recorded_at", "server"), str),
    **dict.fromkeys(("items", "prompt_sha256"), list),
    "parameters": dict,
    "status": int,
    "latency_ms": (int, float),
}
_KEY = re.compile(r"[0-9a-f]{64}")
# The search for a job is asked again by each recording until there is one.
_SEARCH = re.compile(r"GET fine_tuning/jobs(\?.*)?")


@dataclass(frozen=True)
class Inspected:
    """What a cassette's file holds.

    Attributes:
        path: the file.
        size: bytes.
        header: the first line; empty where it is no header.
        rows: the well-formed rows by line number.
        torn: whether the last line has no end.
        problems: what is wrong with the lines, a sentence each, with its line.
    """

    path: Path
    size: int
    header: dict[str, Any]
    rows: dict[int, dict[str, Any]] = field(repr=False)
    torn: bool
    problems: list[str]

    @property
    def damaged(self) -> bool:
        """Whether anything but a torn last line is wrong; a replay may stumble over it."""
        return len(self.problems) > self.torn

    def numbers(self, keys: Iterable[str]) -> list[int]:
        """The lines of rows by their keys."""
        wanted = set(keys)
        return [number for number, row in self.rows.items() if row["key"] in wanted]

    def leaks(self, texts: Iterable[str], keys: Iterable[str]) -> list[str]:
        """What it must not hold, a sentence each; a text or key itself is never told.

        Args:
            texts: of the data set; those under 40 characters may stand in any answer.
            keys: API keys that are known.
        """
        texts, keys = long_texts(texts), list(keys)
        found = []
        for number, row in self.rows.items():
            if repeats(row, texts):
                found.append(
                    f"{self.path}, line {number}: the row holds a text of the data set; turn that "
                    "off at the provider, delete the cassette and record again."
                )
            if holds_secret(json.dumps(row, ensure_ascii=False), keys):
                found.append(
                    f"{self.path}, line {number}: the row holds what looks like an API key; take "
                    "it back at its provider, delete the cassette and record again."
                )
        return found


def inspect(path: Path) -> Inspected:
    """Read a cassette's file.

    Raises:
        CassetteError: it cannot be read.
    """
    header: dict[str, Any] = {}
    rows: dict[int, dict[str, Any]] = {}
    problems, torn = [], False
    first_lines: dict[str, int] = {}
    try:
        with path.open("rb") as file:
            lines = list(file)
    except OSError as error:
        raise CassetteError(
            f"{path}: the cassette cannot be read ({error.strerror}); mend the path."
        ) from error
    for number, line in enumerate(lines, 1):
        try:
            if not line.endswith(b"\n"):
                torn = True
                raise ValueError("it has no end; record again, or prune it")
            if number == 1:
                header = _header(line)
                continue
            row = _row(line)
            earlier = first_lines.setdefault(row["key"], number)
            rows[number] = row
            if earlier != number and not _SEARCH.fullmatch(row["endpoint"]):
                raise ValueError(f"it has the key of line {earlier}; delete one of the two")
        except ValueError as error:
            problems.append(f"{path}, line {number}: {error}.")
    if not lines:
        problems.append(f"{path}: the file is empty; delete it.")
    return Inspected(path, sum(map(len, lines)), header, rows, torn, problems)


def _header(line: bytes) -> dict[str, Any]:
    header = _object(line)
    if not {"cassette", "experiment", "recording"} <= header.keys():
        raise ValueError("this is no header of a cassette; restore it from version control")
    if header["cassette"] != VERSION:
        raise ValueError(
            f"the cassette has format version {header['cassette']!r}, and this tunebench reads "
            f"{VERSION}; install the version that wrote it"
        )
    return header


def _row(line: bytes) -> dict[str, Any]:
    row = _object(line)
    mend = "restore the file from version control"
    if list(row) != _FIELDS:
        wrong = sorted(set(row) ^ set(_FIELDS))
        named = f"the fields {', '.join(wrong)}" if wrong else "the order of its fields"
        raise ValueError(f"a row of a cassette differs in {named}; {mend}")
    for name, kind in _TYPES.items():
        if not isinstance(row[name], kind) or isinstance(row[name], bool):
            raise ValueError(f"the field {name} is not of its kind; {mend}")
    if not _KEY.fullmatch(row["key"]):
        raise ValueError(f"the key is no SHA-256 in hex; {mend}")
    return row


def _object(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ValueError("this is no JSON object; restore the file from version control")
    return value
