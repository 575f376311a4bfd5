"""The state of each cassette, without reading the data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tunebench.analysis import read_rivals
from tunebench.cassettes import inspect
from tunebench.cli.cassettes.verification import embeddings_of, name_of, recordings_of
from tunebench.cli.job_curve import states_of
from tunebench.errors import TunebenchError
from tunebench.evaluation import orphans, rival_recording, texts_to_answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tunebench.cassettes import Inspected
    from tunebench.experiment import Cell, EmbeddingRival, Experiment

_JOB_STATES = {"succeeded": "complete", "failed": "failed", "cancelled": "failed"}


def listed(experiment: Experiment) -> Iterator[dict[str, Any]]:
    """A row for each cassette that an experiment needs or has.

    ``state`` is ``complete`` or ``partial`` by the number of texts answered, or by the job's
    last state; ``failed`` for a job that failed; ``missing``; ``damaged``; ``orphan`` where no
    cell uses it; ``unfinished`` for what ``--all`` has begun.
    """
    for path, cells in recordings_of(experiment).items():
        cell, file = cells[0], inspect(path) if path.exists() else None
        yield from _rows(experiment, path, name_of(path, cell), file, _state(path, cells, file))
    for path, rival in embeddings_of(experiment).items():
        file = inspect(path) if path.exists() else None
        state = _rival_state(experiment, rival, file)
        yield from _rows(experiment, path, rival_recording(rival), file, state)
    for path in orphans(experiment):
        file = inspect(path)
        yield _row(experiment, path, str(file.header.get("recording", path.stem)), file, "orphan")


def _state(path: Path, cells: Sequence[Cell], file: Inspected | None) -> str:
    if file is None:
        return "missing"
    if file.damaged:
        return "damaged"
    if path == cells[0].job_cassette:
        states = states_of(path)
        return _JOB_STATES.get(states[-1]["status"] if states else "", "partial")
    answered = {one.row.item for one in file.rows.values()} - {None}
    needed = max(texts_to_answer(cell) for cell in cells)
    return "complete" if len(answered) >= needed else "partial"


def _rival_state(experiment: Experiment, rival: EmbeddingRival, file: Inspected | None) -> str:
    """``complete`` where the rival was trained with its embeddings for each training size."""
    if file is None:
        return "missing"
    if file.damaged:
        return "damaged"
    try:
        recorded = read_rivals(experiment.rivals_file, experiment.name) or ()
    except TunebenchError:
        recorded = ()
    sizes = {one.train_size for one in recorded if one.rival == rival.full_name}
    return "complete" if sizes >= set(experiment.matrix.train_sizes) else "partial"


def _rows(
    experiment: Experiment, path: Path, recording: str, file: Inspected | None, state: str
) -> Iterator[dict[str, Any]]:
    """The row of a cassette, and the one of what ``--all`` has begun beside it."""
    yield _row(experiment, path, recording, file, state)
    beside = path.with_name(f"{path.name}.part")
    if beside.exists():
        yield _row(experiment, beside, recording, inspect(beside), "unfinished")


def _row(
    experiment: Experiment, path: Path, recording: str, file: Inspected | None, state: str
) -> dict[str, Any]:
    rows = list(file.rows.values()) if file else []
    times = [one.row.recorded_at for one in rows]
    return {
        "experiment": experiment.name,
        "cassette": str(path),
        "recording": recording,
        "state": state,
        "rows": len(rows),
        "first_recorded_at": min(times, default=None),
        "last_recorded_at": max(times, default=None),
        "models": sorted({one.request.model for one in rows if one.request.model}),
        "bytes": file.size if file else 0,
    }
