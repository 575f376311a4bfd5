"""A cassette's file as it stands, whatever is wrong with it.

A replay refuses a damaged file at its first fault. This reads on and names them all.
"""

from __future__ import annotations

import json
from binascii import unhexlify
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tunebench.cassettes.leaks import holds_secret, long_texts, repeats
from tunebench.cassettes.lines import (
    RequestLine,
    Row,
    checked_fields,
    header_problem,
    request_of,
    row_of,
)
from tunebench.errors import CassetteError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True)
class InspectedRow:
    """A well-formed row and what it has in common with others."""

    row: Row
    request: RequestLine


@dataclass(frozen=True)
class Inspected:
    """What a cassette's file holds.

    Attributes:
        path: the file.
        size: bytes.
        header: the first line; empty where it is not a header.
        rows: the well-formed rows by line number.
        torn: whether the last line has no end.
        problems: what is wrong with the lines, a sentence each, with its line.
    """

    path: Path
    size: int
    header: dict[str, Any]
    rows: dict[int, InspectedRow] = field(repr=False)
    torn: bool
    problems: list[str]

    @property
    def damaged(self) -> bool:
        """Whether anything but a torn last line is wrong; a replay may stumble over it."""
        return len(self.problems) > self.torn

    def numbers(self, keys: Iterable[str]) -> list[int]:
        """The lines of rows by their keys."""
        wanted = set(keys)
        return [number for number, one in self.rows.items() if one.row.key in wanted]

    def leaks(self, texts: Iterable[str], keys: Iterable[str]) -> list[str]:
        """What it must not hold, a sentence each; a text or key itself is never told.

        Args:
            texts: of the data set; those under 40 characters may stand in any answer.
            keys: API keys that are known.
        """
        texts, keys = long_texts(texts), list(keys)
        found = []
        for number, one in self.rows.items():
            content = [one.row.answer, one.row.item, one.request.fields]
            if repeats(content, texts):
                found.append(
                    f"{self.path}, line {number}: the row holds a text of the data set; turn that "
                    "off at the provider, delete the cassette and record again."
                )
            if holds_secret(json.dumps(content, ensure_ascii=False), keys):
                found.append(
                    f"{self.path}, line {number}: the row holds what looks like an API key; take "
                    "it back at its provider, delete the cassette and record again."
                )
        return found


def inspect(path: Path) -> Inspected:
    """Read a cassette's file.

    Raises:
        CassetteError: it cannot be read, or is not a regular file.
    """
    header: dict[str, Any] = {}
    requests: dict[str, RequestLine] = {}
    rows: dict[int, InspectedRow] = {}
    problems, torn = [], False
    first_lines: dict[tuple[str, bytes], int] = {}
    try:
        if not path.is_file():
            raise CassetteError(f"{path}: the cassette is not a regular file; move it away.")
        with path.open("rb") as file:
            lines = list(file)
    except OSError as error:
        raise CassetteError(
            f"{path}: the cassette cannot be read ({error.strerror}); put a file there that can."
        ) from error
    for number, line in enumerate(lines, 1):
        try:
            if not line.endswith(b"\n"):
                torn = True
                raise ValueError("it has no end; record again, or prune it")
            if number == 1:
                if (problem := header_problem(line)) is not None:
                    raise ValueError(problem)
                header = json.loads(line)
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
            earlier = first_lines.setdefault(key, number)
            if earlier != number and lines[earlier - 1].rstrip() != line.rstrip():
                raise ValueError(f"it has the key of line {earlier}; delete one of the two")
        except ValueError as error:
            problems.append(f"{path}, line {number}: {error}{_fix(str(error))}.")
    if not lines:
        problems.append(f"{path}: the file is empty; delete it.")
    return Inspected(path, sum(map(len, lines)), header, rows, torn, problems)


def _fix(problem: str) -> str:
    return "" if ";" in problem else "; restore the file from version control"
