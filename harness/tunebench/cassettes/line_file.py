"""A cassette's file: opened, locked, and read by the positions of its lines."""

from __future__ import annotations

import errno
import io
import os
import stat
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from tunebench.errors import CassetteError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

try:
    import fcntl
except ImportError:  # On Windows two recordings of one cassette at once are not noticed.
    fcntl = None  # type: ignore[assignment]

LENGTH_BITS = 32
LENGTH_MASK = (1 << LENGTH_BITS) - 1
_BLOCK = 1 << 20


def position_of(offset: int, length: int) -> int:
    """The position of a line: its place and length in one number."""
    return offset << LENGTH_BITS | length


def start_of(position: int) -> tuple[int, int]:
    """The place and the length of the line at a position."""
    return position >> LENGTH_BITS, position & LENGTH_MASK


def open_regular(path: Path) -> int:
    """Open a regular file for reading.

    Raises:
        CassetteError: it is not a regular file, or cannot be read.
        FileNotFoundError, NotADirectoryError: the file does not exist.
    """
    return _opened(path, os.O_RDONLY)


class LineFile:
    """The lines of a cassette. Safe for several threads, and after a fork.

    Raises:
        CassetteError: the file is not a regular file, or cannot be read.
        FileNotFoundError, NotADirectoryError: the file does not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open_regular(path)

    def __iter__(self) -> Iterator[bytes]:
        return io.BufferedReader(_Positioned(self._pread), _BLOCK)

    def line(self, position: int) -> bytes:
        """The line at a position."""
        return self._pread(position & LENGTH_MASK, position >> LENGTH_BITS)

    def number(self, position: int) -> int:
        """The number of the line at a position, counted from 1."""
        start = position >> LENGTH_BITS
        blocks = (self._pread(min(_BLOCK, start - at), at) for at in range(0, start, _BLOCK))
        return 1 + sum(block.count(b"\n") for block in blocks)

    def damaged(self, number: int, why: str = "") -> CassetteError:
        """The error of a damaged line."""
        return damaged_at(self.place(number), why)

    def place(self, number: int) -> str:
        """The place of a line, for an error."""
        return f"{self.path}, line {number}"

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _pread(self, length: int, offset: int) -> bytes:
        try:
            return os.pread(self._file, length, offset)
        except OSError as error:
            raise _unreadable(self.path, error) from error


def damaged_at(place: str, why: str = "") -> CassetteError:
    """The error of a damaged line, by its place."""
    return CassetteError(
        f"the line is damaged{f' ({why})' if why else ''}",
        where=place,
        hint="restore the file from version control, or delete it and record again",
    )


def lines_of(path: Path) -> Iterator[bytes]:
    """The lines of a file, whatever it is.

    Raises:
        CassetteError: it is missing, not a regular file, or cannot be read.
    """
    try:
        file = LineFile(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    with closing(file):
        yield from file


class _Positioned(io.RawIOBase):
    """A file read from its beginning, whatever other threads and forks read of it."""

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


def locked_for_appending(path: Path, *, wait: bool = False) -> int:
    """Open a cassette for appending, behind an exclusive lock; create it if it is missing.

    With `wait` it waits for the lock.

    Raises:
        CassetteError: another process is recording it, or it is not a regular file: nothing is
            written through a symbolic link.
        OSError: it cannot be opened for writing.
    """
    while True:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        file = _opened(path, flags)
        try:
            lock(file, path, wait=wait)
            # A recording without an answer deletes its file at its end: it must be this one.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file), os.stat(path)):
                    return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def lock(file: int, path: Path, *, wait: bool = False) -> None:
    """Keep other recordings from an open cassette until it is closed.

    With `wait` it waits until they have ended.

    Raises:
        CassetteError: another process is recording it.
    """
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        raise CassetteError(
            "another process is recording this cassette",
            where=path,
            hint="wait for it to end, or stop it",
        ) from error


def _opened(path: Path, flags: int) -> int:
    """Open a regular file. A pipe or a device would block, or never end."""
    flags |= getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        file = os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP and flags & os.O_CREAT:
            raise _irregular(path) from error
        missing = error.errno in (errno.ENOENT, errno.ENOTDIR)
        if missing or (flags & os.O_CREAT and error.errno not in (errno.ENXIO, errno.EISDIR)):
            raise
        raise _unreadable(path, error) from error
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise _irregular(path)
    return file


def _irregular(path: Path) -> CassetteError:
    return CassetteError("the cassette is not a regular file", where=path, hint="move it away")


def _unreadable(path: Path, error: OSError) -> CassetteError:
    return CassetteError(
        f"the cassette cannot be read ({error.strerror})",
        where=path,
        hint="put a regular file there that can be read, or record again elsewhere",
    )
