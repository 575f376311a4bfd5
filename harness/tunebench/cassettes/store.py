"""The file of a cassette: JSON lines that are only ever appended to.

The first line is a header. Of the others, some describe a kind of request, and each of the rest is
a row: one prompt's answer, whatever else its request held. A row's key is the pair of its request,
without the prompt, and its prompt::

    {"cassette": 2, "experiment": "imdb", "recording": "smollm2-135m-1shot"}
    {"request":"<16 hex digits>","digest":"<64>","endpoint":"POST completions",...,"crc32":"<8>"}
    {"prompt":"<64 hex digits>","request":"<16>","item":"...",...,"answer":{...},"crc32":"<8>"}

A line counts once its line break is written: a torn last line, as a killed process leaves it, is
dropped. Each line ends with a checksum over all that stands before it in the line. A line that is
not as it was written is refused with its number: torn lines and two different rows of one key when
the file is opened, all others when they are read, or when an answer is missed.

A row is handed to the operating system before `append` returns, so a killed process loses none of
the answers that came. It is forced to the disk at least once a second and when the file is closed:
a power cut loses the answers of the last second at the most.
"""

from __future__ import annotations

import errno
import io
import json
import os
import stat
import threading
import time
from binascii import unhexlify
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

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
    header_problem,
    is_sound,
    line_of,
    request_of,
    row_of,
)
from tunebench.errors import CassetteError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: two recordings of one cassette at once go unnoticed there.
    fcntl = None  # type: ignore[assignment]

_LENGTH_BITS = 32
_LENGTH_MASK = (1 << _LENGTH_BITS) - 1
_SECONDS_BETWEEN_SYNCS = 1.0
_BLOCK = 1 << 20
_RESTORE = "restore the file from version control, or delete it and record again"


class StoredAnswer(NamedTuple):
    """A row as it stands in the file.

    Attributes:
        position: where, which no other row of the file has.
        row: the row.
        request: what it has in common with others.
        answer: the JSON of the row's answer.
    """

    position: int
    row: Row
    request: RequestLine
    answer: bytes


def lock(file: int, path: Path) -> None:
    """Keep other recordings from an open cassette until it is closed.

    Raises:
        CassetteError: another process is recording it.
    """
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise CassetteError(
            f"{path}: another process is recording this cassette; wait for it to end, or stop it."
        ) from error


class CassetteFile:
    """One cassette's file with an index of its rows.

    In memory are the keys and where their lines are, about 150 bytes a row; answers are read when
    asked for. Safe for several threads, and after a fork; one process at a time can record.
    """

    def __init__(self, path: Path, *, experiment: str, recording: str) -> None:
        """Open for replay.

        Args:
            path: the file; it may be missing.
            experiment: the experiment's name, which the header must state.
            recording: the cell (or job) whose traffic this is, which the header must state.

        Raises:
            CassetteError: the file is not a cassette, of another version, of another experiment or
                cell, or has a damaged line.
        """
        self.path = path
        self.header = {"cassette": VERSION, "experiment": experiment, "recording": recording}
        self._lock = threading.Lock()
        self._reader = self._writer = -1
        self._clear()
        self._synced = 0.0
        try:
            self._reader = _opened(path, os.O_RDONLY)
        except (FileNotFoundError, NotADirectoryError):
            self.exists = False
            return
        self.exists = True
        try:
            self._index()
        except BaseException:
            self.close()
            raise

    def _clear(self) -> None:
        # By request id: the line's position, and the rows of its digest by prompt.
        self._requests: dict[bytes, tuple[RequestLine, dict[bytes, int]]] = {}
        self._rows: dict[str, dict[bytes, int]] = {}
        self._end = 0

    def start_recording(self) -> None:
        """Reopen for appending, behind an exclusive lock; drop a torn last line.

        Raises:
            CassetteError: another process is recording this cassette, or it cannot be written.
        """
        self.close()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = self._locked()
            # Only now: another process may have recorded until it gave the lock back.
            self._reader = _opened(self.path, os.O_RDONLY)
            self._index()
            os.ftruncate(self._writer, self._end)
        except OSError as error:
            self.close()
            raise CassetteError(
                f"{self.path}: cannot be opened for recording ({error.strerror}); make that folder "
                "one that can be written to."
            ) from error
        except BaseException:
            self.close()
            raise
        self.exists = True
        self._synced = time.monotonic()

    def _locked(self) -> int:
        """The file, open for appending and locked."""
        while True:
            writer = _opened(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            try:
                lock(writer, self.path)
                # A recording that got nothing takes its file away as it ends: it must be this one.
                with suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(writer), os.stat(self.path)):
                        return writer
            except BaseException:
                os.close(writer)
                raise
            os.close(writer)

    def append(self, request: RequestLine, rows: Iterable[Row], *, sync: bool = False) -> int:
        """Write rows of one request, but for those whose keys are there; they can be replayed.

        Args:
            request: what they have in common.
            rows: of that request.
            sync: whether they are forced to the disk at once.

        Returns:
            How many were written.

        Raises:
            CassetteError: the cassette is not open for recording, or the disk refused a row.
        """
        with self._lock:
            if self._writer < 0:
                raise CassetteError(f"{self.path}: the cassette is not open for recording.")
            known = self._rows.setdefault(request.digest, {})
            new = list({row.prompt: row for row in rows}.values())
            new = [row for row in new if unhexlify(row.prompt) not in known]
            id_ = request.id.encode()
            lines = [] if self._end else [json.dumps(self.header).encode() + b"\n"]
            if new and id_ not in self._requests:
                lines.append(line_of({"request": request.id, **request.fields}))
            places = []
            at = self._end + sum(map(len, lines))
            for row in new:
                line = line_of(
                    {
                        "prompt": row.prompt,
                        "request": row.request,
                        "item": row.item,
                        "recorded_at": row.recorded_at,
                        "latency_ms": row.latency_ms,
                        "prompts": row.prompts,
                        "usage": row.usage,
                        "answer": row.answer,
                    }
                )
                places.append((unhexlify(row.prompt), at << _LENGTH_BITS | len(line)))
                lines.append(line)
                at += len(line)
            if new:
                self._write(b"".join(lines), new, sync)
                self._requests.setdefault(id_, (request, known))
                known.update(places)
            return len(new)

    def holds(self, digest: str, prompt: str) -> bool:
        """Whether there is an answer.

        Args:
            digest: of the request but for its prompts, SHA-256 (hex).
            prompt: SHA-256 (hex) of the prompt.
        """
        return unhexlify(prompt) in self._rows.get(digest, ())

    def find(self, digest: str, prompts: Iterable[bytes]) -> list[int] | None:
        """Where the answers to a request's prompts are; None where one is missing.

        Args:
            digest: of the request but for its prompts, SHA-256 (hex).
            prompts: SHA-256 of each prompt, in their order.
        """
        known = self._rows.get(digest)
        if known is None:
            return None
        found = [known.get(prompt) for prompt in prompts]
        return None if None in found else found  # type: ignore[return-value]

    def __len__(self) -> int:
        return sum(map(len, self._rows.values()))

    def positions(self) -> Iterator[int]:
        """Where the rows are, in the order of the file."""
        return iter(sorted(at for rows in self._rows.values() for at in rows.values()))

    def answer(self, position: int) -> StoredAnswer:
        """The row at a position that `find` or `positions` gave.

        Raises:
            CassetteError: the row is not as it was when the file was opened, or is no row.
        """
        if self._reader < 0:
            raise CassetteError(f"{self.path}: the cassette is closed.")
        line = self._line(position)
        try:
            row = row_of(checked_fields(line))
            if (row.prompt.encode(), row.request.encode()) != (
                line[PROMPT],
                line[REQUEST_OF_ROW],
            ):
                raise ValueError("its key is not the one that it begins with")
        except ValueError as error:
            raise self.damaged(position, str(error)) from None
        request, _ = self._requests[row.request.encode()]
        start = line.index(BEFORE_ANSWER) + len(BEFORE_ANSWER)
        return StoredAnswer(position, row, request, line[start : line.rindex(BEFORE_CRC)])

    def check(self) -> None:
        """Look at each line, as before it is said that an answer is missing.

        Raises:
            CassetteError: a line is damaged.
        """
        if self._reader < 0:
            return
        for number, line in enumerate(islice(self._lines(), 1, None), 2):
            if line.endswith(b"\n") and not is_sound(line):
                raise self._damaged(number)

    def rows(self) -> Iterator[StoredAnswer]:
        """All rows in the order of the file."""
        return map(self.answer, self.positions())

    def close(self) -> None:
        """Force what was written to the disk, close the file, and with it give back the lock.

        A file without any line, of a recording that got nothing, is taken away.

        Raises:
            CassetteError: the disk refused what was written.
        """
        reader, writer = self._reader, self._writer
        self._reader = self._writer = -1
        if reader >= 0:
            os.close(reader)
        if writer < 0:
            return
        try:
            if os.fstat(writer).st_size:
                os.fsync(writer)
            else:
                with suppress(OSError):
                    self.path.unlink()
        except OSError as error:
            raise CassetteError(
                f"{self.path}: what was recorded last may not have reached the disk "
                f"({error.strerror}); make room and record again, which asks for what is missing."
            ) from error
        finally:
            os.close(writer)

    def _write(self, content: bytes, rows: list[Row], sync: bool) -> None:
        try:
            try:
                written = os.write(self._writer, content)
                if written != len(content):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                now = time.monotonic()
                if sync or now - self._synced > _SECONDS_BETWEEN_SYNCS:
                    os.fsync(self._writer)
                    self._synced = now
            except OSError:
                # A disk that filled up half-way leaves a torn line, which must not end up between
                # rows.
                os.ftruncate(self._writer, self._end)
                raise
        except OSError as error:
            named = ", ".join(row.item for row in rows if row.item is not None)
            raise CassetteError(
                f"{self.path}: the answer{f' for {named}' if named else ''} could not be written "
                f"({error.strerror}); make room and record again, what was recorded before is kept."
            ) from error
        self._end += len(content)

    def _index(self) -> None:
        self._clear()
        offset = 0
        rows: dict[bytes, int] = {}
        of_rows = b""
        for number, line in enumerate(self._lines(), 1):
            length = len(line)
            # The ends of most rows tell that they are whole; their checksums are looked at when
            # they are read, which keeps the opening of a million of them short.
            if line.startswith(ROW_START) and line.endswith((b'"}\n', b'"}\r\n')):
                if line[REQUEST_OF_ROW] != of_rows:
                    of_rows = line[REQUEST_OF_ROW]
                    rows = self._rows_of(of_rows, number)
                position = offset << _LENGTH_BITS | length
                try:
                    earlier = rows.setdefault(unhexlify(line[PROMPT]), position)
                except ValueError:
                    raise self._damaged(number) from None
                if earlier != position:
                    self._check_twin(earlier, line, number)
            elif not line.endswith(b"\n"):
                if number == 1 and not json.dumps(self.header).encode().startswith(line):
                    self._check_header(line)
                break
            elif number == 1:
                self._check_header(line)
            else:
                self._index_request(line, number)
            offset += length
        self._end = offset

    def _lines(self) -> Iterator[bytes]:
        return io.BufferedReader(_Positioned(self._pread), _BLOCK)

    def _line(self, position: int) -> bytes:
        return self._pread(position & _LENGTH_MASK, position >> _LENGTH_BITS)

    def _pread(self, length: int, offset: int) -> bytes:
        try:
            return os.pread(self._reader, length, offset)
        except OSError as error:
            raise _unreadable(self.path, error) from error

    def _rows_of(self, request: bytes, number: int) -> dict[bytes, int]:
        try:
            return self._requests[request][1]
        except KeyError:
            raise self._damaged(number, "no line describes its request") from None

    def _check_twin(self, earlier: int, line: bytes, number: int) -> None:
        """A row may stand in a file twice, as after a merge, but not with two contents."""
        if self._line(earlier).rstrip(b"\r\n") != line.rstrip(b"\r\n"):
            raise CassetteError(
                f"{self.path}, line {number}: the row has the key of line "
                f"{self._line_number(earlier)} and another content; delete one of the two."
            )

    def _index_request(self, line: bytes, number: int) -> None:
        try:
            id_, request = request_of(checked_fields(line))
        except ValueError as error:
            raise self._damaged(number, str(error)) from None
        rows = self._rows.setdefault(request.digest, {})
        self._requests[id_.encode()] = request, rows

    def _line_number(self, position: int) -> int:
        start = position >> _LENGTH_BITS
        blocks = (self._pread(min(_BLOCK, start - at), at) for at in range(0, start, _BLOCK))
        return 1 + sum(block.count(b"\n") for block in blocks)

    def damaged(self, position: int, why: str) -> CassetteError:
        """The error of a row that cannot be used.

        Args:
            position: where it is.
            why: what is wrong with it.
        """
        return self._damaged(self._line_number(position), why)

    def _damaged(self, number: int, why: str = "") -> CassetteError:
        return CassetteError(
            f"{self.path}, line {number}: the line is damaged{f' ({why})' if why else ''}; "
            f"{_RESTORE}."
        )

    def _check_header(self, line: bytes) -> None:
        problem = header_problem(line)
        if problem is not None:
            raise CassetteError(f"{self.path}, line 1: {problem}.")
        header = json.loads(line)
        for name, expected in self.header.items():
            if header.get(name) != expected:
                raise CassetteError(
                    f"{self.path}, line 1: the cassette belongs to the {name} "
                    f"{header.get(name)!r}, not to {expected!r}; put the right file there, or "
                    "move it away and record again."
                )


class _Positioned(io.RawIOBase):
    """A file read from its beginning, wherever other threads and forks read it meanwhile."""

    def __init__(self, pread: Callable[[int, int], bytes]) -> None:
        self._pread = pread
        self._offset = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        content = self._pread(len(buffer), self._offset)
        buffer[: len(content)] = content
        self._offset += len(content)
        return len(content)


def _unreadable(path: Path, error: OSError) -> CassetteError:
    return CassetteError(
        f"{path}: the cassette cannot be read ({error.strerror}); put a regular file there that "
        "can be read, or record again elsewhere."
    )


def _opened(path: Path, flags: int) -> int:
    """Open a regular file. A pipe or a device would keep its opener waiting, or never end.

    Raises:
        CassetteError: it is none, or cannot be read.
        OSError: there is no such file, or it cannot be opened for writing.
    """
    try:
        # Not to wait where it is a pipe that nobody writes to.
        file = os.open(
            path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0), 0o666
        )
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise
        if flags & os.O_CREAT and error.errno not in (errno.ENXIO, errno.EISDIR):
            raise
        raise _unreadable(path, error) from error
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise CassetteError(f"{path}: the cassette is not a regular file; move it away.")
    return file
