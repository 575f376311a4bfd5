"""The flat copy: a prepared data set in one file that is read and checked in milliseconds.

Reading the prepared records takes TFDS, whose import alone takes as long as a whole replay may. So
what was read once is kept beside the records. The first line has the SHA-256 of what follows, one
JSON object: ``{split: {"item": […], "text": […], "label": […]}}``.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, cast

from tunebench.files import whole_files

if TYPE_CHECKING:
    from pathlib import Path

    from tunebench.datasets.dataset import Columns

_FORMAT = b"tunebench-flat-1 "


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
