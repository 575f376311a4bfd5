"""Recording: a cassette opened in place or beside the old one, its progress, and its errors."""

from __future__ import annotations

import os
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Protocol

from tunebench.api import Monitor
from tunebench.cassettes import CassetteFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tunebench.errors import TunebenchError
    from tunebench.experiment import Cell
    from tunebench.settings import RecordMode

_PART = ".part"


class Progress(Monitor, Protocol):
    """Callbacks of the recording of a cell."""

    def answered(self, texts: int, /) -> None:
        """Called when further texts were answered."""


class NoProgress:
    """A `Progress` that shows nothing."""

    def answered(self, texts: int, /) -> None:
        """Nothing."""

    def say(self, message: str, /) -> None:
        """Nothing."""

    def uploading(self, *_: object) -> Callable[[int], None]:
        """Nothing."""
        return lambda _: None

    def trained(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def recorded_file(
    cell: Cell, path: Path, recording: str, record: RecordMode
) -> Iterator[CassetteFile]:
    """Open a cassette for recording.

    Args:
        cell: the cell.
        path: the cassette's.
        recording: what is recorded, for its header.
        record: ``missing`` appends to what is there. ``all`` records another file, which takes
            that place when the block ends without an error; if there is one, the next recording
            continues with that file.
    """
    target = path.with_name(path.name + _PART) if record == "all" else path
    with closing(cassette_file(cell, target, recording)) as file:
        file.start_recording()
        yield file
    if target != path:
        os.replace(target, path)


def cassette_file(cell: Cell, path: Path, recording: str) -> CassetteFile:
    """A cassette of a cell or its job."""
    return CassetteFile(path, experiment=cell.experiment.name, recording=recording)


def place_in(cell: Cell, error: TunebenchError) -> str:
    """The place of an error in a cell, for an error that is raised in its stead."""
    name, where = str(cell), error.where or str(cell)
    inside = where == name or where.startswith((f"{name}: ", f"{name}, "))
    return where if inside else f"{name}: {where}"
