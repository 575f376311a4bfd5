"""Inspection of a cassette's file, whatever is wrong with it.

A replay refuses a damaged file at its first problem. This reads on and names them all.
"""

from __future__ import annotations

import json
import zlib
from binascii import unhexlify
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tunebench.cassettes.leaks import holds_secret, long_texts, repeats
from tunebench.cassettes.line_file import lines_of
from tunebench.cassettes.lines import (
    RequestLine,
    Row,
    checked_fields,
    read_header,
    request_of,
    row_of,
)
from tunebench.cassettes.shards import Listed, Shard, header_of, listed_in
from tunebench.errors import CassetteError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_RESTORE = "restore the file from version control"


@dataclass(frozen=True)
class InspectedRow:
    """A well-formed row, and the fields it has in common with others."""

    row: Row
    request: RequestLine


@dataclass(frozen=True)
class Inspected:
    """The content of a cassette's file.

    Attributes:
        size: bytes on the disk, with those of its shards.
        header: the first line; empty where it is not a header.
        rows: the well-formed rows by line number, counted through its shards and the file.
        torn: whether the last line has no end.
        problems: a sentence for each bad line.
    """

    path: Path
    size: int
    header: dict[str, Any]
    rows: dict[int, InspectedRow] = field(repr=False)
    torn: bool
    problems: list[str]

    @property
    def damaged(self) -> bool:
        """Whether anything is wrong that a replay may refuse, so more than a torn last line."""
        return len(self.problems) > self.torn

    def numbers(self, keys: Iterable[str]) -> list[int]:
        """The lines of rows by their keys."""
        wanted = set(keys)
        return [number for number, one in self.rows.items() if one.row.key in wanted]

    def leaks(self, texts: Iterable[str], keys: Iterable[str]) -> list[str]:
        """Sentences about lines that hold one of the texts, if it is long enough, or an API key."""
        texts, keys = long_texts(texts), list(keys)
        record = "delete the cassette and record again"
        found = []
        for number, one in self.rows.items():
            content, place = [one.row.answer, one.row.item, one.request.fields], (self.path, number)
            if repeats(content, texts):
                problem = "the row holds a text of the data set"
                found.append(_said(problem, f"turn that off at the provider, {record}", *place))
            if holds_secret(json.dumps(content, ensure_ascii=False), keys):
                problem = "the row holds what looks like an API key"
                found.append(_said(problem, f"take it back at its provider, {record}", *place))
        return found


def inspect(path: Path) -> Inspected:
    """Read a cassette's file.

    Raises:
        CassetteError: it cannot be read, or is not a regular file.
    """
    header: dict[str, Any] = {}
    requests: dict[str, RequestLine] = {}
    rows: dict[int, InspectedRow] = {}
    problems: list[str] = []
    torn = False
    first_lines: dict[tuple[str, bytes], tuple[int, str, int]] = {}
    size, number = 0, 0
    for number, (place, line) in enumerate(_placed_lines(path, problems), 1):
        size += len(line)
        try:
            if not line.endswith(b"\n"):
                torn = True
                raise CassetteError("it has no end", hint="record again, or prune it")
            if place.endswith(", line 1"):
                header = read_header(line)
                continue
            fields = checked_fields(line)
            if isinstance(fields, dict) and "digest" in fields:
                id_, request = request_of(fields)
                requests[id_] = request
                continue
            row = row_of(fields)
            if row.request not in requests:
                raise ValueError("no line before it describes its request")
            key = (requests[row.request].digest, unhexlify(row.prompt))
            rows[number] = InspectedRow(row, requests[row.request])
            checksum = zlib.crc32(line.rstrip())
            earlier, at, there = first_lines.setdefault(key, (number, place, checksum))
            if earlier != number and there != checksum:
                same = at.removeprefix(f"{path}, ")
                raise CassetteError(f"it has the key of {same}", hint="delete one of the two")
        except CassetteError as error:
            problems.append(str(CassetteError(error.problem, where=place, hint=error.hint)))
        except ValueError as error:
            problems.append(str(CassetteError(str(error), where=place, hint=_RESTORE)))
    if not number:
        problems.append(_said("the file is empty", "delete it", path))
    files = [path, *(one.path(path) for one in _listed(header))]
    bytes_ = sum(file.stat().st_size for file in files if file.exists())
    return Inspected(path, bytes_ if len(files) > 1 else size, header, rows, torn, problems)


def _placed_lines(path: Path, problems: list[str]) -> Iterator[tuple[str, bytes]]:
    """All lines with their places: those of the shards, then those of the file.

    What is wrong with a shard is a problem, and the rest of that shard is left out.
    """
    first = next(lines_of(path), b"")
    for one in _listed(header_of(first)):
        try:
            shard = Shard(path, one)
            with closing(shard):
                for number, line in enumerate(shard, 1):
                    yield f"{shard.path}, line {number}", line
        except CassetteError as error:
            problems.append(str(error))
    for number, line in enumerate(lines_of(path), 1):
        yield f"{path}, line {number}", line


def _listed(header: dict[str, Any]) -> list[Listed]:
    try:
        return listed_in(header)
    except (CassetteError, TypeError):
        return []


def _said(problem: str, hint: str | None, path: Path, number: int | None = None) -> str:
    place = str(path) if number is None else f"{path}, line {number}"
    return str(CassetteError(problem, where=place, hint=hint))
