"""The file of a cassette: JSON lines that are only ever appended to.

The first line is a header: format version, experiment and what was recorded. Every further line
is one answered request. A row starts with its key and ends with the response body, so that a
replay finds and returns an answer without parsing the line::

    {"cassette": 1, "experiment": "imdb", "recording": "smollm2-135m-1shot"}
    {"key":"<64 hex digits>","endpoint":"POST completions",...,"body":{...}}

A line counts once its line break is written: a torn last line, as a killed process leaves it, is
dropped. Anything else that is not as it should be is refused with its line number.
"""

from __future__ import annotations

import errno
import json
import os
import threading
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from harness.cassettes.fingerprint import CassetteError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO
    from pathlib import Path
    from typing import IO, BinaryIO

try:
    import fcntl
except ImportError:  # Windows: two recordings of one cassette at once go unnoticed there.
    fcntl = None  # type: ignore[assignment]

VERSION = 1
_KEY_START = b'{"key":"'
_KEY = slice(len(_KEY_START), len(_KEY_START) + 64)
_BODY = b',"body":'


def lock(file: IO[bytes], path: Path) -> None:
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


@dataclass(frozen=True)
class Row:
    """One answered request; these fields and no others are stored.

    Attributes:
        key: see `harness.cassettes.fingerprint`.
        endpoint: method and path below the API root.
        model: the model asked.
        items: the item ids of the texts asked, in the order of the request.
        parameters: the parameters of the request that quote no text.
        prompt_sha256: SHA-256 (hex) of each prompt.
        status: HTTP status.
        latency_ms: time from the request to the whole answer when it was recorded, milliseconds.
        recorded_at: when, UTC, ISO 8601.
        server: what the server says of itself (``system_fingerprint``), or an empty string.
        body: the response's JSON value.
    """

    key: str
    endpoint: str
    model: str
    items: list[str]
    parameters: dict[str, Any]
    prompt_sha256: list[str]
    status: int
    latency_ms: float
    recorded_at: str
    server: str
    body: Any

    def line(self) -> bytes:
        """The row as a line of the file."""
        text = json.dumps(asdict(self), separators=(",", ":"), allow_nan=False)
        return text.encode() + b"\n"


@dataclass(frozen=True)
class StoredAnswer:
    """A stored answer: the row's fields but for the body, and the body's bytes as they stand."""

    metadata: dict[str, Any]
    body: bytes


class CassetteFile:
    """One cassette's file with an index of its keys.

    In memory are the keys and where their lines are, about 200 bytes a row; answers are read when
    asked for. Safe for several threads; one process at a time can record.
    """

    def __init__(self, path: Path, *, experiment: str, recording: str) -> None:
        """Open for replay.

        Args:
            path: the file; it may be missing.
            experiment: the experiment's name, which the header must state.
            recording: the cell (or job) whose traffic this is, which the header must state.

        Raises:
            CassetteError: the file is no cassette, of another version, of another experiment or
                cell, or has a damaged line.
        """
        self.path = path
        self.header = {"cassette": VERSION, "experiment": experiment, "recording": recording}
        self._offsets: dict[bytes, tuple[int, int]] = {}
        self._lock = threading.Lock()
        self._reader: BinaryIO | None = None
        self._writer: FileIO | None = None
        self._end = 0
        self.exists = path.exists()
        if self.exists:
            self._index()
            self._reader = path.open("rb", buffering=0)

    def start_recording(self) -> None:
        """Reopen for appending, behind an exclusive lock; drop a torn last line.

        Raises:
            CassetteError: another process is recording this cassette, or it cannot be written.
        """
        self.close()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered: a row is in the file when `append` returns, and nothing of a failed write
            # waits in a buffer to come out later.
            writer = self.path.open("ab", buffering=0)
        except OSError as error:
            raise CassetteError(
                f"{self.path}: cannot be opened for recording ({error.strerror}); make that folder "
                "one that can be written to."
            ) from error
        try:
            lock(writer, self.path)
        except CassetteError:
            writer.close()
            raise
        # Only now: another process may have recorded until it gave the lock back.
        self._index()
        writer.truncate(self._end)
        self._reader, self._writer = self.path.open("rb", buffering=0), writer
        self.exists = True
        if self._end == 0:
            self._write(writer, json.dumps(self.header).encode() + b"\n")

    def append(self, row: Row) -> None:
        """Write one row and flush it; the row can be replayed at once.

        Raises:
            CassetteError: the cassette is not open for recording, or the disk refused the row.
        """
        line = row.line()
        with self._lock:
            if self._writer is None:
                raise CassetteError(f"{self.path}: the cassette is not open for recording.")
            start = self._end
            try:
                self._write(self._writer, line)
            except OSError as error:
                raise CassetteError(
                    f"{self.path}: the answer for {', '.join(row.items) or row.endpoint} could not "
                    f"be written ({error.strerror}); make room and record again, what was "
                    "recorded before is kept."
                ) from error
            self._offsets[bytes.fromhex(row.key)] = (start, len(line))

    def __contains__(self, key: str) -> bool:
        return bytes.fromhex(key) in self._offsets

    def __len__(self) -> int:
        return len(self._offsets)

    def keys(self) -> Iterator[str]:
        """The keys of all rows, in the order of the file."""
        return (key.hex() for key in self._offsets)

    def answer(self, key: str) -> StoredAnswer:
        """The answer stored under a key.

        Raises:
            KeyError: there is none.
        """
        head, _, rest = self._line(key).partition(_BODY)
        body = rest[:-2]
        try:
            metadata = json.loads(head + b"}")
            json.loads(body)
        except ValueError:
            start, _ = self._offsets[bytes.fromhex(key)]
            with self.path.open("rb") as file:
                number = file.read(start).count(b"\n") + 1
            raise self._damaged(number) from None
        return StoredAnswer(metadata, body)

    def rows(self) -> Iterator[dict[str, Any]]:
        """All rows as parsed JSON, in the order of the file."""
        for key in list(self._offsets):
            yield json.loads(self._line(key.hex()))

    def close(self) -> None:
        """Close the file and with it the lock."""
        for file in (self._reader, self._writer):
            if file is not None:
                file.close()
        self._reader = self._writer = None

    def _line(self, key: str) -> bytes:
        start, length = self._offsets[bytes.fromhex(key)]
        with self._lock:
            if self._reader is None:
                raise CassetteError(f"{self.path}: the cassette is closed.")
            self._reader.seek(start)
            return self._reader.read(length)

    def _write(self, writer: FileIO, line: bytes) -> None:
        try:
            if writer.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            # A disk that filled up half-way leaves a torn line, which must not end up between rows.
            writer.truncate(self._end)
            raise
        self._end += len(line)

    def _index(self) -> None:
        self._offsets.clear()
        offset = 0
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    if number == 1 and not json.dumps(self.header).encode().startswith(line):
                        self._check_header(line)
                    break
                if number == 1:
                    self._check_header(line)
                else:
                    self._offsets[self._key_of(line, number)] = (offset, len(line))
                offset += len(line)
        self._end = offset

    def _key_of(self, line: bytes, number: int) -> bytes:
        try:
            if not (line.startswith(_KEY_START) and line.endswith(b"}\n")):
                raise ValueError
            return bytes.fromhex(line[_KEY].decode())
        except ValueError:
            raise self._damaged(number) from None

    def _damaged(self, number: int) -> CassetteError:
        return CassetteError(
            f"{self.path}, line {number}: this is no row of a cassette; restore the file from "
            "version control, or delete it and record again."
        )

    def _check_header(self, line: bytes) -> None:
        try:
            header = json.loads(line)
            version = header["cassette"]
        except (ValueError, TypeError, KeyError):
            raise CassetteError(
                f"{self.path}, line 1: this is no tunebench cassette; move it away and record "
                "again."
            ) from None
        if version != VERSION:
            raise CassetteError(
                f"{self.path}, line 1: the cassette has format version {version!r} and this "
                f"tunebench reads version {VERSION}; install the version that wrote it, or move "
                "it away and record again."
            )
        for name, expected in self.header.items():
            if header.get(name) != expected:
                raise CassetteError(
                    f"{self.path}, line 1: the cassette belongs to the {name} "
                    f"{header.get(name)!r}, not to {expected!r}; put the right file there, or "
                    "move it away and record again."
                )
