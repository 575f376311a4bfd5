"""Recording: a cassette opened in place or beside the old one, its progress, and its errors."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from tunebench.api import Monitor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tunebench.cassettes import CassetteFile
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
    open_file: Callable[[Cell, Path], CassetteFile], cell: Cell, path: Path, record: RecordMode
) -> Iterator[CassetteFile]:
    """Open a cassette for recording.

    Args:
        open_file: opens a cassette of the cell at a path.
        cell: the cell.
        path: where the cassette belongs.
        record: ``missing`` appends to what is there. ``all`` records another file, which takes
            that place when the block ends without an error; if there is one, the next recording
            continues with that file.
    """
    target = path.with_name(path.name + _PART) if record == "all" else path
    file = open_file(cell, target)
    file.start_recording()
    try:
        yield file
    finally:
        file.close()
    if target != path:
        os.replace(target, path)


def place_in(cell: Cell, error: TunebenchError) -> str:
    """The place of an error in a cell, for an error that is raised in its stead."""
    name, where = str(cell), error.where or str(cell)
    inside = where == name or where.startswith((f"{name}: ", f"{name}, "))
    return where if inside else f"{name}: {where}"
