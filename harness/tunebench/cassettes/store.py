"""The file of a cassette: JSON lines that are only ever appended to.

The first line is a header; a cell's has the limits that were set when its recording began. Of the
others, some describe a kind of request, and each of the rest is
a row: the answer to one prompt, however many its request held. A row's key is the pair of its
request, without the prompt, and its prompt::

    {"cassette": 2, "experiment": "imdb", "recording": "smollm2-135m-1shot", "limits": {...}}
    {"request":"<16 hex digits>","digest":"<64>","endpoint":"POST completions",...,"crc32":"<8>"}
    {"prompt":"<64 hex digits>","request":"<16>","item":"...",...,"answer":{...},"crc32":"<8>"}

A line counts once its line break is written: a torn last line, as a killed process leaves it, is
dropped. Each line ends with a checksum over everything before it in the line. A line that has
changed is refused with its number: torn lines and two different rows of one key when the file is
opened, all others when they are read, or when an answer is missed.

When the file passes 16 MiB, its lines are sealed as a shard beside it, which is compressed, and it
begins again; see `tunebench.cassettes.shards`. To a reader, shards and file are one cassette.

A row is handed to the operating system before `append` returns, so a killed process loses no
answer that has come. It is forced to the disk at least once a second and when the file is closed:
a power cut loses the answers of the last second at most.
"""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from binascii import unhexlify
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tunebench.cassettes.line_file import LineFile, locked_for_appending, position_of
from tunebench.cassettes.lines import WITH_SHARDS, RequestLine, Row, line_of
from tunebench.cassettes.reading import CassetteReader, Opened
from tunebench.cassettes.sealed import Sealed
from tunebench.cassettes.sealing import SHARD_BYTES, write_shard
from tunebench.errors import CassetteError, TunebenchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tunebench.cassettes.shards import Listed

_SECONDS_BETWEEN_SYNCS = 1.0


def _header_line(header: Mapping[str, Any]) -> bytes:
    return json.dumps(header).encode() + b"\n"


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class CassetteFile(CassetteReader):
    """One cassette's file, for replay and for recording.

    Safe for several threads, and after a fork; one process at a time can record.

    Attributes:
        shard_bytes: the size from which on the open file's lines become a shard.
    """

    shard_bytes = SHARD_BYTES

    def __init__(
        self,
        path: Path,
        *,
        experiment: str,
        recording: str,
        limits: Mapping[str, Mapping[str, float]] | None = None,
    ) -> None:
        """Open for replay; `limits` of cells, by gate, go into the header of a new file.

        Raises:
            CassetteError: as of `CassetteReader`.
        """
        self._limits = {} if limits is None else {"limits": limits}
        self._appending = threading.Lock()
        self._writer = -1
        self._synced = 0.0
        super().__init__(path, experiment=experiment, recording=recording)

    def start_recording(self, *, wait: bool = False) -> None:
        """Reopen for appending, behind an exclusive lock; drop a torn last line.

        With `wait` it waits until no other process is recording this cassette.

        Raises:
            CassetteError: another process is recording this cassette, or it cannot be written.
        """
        self.close()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = locked_for_appending(self.path, wait=wait)
            # Only now: another process may have recorded until it released the lock.
            self._read()
            os.ftruncate(self._writer, self._end)
        except OSError as error:
            self.close()
            raise CassetteError(
                f"cannot be opened for recording ({error.strerror})",
                where=self.path,
                hint="make that folder one that can be written to",
            ) from error
        except BaseException:
            self.close()
            raise
        self.exists = True
        self._synced = time.monotonic()

    def append(self, request: RequestLine, rows: Iterable[Row], *, sync: bool = False) -> int:
        """Write rows of one request, except those whose keys are there; how many were written.

        With `sync` they are forced to the disk at once.

        Raises:
            CassetteError: the cassette is not open for recording, or the disk refused a row.
        """
        with self._appending:
            if self._writer < 0:
                raise CassetteError("the cassette is not open for recording", where=self.path)
            by_prompt = {unhexlify(row.prompt): row for row in rows}
            found = self.positions_of(request.digest, list(by_prompt))
            there = dict(zip(by_prompt, found, strict=True))
            new = {prompt: row for prompt, row in by_prompt.items() if there[prompt] is None}
            if not new:
                return 0
            if self._end >= self.shard_bytes:  # a recording was killed before it was sealed
                self._seal()
            header = self._stored_header or {**self.header, **self._limits}
            lines = [] if self._end else [_header_line(header)]
            id_ = request.id
            if id_.encode() not in self._requests:
                lines.append(line_of({"request": id_, **request.fields}))
            end = self._end + sum(map(len, lines))
            positions = {}
            for prompt, row in new.items():
                lines.append(line_of(row._asdict()))
                positions[prompt] = position_of(self._sealed.end + end, len(lines[-1]))
                end += len(lines[-1])
            self._write(b"".join(lines), new.values(), sync)
            known = self._rows.setdefault(request.digest, {})
            self._requests.setdefault(id_.encode(), (request, known))
            known.update(positions)
            self._end, self._stored_header = end, header
            if end >= self.shard_bytes:
                self._seal()
            return len(new)

    def _seal(self) -> None:
        """Make a shard of the open file's lines, and begin it again.

        The new file takes the place of the old one when the shard is on the disk, whole: a process
        that is killed before leaves the cassette as it was.
        """
        assert self._lines is not None
        requests = [request for request, _ in self._requests.values()]
        number = len(self._sealed.listed) + 1
        try:
            one = write_shard(
                self.path, number, self._lines, requests, self._rows, self._sealed.end
            )
            self._begin_again([*self._sealed.listed, one])
        except (OSError, TunebenchError) as error:
            why = error.strerror if isinstance(error, OSError) else error.problem
            raise CassetteError(
                f"what was recorded could not be made a shard ({why})",
                where=self.path,
                hint="make room and record again, what was recorded before is kept",
            ) from error

    def _begin_again(self, listed: list[Listed]) -> None:
        """Put a file without rows, which lists these shards, in the place of the open one."""
        assert self._lines is not None
        fields = {"cassette": WITH_SHARDS, "shards": [one.fields for one in listed]}
        header = {**self._stored_header, **fields}
        beside = self.path.with_name(f".{self.path.name}.next")
        beside.unlink(missing_ok=True)  # of a recording that was killed
        writer = locked_for_appending(beside)
        try:
            os.write(writer, _header_line(header))
            os.fsync(writer)
            # The shard's name first: a power cut must not leave a list of what is not there.
            _sync_folder(self.path.parent)
            os.replace(beside, self.path)
            self._retired.append(self._lines)
            self._lines = LineFile(self.path)
            # In this order, for other threads, which look here for what they do not find there.
            self._sealed = Sealed(self.path, listed, before=self._sealed)
            self._rows, self._requests = {}, {}
            self._opened = Opened(self._lines, self._sealed, self._requests)
        except BaseException:
            os.close(writer)
            raise
        os.close(self._writer)
        self._writer, self._end = writer, len(_header_line(header))
        self._stored_header = header

    def _write(self, content: bytes, rows: Iterable[Row], sync: bool) -> None:
        try:
            if os.write(self._writer, content) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            now = time.monotonic()
            if sync or now - self._synced > _SECONDS_BETWEEN_SYNCS:
                os.fsync(self._writer)
                self._synced = now
        except OSError as error:
            # A disk that filled up half-way leaves a torn line, which must not end up between rows.
            with suppress(OSError):
                os.ftruncate(self._writer, self._end)
            named = ", ".join(row.item for row in rows if row.item is not None)
            raise CassetteError(
                f"the answer{f' for {named}' if named else ''} could not be written "
                f"({error.strerror})",
                where=self.path,
                hint="make room and record again, what was recorded before is kept",
            ) from error

    def close(self) -> None:
        """Force what was written to the disk, close the file, and release the lock.

        A file without any line, of a recording without an answer, is deleted.

        Raises:
            CassetteError: the disk refused what was written.
        """
        super().close()
        writer, self._writer = self._writer, -1
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
                f"what was recorded last may not have reached the disk ({error.strerror})",
                where=self.path,
                hint="make room and record again, which asks for what is missing",
            ) from error
        finally:
            os.close(writer)
