"""Reading of a cassette: an index of its rows, and the rows themselves when asked for."""

from __future__ import annotations

import json
from binascii import unhexlify
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from tunebench.cassettes.line_file import LineFile, damaged_at, position_of
from tunebench.cassettes.lines import (
    BEFORE_ANSWER,
    BEFORE_CRC,
    PROMPT,
    REQUEST_OF_ROW,
    REQUEST_START,
    ROW_START,
    VERSION,
    RequestLine,
    Row,
    checked_fields,
    is_sound,
    read_header,
    request_of,
    row_of,
)
from tunebench.cassettes.sealed import Sealed
from tunebench.cassettes.shards import listed_in
from tunebench.errors import CassetteError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class StoredAnswer(NamedTuple):
    """A row of the file, its request, and its answer as JSON; no two have one position."""

    position: int
    row: Row
    request: RequestLine
    answer: bytes


class Opened(NamedTuple):
    """The files of a cassette as they are between two seals."""

    lines: LineFile
    sealed: Sealed
    # By request id: its line, and the rows of its digest by prompt.
    requests: dict[bytes, tuple[RequestLine, dict[bytes, int]]]

    @property
    def base(self) -> int:
        """What the positions in the open file are higher by than in the file itself."""
        return position_of(self.sealed.end, 0)


class CassetteReader:
    """A cassette's rows by their keys.

    In memory are about 150 bytes a row of the open file, and 28 of a sealed one.
    """

    def __init__(self, path: Path, *, experiment: str, recording: str) -> None:
        """Open for replay; the header must state the experiment and the recording (cell or job).

        Raises:
            CassetteError: the file is not a cassette, of another version, of another experiment or
                cell, or has a damaged line; or a shard of it is missing or damaged.
        """
        self.path = path
        self.header = {"cassette": VERSION, "experiment": experiment, "recording": recording}
        self.recorded_limits: dict[str, Any] = {}
        self._lines: LineFile | None = None
        self._retired: list[LineFile] = []
        self._clear()
        try:
            self._read()
            self.exists = True
        except (FileNotFoundError, NotADirectoryError):
            self.exists = False
        except BaseException:
            self.close()
            raise

    def _clear(self) -> None:
        self._opened: Opened | None = None
        self._sealed = Sealed(self.path)
        self._stored_header: dict[str, Any] = {}
        self._requests: dict[bytes, tuple[RequestLine, dict[bytes, int]]] = {}
        self._rows: dict[str, dict[bytes, int]] = {}
        self._end = 0

    def close(self) -> None:
        """Close the files."""
        self._opened = None
        while self._retired:
            self._retired.pop().close()
        self._sealed.close()
        if self._lines is not None:
            self._lines.close()
            self._lines = None

    def holds(self, digest: str, prompt: str) -> bool:
        """Whether there is an answer, by a request's digest and the SHA-256 (hex) of a prompt."""
        return self.find(digest, [unhexlify(prompt)]) is not None

    def find(self, digest: str, prompts: Sequence[bytes]) -> list[int] | None:
        """The positions of answers, by a digest and each prompt's SHA-256; None if one lacks."""
        found = self.positions_of(digest, prompts)
        return None if None in found else found  # type: ignore[return-value]

    def positions_of(self, digest: str, prompts: Sequence[bytes]) -> list[int | None]:
        """The positions of answers, as `find`; None for each that lacks."""
        # In this order: a seal adds rows there before it takes them from here.
        known, sealed = self._rows.get(digest, {}), self._sealed
        found = [known.get(prompt) for prompt in prompts]
        if None not in found or not sealed.end:
            return found
        return [
            here or there
            for here, there in zip(found, self._sealed.find(digest, prompts), strict=True)
        ]

    def __len__(self) -> int:
        return sum(map(len, self._rows.values())) + len(self._sealed)

    def positions(self) -> Iterator[int]:
        """The positions of the rows, in the order of the file; shards come first."""
        yield from self._sealed.positions()
        yield from sorted(at for rows in self._rows.values() for at in rows.values())

    def rows(self) -> Iterator[StoredAnswer]:
        """All rows in the order of the file."""
        return map(self.answer, self.positions())

    def answer(self, position: int) -> StoredAnswer:
        """The row at a position that `find` or `positions` gave.

        Raises:
            CassetteError: the row has changed since the file was opened, or is not a row.
        """
        opened = self._opened
        if opened is None:
            raise CassetteError("the cassette is closed", where=self.path)
        line = _line(opened, position)
        try:
            row = row_of(checked_fields(line))
            if (row.prompt.encode(), row.request.encode()) != (line[PROMPT], line[REQUEST_OF_ROW]):
                raise ValueError("its key is not the one that it begins with")
        except ValueError as error:
            raise self.damaged(position, str(error)) from None
        if position < opened.base:
            request = opened.sealed.requests[row.request]
        else:
            request, _ = opened.requests[row.request.encode()]
        start = line.index(BEFORE_ANSWER) + len(BEFORE_ANSWER)
        return StoredAnswer(position, row, request, line[start : line.rindex(BEFORE_CRC)])

    def check(self) -> None:
        """Check each line, before an answer is called missing.

        Raises:
            CassetteError: a line is damaged.
        """
        opened = self._opened
        if opened is None:
            return
        for place, line in opened.sealed.lines():
            if line.startswith((ROW_START, REQUEST_START)) and not is_sound(line):
                raise damaged_at(place)
        for number, line in enumerate(islice(opened.lines, 1, None), 2):
            if line.endswith(b"\n") and not is_sound(line):
                raise opened.lines.damaged(number)

    def damaged(self, position: int, why: str) -> CassetteError:
        """The error of the row at a position that cannot be used."""
        opened = self._opened
        assert opened is not None
        if position < opened.base:
            return damaged_at(opened.sealed.place(position), why)
        return opened.lines.damaged(opened.lines.number(position - opened.base), why)

    def _read(self) -> None:
        """Open the files and index their lines."""
        self._clear()
        self._lines = lines = LineFile(self.path)
        rows: dict[bytes, int] = {}
        of_rows = b""
        at = 0
        for number, line in enumerate(lines, 1):
            length = len(line)
            # The end of a row shows that it is whole. Its checksum is only checked when it is
            # read, so that a million rows open fast.
            if line.startswith(ROW_START) and line.endswith((b'"}\n', b'"}\r\n')):
                if line[REQUEST_OF_ROW] != of_rows:
                    of_rows = line[REQUEST_OF_ROW]
                    if of_rows not in self._requests:
                        raise lines.damaged(number, "no line describes its request")
                    rows = self._requests[of_rows][1]
                position = position_of(at, length)
                try:
                    earlier = rows.setdefault(unhexlify(line[PROMPT]), position)
                except ValueError:
                    raise lines.damaged(number) from None
                if earlier != position:
                    before = earlier - position_of(self._sealed.end, 0)
                    place = f"line {lines.number(before)}"
                    _check_twin(lines.line(before), place, line, lines.place(number))
            elif not line.endswith(b"\n"):
                if number == 1 and not self._begins_header(line):
                    self._check_header(line, lines.place(1))
                break
            elif number == 1:
                self._check_header(line, lines.place(1))
                at = self._sealed.end
            else:
                try:
                    id_, request = request_of(checked_fields(line))
                except ValueError as error:
                    raise lines.damaged(number, str(error)) from None
                of_digest = self._rows.setdefault(request.digest, {})
                self._requests[id_.encode()] = request, of_digest
            at += length
            self._end += length
        self._opened = opened = Opened(lines, self._sealed, self._requests)
        for digest, rows in self._rows.items() if self._sealed.end else ():
            _drop_sealed(opened, digest, rows)

    def _begins_header(self, torn: bytes) -> bool:
        start = json.dumps(self.header).encode()[:-1]
        return start.startswith(torn) or torn.startswith(start)

    def _check_header(self, line: bytes, place: str) -> None:
        try:
            header = read_header(line)
        except CassetteError as error:
            raise CassetteError(error.problem, where=place, hint=error.hint) from None
        for name, expected in self.header.items():
            if name != "cassette" and header.get(name) != expected:
                raise CassetteError(
                    f"the cassette belongs to the {name} {header.get(name)!r}, not to {expected!r}",
                    where=place,
                    hint="put the right file there, or move it away and record again",
                )
        limits = header.get("limits")
        self.recorded_limits = limits if isinstance(limits, dict) else {}
        self._stored_header = header
        try:
            listed = listed_in(header)
        except CassetteError as error:
            raise CassetteError(error.problem, where=place, hint=error.hint) from None
        if listed:
            self._sealed = Sealed(self.path, listed)


def _line(opened: Opened, position: int) -> bytes:
    if position < opened.base:
        return opened.sealed.line(position)
    return opened.lines.line(position - opened.base)


def _drop_sealed(opened: Opened, digest: str, rows: dict[bytes, int]) -> None:
    """Drop the rows of the open file that are sealed, too, as after a merge."""
    for prompt, there in zip(list(rows), opened.sealed.find(digest, list(rows)), strict=True):
        if there is not None:
            here = rows.pop(prompt)
            at = opened.lines.place(opened.lines.number(here - opened.base))
            _check_twin(_line(opened, there), opened.sealed.place(there), _line(opened, here), at)


def _check_twin(earlier: bytes, place: str, line: bytes, where: str) -> None:
    """A row may stand in a file twice, as after a merge, but not with two contents."""
    if earlier.rstrip(b"\r\n") != line.rstrip(b"\r\n"):
        raise CassetteError(
            f"the row has the key of {place} and another content",
            where=where,
            hint="delete one of the two",
        )
