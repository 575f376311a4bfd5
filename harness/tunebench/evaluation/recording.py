"""Recording: a cassette opened in place or beside the old one, its progress, and its errors."""

from __future__ import annotations

import os
from contextlib import closing, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Protocol

from tunebench.api import Monitor
from tunebench.cassettes import CassetteFile, put_in_place
from tunebench.evaluation.items import items_path
from tunebench.settings import refuse_links

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tunebench.errors import TunebenchError
    from tunebench.experiment import Cell, Experiment
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
    experiment: Experiment,
    path: Path,
    recording: str,
    record: RecordMode,
    shared_since: int | None = None,
    cells: Sequence[Cell] = (),
) -> Iterator[CassetteFile]:
    """Open a cassette for recording.

    Args:
        experiment: the experiment.
        path: the cassette's.
        recording: what is recorded, for its header.
        record: ``missing`` appends to what is there. ``all`` records another file, which takes
            that place when the block ends without an error; if there is one, the next recording
            continues with that file.
        shared_since: for a cassette of several cells the time when the run began, nanoseconds since
            1970. If another process is recording it, this waits; if it was recorded whole since
            then, ``all`` appends to what is there.
        cells: those whose limits its header states.

    Raises:
        ConfigurationError: a symbolic link would lead the recording out of the repository.
    """
    refuse_links(path, experiment.path)
    shared, part = shared_since is not None, path.with_name(path.name + _PART)
    while True:
        target = part if record == "all" and not _is_newer(path, shared_since) else path
        file = cassette_file(experiment, target, recording, cells)
        file.start_recording(wait=shared)
        if target == path or not _is_newer(path, shared_since):
            break
        file.close()  # which another process has just put in its place
    with closing(file):
        yield file
    if target != path:
        # Another process that was waited for may have put it there between its last row and now.
        with suppress(FileNotFoundError) if shared else nullcontext():
            os.utime(target)
            put_in_place(target, path)


def _is_newer(path: Path, since: int | None) -> bool:
    try:
        return since is not None and path.stat().st_mtime_ns >= since
    except OSError:
        return False


def cassette_file(
    experiment: Experiment, path: Path, recording: str, cells: Sequence[Cell] = ()
) -> CassetteFile:
    """A cassette of an experiment's cell, job or rival; a new one states the limits of `cells`."""
    limits = {str(cell): cell.gates for cell in cells} or None
    return CassetteFile(path, experiment=experiment.name, recording=recording, limits=limits)


def place_in(cell: Cell, error: TunebenchError) -> str:
    """The place of an error in a cell, for an error that is raised in its stead."""
    name, where = str(cell), error.where or str(cell)
    inside = where == name or where.startswith((f"{name}: ", f"{name}, "))
    return where if inside else f"{name}: {where}"


def orphans(experiment: Experiment) -> Iterator[Path]:
    """The cassettes in an experiment's folder that belong to none of its cells and rivals."""
    known = {cell.cassette for cell in experiment.cells} | {items_path(experiment)}
    known |= {experiment.embeddings_cassette(rival) for rival in experiment.embedding_rivals}
    known |= {cell.job_cassette for cell in experiment.jobs.values()}
    folders = ("", "jobs", "embeddings")
    for folder in (experiment.cassettes / name for name in folders):
        if folder.is_dir():
            yield from (path for path in sorted(folder.glob("*.jsonl")) if path not in known)
