"""Sealing: the lines of a cassette become a shard; see `tunebench.cassettes.shards`."""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING

from tunebench.cassettes.line_file import LENGTH_BITS, LENGTH_MASK, position_of
from tunebench.cassettes.lines import RequestLine, line_of
from tunebench.cassettes.shards import Listed, keys_of, zstd_module
from tunebench.files import whole_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

# Hosts of repositories warn about files from 50 MB on; the open part stays below that, and what is
# kept of it in memory while it is sealed, 400 bytes a row, within 25 MB.
SHARD_BYTES = 16 << 20
# A row that is read out of order costs one frame: 128 KiB are decompressed in 0.2 ms.
_FRAME_BYTES = 128 << 10
_LEVEL = 1  # on hashes, which do not shrink, higher ones take longer and give more


def write_shard(
    cassette: Path,
    number: int,
    lines: Iterable[bytes],
    requests: Iterable[RequestLine],
    rows: Mapping[str, Mapping[bytes, int]],
    base: int,
) -> Listed:
    """Write a shard and its index.

    Args:
        cassette: its path.
        number: of the shard, from 1 on.
        lines: all lines, can be gone through twice.
        requests: those that they describe.
        rows: by request digest and SHA-256 of the prompt the position of a row.
        base: where the first line begins, as the positions count.

    Raises:
        TunebenchError: a file cannot be written.
    """
    sha256 = hashlib.sha256()
    size = count = 0
    for line in lines:
        sha256.update(line)
        size, count = size + len(line), count + 1
    total = sum(map(len, rows.values()))
    one = Listed(f"{number:04}-{sha256.hexdigest()[:12]}", total, size)
    frames = [(0, 0)]
    with whole_files([one.path(cassette)], overwrite=True) as (file,):
        for content in _in_frames(lines):
            frame = _compressed(content)
            file.write(frame)
            frames.append((frames[-1][0] + len(frame), frames[-1][1] + len(content)))
    body = _body(frames, rows, base)
    header = {
        "index": 1,
        "shard": one.name,
        "bytes": frames[-1][0],
        "lines": count,
        "frames": len(frames) - 1,
        "rows": [[digest, len(known)] for digest, known in rows.items()],
        "requests": [{"request": line.id, **line.fields} for line in requests],
        "body_crc32": zlib.crc32(body),
    }
    with whole_files([one.index(cassette)], overwrite=True) as (file,):
        file.write(line_of(header) + body)
    return one


def _in_frames(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines in parts of a frame each; no line is in two."""
    part: list[bytes] = []
    size = 0
    for line in lines:
        part.append(line)
        size += len(line)
        if size >= _FRAME_BYTES:
            yield b"".join(part)
            part, size = [], 0
    if part:
        yield b"".join(part)


def _body(
    frames: list[tuple[int, int]], rows: Mapping[str, Mapping[bytes, int]], base: int
) -> bytes:
    import numpy as np

    first_position = position_of(base, 0)
    parts = [np.array(frames, dtype="<u8").tobytes()]
    for known in rows.values():
        first, second = keys_of(known)
        order = np.lexsort((second, first))
        local = (at - first_position for at in known.values())
        positions = np.fromiter(local, dtype=np.int64, count=len(known))[order]
        starts, lengths = positions >> LENGTH_BITS, positions & LENGTH_MASK
        parts += [first[order].tobytes(), second[order].tobytes()]
        parts += [starts.astype("<u4").tobytes(), lengths.astype("<u4").tobytes()]
    return b"".join(parts)


def _compressed(content: bytes) -> bytes:
    zstd = zstd_module()
    options = {
        zstd.CompressionParameter.compression_level: _LEVEL,
        zstd.CompressionParameter.checksum_flag: 1,
    }
    frame: bytes = zstd.compress(content, options=options)
    return frame
