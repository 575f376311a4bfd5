"""The flat copy: a prepared data set in one file that is read and checked in milliseconds.

Reading the prepared records takes TFDS, whose import alone takes as long as a whole replay may. So
what was read once is kept beside the records. The first line has the SHA-256 of what follows, one
JSON object: ``{split: {"item": […], "text": […], "label": […]}}``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from typing import TYPE_CHECKING, cast

from tunebench.errors import DatasetError
from tunebench.files import whole_files

try:
    import fcntl
except ImportError:  # Windows: two processes that prepare one set at once are not kept apart there.
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tunebench.datasets.dataset import Columns

_FORMAT = b"tunebench-flat-1 "


NAME = "flat.json"


def kept(folder: Path, lock: Path, make: Callable[[], dict[str, Columns]]) -> dict[str, Columns]:
    """The columns of each split, from the copy in a folder; without a good one, from `make`.

    Raises:
        DatasetError: the folder cannot be written in, or what `make` raises.
    """
    copy = folder / NAME
    try:
        if (splits := read(copy)) is None:
            with _locked(lock):
                # Another process may have made it while this one waited.
                if (splits := read(copy)) is None:
                    splits = make()
                    write(copy, splits)
    except OSError as error:
        hint = "make that folder writable, or set TFDS_DATA_DIR to one that is and has room"
        raise DatasetError(f"Cannot prepare data in {folder} ({error})", hint=hint) from error
    return splits


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process after the other prepare a set; `path` is the lock's file."""
    # TFDS writes to a folder of its own and renames it, which fails for all but the first of
    # several processes. The system drops this lock when its holder dies, however it dies.
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write(path: Path, splits: dict[str, Columns]) -> None:
    """Write the columns of each split, whole or not at all; the folder exists.

    Raises:
        TunebenchError: the file cannot be written.
    """
    body = json.dumps(splits, ensure_ascii=False, separators=(",", ":")).encode()
    hint = "make room, or set TFDS_DATA_DIR to a folder that has it"
    with whole_files([path], overwrite=True, hint=hint) as (file,):
        file.write(_first_line(body) + body)


def read(path: Path) -> dict[str, Columns] | None:
    """The columns of each split; None if there is no copy or it is not as it was written."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    end = data.find(b"\n") + 1
    body = memoryview(data)[end:]
    if data[:end] != _first_line(body):
        return None
    return cast("dict[str, Columns]", json.loads(data[end:]))


def _first_line(body: bytes | memoryview) -> bytes:
    return _FORMAT + hashlib.sha256(body).hexdigest().encode() + b"\n"
