"""Sealed shards: the part of a long cassette that is compressed and does not change any more.

When a cassette's file passes 16 MiB, its lines are sealed: they become a shard beside it, and the
file begins again, with a header that lists its shards::

    CELL.0001-<12 hex digits>.jsonl.zst    the lines: zstd frames of about 128 KiB each
    CELL.0001-<12 hex digits>.index        where its frames begin, and its rows by their keys
    CELL.jsonl                             {"cassette": 3, ..., "shards": [{"name": "0001-...",
                                           "rows": 110000, "bytes": 33554700}]}, and further lines

The digits are the beginning of the SHA-256 of the lines, so a shard never changes under its name.
Uncompressed, a shard is a cassette of its own. A shard counts once the header lists it: whatever a
killed recording left is either listed, or written again with the same content.

Each frame has the checksum of zstd, each line its own, and the index one over all of itself. The
index begins with a line of JSON; the arrays behind it are little-endian: of each frame where it
begins in the file and in the lines, 8 bytes each and one pair more for the end; then for the rows
of each request digest, sorted by key, the last 16 bytes of the SHA-256 of the prompt as two whole
numbers of 8 bytes, then where the row begins in the lines and how long it is, 4 bytes each.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from bisect import bisect_right
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tunebench.cassettes.line_file import open_regular
from tunebench.cassettes.lines import RequestLine, checked_fields, request_of
from tunebench.errors import CassetteError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

_NAME = re.compile(r"\d{4,}-[0-9a-f]{12}")
_RESTORE = "restore the file from version control, or delete the cassette and record again"


@dataclass(frozen=True)
class Listed:
    """A shard as the header of its cassette lists it.

    Attributes:
        name: its number and the beginning of the SHA-256 of its lines.
        rows: how many there are.
        bytes: of its lines.
    """

    name: str
    rows: int
    bytes: int

    @property
    def fields(self) -> dict[str, Any]:
        """As they are stored."""
        return asdict(self)

    def path(self, cassette: Path) -> Path:
        """The shard's file, beside the cassette's, also where that is still being made."""
        return self._beside(cassette, "jsonl.zst")

    def index(self, cassette: Path) -> Path:
        """The file of its index."""
        return self._beside(cassette, "index")

    def _beside(self, cassette: Path, ending: str) -> Path:
        # ``CELL.jsonl``, or ``CELL.jsonl.part`` of a recording that is to take its place.
        return cassette.with_name(f"{cassette.name.rpartition('.jsonl')[0]}.{self.name}.{ending}")


def listed_in(header: Mapping[str, Any]) -> list[Listed]:
    """The shards that a header lists.

    Raises:
        CassetteError: the list is not one of shards. The error has no place.
    """
    found = []
    for fields in header.get("shards", ()):
        try:
            one = Listed(**fields)
            right = _NAME.fullmatch(one.name) and one.rows >= 0 and one.bytes > 0
        except TypeError:
            right = False
        if not right:
            raise CassetteError("the header's list of shards is damaged", hint=_RESTORE)
        found.append(one)
    return found


def keys_of(prompts: Iterable[bytes]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """The last 16 bytes of SHA-256 digests, in two arrays of numbers."""
    import numpy as np

    numbers = np.frombuffer(b"".join(prompts), dtype=">u8").reshape(-1, 4).astype("<u8")
    return numbers[:, 2], numbers[:, 3]


class Shard:
    """A shard that is read frame by frame. Safe for several threads, and after a fork.

    Attributes:
        path: its file.
        listed: as its header lists it.
        requests: those that its lines describe, by id.
        keys: by request digest the keys of its rows, sorted, in two arrays, where each row begins
            in its lines, and how long it is.

    Raises:
        CassetteError: a file of it is missing, or damaged.
    """

    def __init__(self, cassette: Path, listed: Listed) -> None:
        self.path, self.listed, self._index = listed.path(cassette), listed, listed.index(cassette)
        self.requests: dict[str, RequestLine] = {}
        self.keys: dict[str, tuple[NDArray[Any], ...]] = {}
        try:
            size = self._read_index(self._index.read_bytes())
            self._file = open_regular(self.path)
        except OSError as error:
            lacking = self._index if str(error.filename) == str(self._index) else self.path
            problem = f"a shard of the cassette cannot be read ({error.strerror})"
            raise CassetteError(problem, where=lacking, hint=_RESTORE) from error
        if os.fstat(self._file).st_size != size:
            self.close()
            raise CassetteError(
                "the shard has another size than its index says", where=self.path, hint=_RESTORE
            )

    def _read_index(self, content: bytes) -> int:
        end = content.find(b"\n") + 1
        body = memoryview(content)[end:]
        try:
            header = checked_fields(content[:end])
            if (header["index"], header["shard"]) != (1, self.listed.name):
                raise ValueError("it is another shard's, or of another version")
            if header["body_crc32"] != zlib.crc32(body):
                raise ValueError("its checksum is not that of its content")
            self.requests = dict(map(request_of, header["requests"]))
            self._read_body(body, header["frames"], header["rows"])
            counted = sum(count for _, count in header["rows"])
            if (self._starts[-1], counted) != (self.listed.bytes, self.listed.rows):
                raise ValueError("it is of other lines than the cassette says")
        except (ValueError, KeyError, TypeError) as error:
            why = f"the index is damaged ({error})"
            raise CassetteError(why, where=self._index, hint=_RESTORE) from None
        return int(header["bytes"])

    def _read_body(self, body: memoryview, frames: int, rows: list[tuple[str, int]]) -> None:
        import numpy as np

        at = 16 * (frames + 1)
        pairs = np.frombuffer(body[:at], dtype="<u8").reshape(-1, 2)
        self._offsets, self._starts = pairs[:, 0].tolist(), pairs[:, 1].tolist()
        for digest, count in rows:
            arrays = []
            for kind in ("<u8", "<u8", "<u4", "<u4"):
                arrays.append(np.frombuffer(body, dtype=kind, count=count, offset=at))
                at += arrays[-1].nbytes
            self.keys[digest] = tuple(arrays)

    @property
    def frames(self) -> int:
        """How many there are."""
        return len(self._starts) - 1

    def frame_of(self, start: int) -> int:
        """The number of the frame, from 0 on, of what begins there in the lines."""
        return bisect_right(self._starts, start) - 1

    def frame_start(self, frame: int) -> int:
        """Where a frame begins in the lines."""
        return int(self._starts[frame])

    def frame(self, number: int) -> bytes:
        """The lines of a frame.

        Raises:
            CassetteError: it is damaged.
        """
        start, end = self._offsets[number : number + 2]
        try:
            content = _decompressed(os.pread(self._file, end - start, start))
            if len(content) != self._starts[number + 1] - self._starts[number]:
                raise ValueError("it has another length than the index says")
        except (OSError, ValueError, zstd_module().ZstdError) as error:
            raise CassetteError(
                f"the frame is damaged ({error})",
                where=f"{self.path}, frame {number + 1}",
                hint=_RESTORE,
            ) from None
        return content

    def __iter__(self) -> Iterator[bytes]:
        for number in range(self.frames):
            yield from self.frame(number).splitlines(keepends=True)

    def line_number(self, start: int) -> int:
        """The number, from 1 on, of the line that begins there."""
        frame = self.frame_of(start)
        before = sum(self.frame(number).count(b"\n") for number in range(frame))
        return 1 + before + self.frame(frame)[: start - self._starts[frame]].count(b"\n")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def header_of(line: bytes) -> dict[str, Any]:
    """The fields of a header, whatever they are; empty where it is none."""
    try:
        header = json.loads(line)
    except ValueError:
        return {}
    return header if isinstance(header, dict) else {}


def zstd_module() -> Any:
    """The module that compresses: of Python, or before 3.14 of a package."""
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]
    except ImportError:  # before Python 3.14
        from backports import zstd
    return zstd


def _decompressed(frame: bytes) -> bytes:
    content: bytes = zstd_module().decompress(frame)
    return content
