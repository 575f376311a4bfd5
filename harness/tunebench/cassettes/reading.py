"""Reading of a cassette: an index of its rows, and the rows themselves when asked for."""

from __future__ import annotations

import json
from binascii import unhexlify
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from tunebench.cassettes.line_file import LineFile, position_of
from tunebench.cassettes.lines import (
    BEFORE_ANSWER,
    BEFORE_CRC,
    PROMPT,
    REQUEST_OF_ROW,
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
from tunebench.errors import CassetteError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


class StoredAnswer(NamedTuple):
    """A row of the file, its request, and its answer as JSON; no two have one position."""

    position: int
    row: Row
    request: RequestLine
    answer: bytes


class CassetteReader:
    """A cassette's rows by their keys. In memory are about 150 bytes a row."""

    def __init__(self, path: Path, *, experiment: str, recording: str) -> None:
        """Open for replay; the header must state the experiment and the recording (cell or job).

        Raises:
            CassetteError: the file is not a cassette, of another version, of another experiment or
                cell, or has a damaged line.
        """
        self.path = path
        self.header = {"cassette": VERSION, "experiment": experiment, "recording": recording}
        self.recorded_limits: dict[str, Any] = {}
        self._lines: LineFile | None = None
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
        # By request id: its line, and the rows of its digest by prompt.
        self._requests: dict[bytes, tuple[RequestLine, dict[bytes, int]]] = {}
        self._rows: dict[str, dict[bytes, int]] = {}
        self._end = 0

    def close(self) -> None:
        """Close the file."""
        if self._lines is not None:
            self._lines.close()
            self._lines = None

    def holds(self, digest: str, prompt: str) -> bool:
        """Whether there is an answer, by a request's digest and the SHA-256 (hex) of a prompt."""
        return unhexlify(prompt) in self._rows.get(digest, ())

    def find(self, digest: str, prompts: Iterable[bytes]) -> list[int] | None:
        """The positions of answers, by a digest and each prompt's SHA-256; None if one lacks."""
        known = self._rows.get(digest)
        if known is None:
            return None
        found = [known.get(prompt) for prompt in prompts]
        return None if None in found else found  # type: ignore[return-value]

    def __len__(self) -> int:
        return sum(map(len, self._rows.values()))

    def positions(self) -> Iterator[int]:
        """The positions of the rows, in the order of the file."""
        return iter(sorted(at for rows in self._rows.values() for at in rows.values()))

    def rows(self) -> Iterator[StoredAnswer]:
        """All rows in the order of the file."""
        return map(self.answer, self.positions())

    def answer(self, position: int) -> StoredAnswer:
        """The row at a position that `find` or `positions` gave.

        Raises:
            CassetteError: the row has changed since the file was opened, or is not a row.
        """
        if self._lines is None:
            raise CassetteError("the cassette is closed", where=self.path)
        line = self._lines.line(position)
        try:
            row = row_of(checked_fields(line))
            if (row.prompt.encode(), row.request.encode()) != (line[PROMPT], line[REQUEST_OF_ROW]):
                raise ValueError("its key is not the one that it begins with")
        except ValueError as error:
            raise self.damaged(position, str(error)) from None
        request, _ = self._requests[row.request.encode()]
        start = line.index(BEFORE_ANSWER) + len(BEFORE_ANSWER)
        return StoredAnswer(position, row, request, line[start : line.rindex(BEFORE_CRC)])

    def check(self) -> None:
        """Check each line, before an answer is called missing.

        Raises:
            CassetteError: a line is damaged.
        """
        if self._lines is None:
            return
        for number, line in enumerate(islice(self._lines, 1, None), 2):
            if line.endswith(b"\n") and not is_sound(line):
                raise self._lines.damaged(number)

    def damaged(self, position: int, why: str) -> CassetteError:
        """The error of the row at a position that cannot be used."""
        assert self._lines is not None
        return self._lines.damaged(self._lines.number(position), why)

    def _read(self) -> None:
        """Open the file and index its lines."""
        self._clear()
        self._lines = lines = LineFile(self.path)
        rows: dict[bytes, int] = {}
        of_rows = b""
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
                position = position_of(self._end, length)
                try:
                    earlier = rows.setdefault(unhexlify(line[PROMPT]), position)
                except ValueError:
                    raise lines.damaged(number) from None
                if earlier != position:
                    _check_twin(lines, earlier, line, number)
            elif not line.endswith(b"\n"):
                if number == 1 and not self._begins_header(line):
                    self._check_header(line, lines.place(1))
                break
            elif number == 1:
                self._check_header(line, lines.place(1))
            else:
                try:
                    id_, request = request_of(checked_fields(line))
                except ValueError as error:
                    raise lines.damaged(number, str(error)) from None
                of_digest = self._rows.setdefault(request.digest, {})
                self._requests[id_.encode()] = request, of_digest
            self._end += length

    def _begins_header(self, torn: bytes) -> bool:
        start = json.dumps(self.header).encode()[:-1]
        return start.startswith(torn) or torn.startswith(start)

    def _check_header(self, line: bytes, place: str) -> None:
        try:
            header = read_header(line)
        except CassetteError as error:
            raise CassetteError(error.problem, where=place, hint=error.hint) from None
        for name, expected in self.header.items():
            if header.get(name) != expected:
                raise CassetteError(
                    f"the cassette belongs to the {name} {header.get(name)!r}, not to {expected!r}",
                    where=place,
                    hint="put the right file there, or move it away and record again",
                )
        limits = header.get("limits")
        self.recorded_limits = limits if isinstance(limits, dict) else {}


def _check_twin(lines: LineFile, earlier: int, line: bytes, number: int) -> None:
    """A row may stand in a file twice, as after a merge, but not with two contents."""
    if lines.line(earlier).rstrip(b"\r\n") != line.rstrip(b"\r\n"):
        raise CassetteError(
            f"the row has the key of line {lines.number(earlier)} and another content",
            where=lines.place(number),
            hint="delete one of the two",
        )
