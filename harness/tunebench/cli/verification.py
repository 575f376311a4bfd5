"""Whether an experiment's cassettes are sound, and hold what the experiment asks and no more."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunebench.cassettes import inspect
from tunebench.errors import TunebenchError
from tunebench.evaluation import Runner, orphans, test_rows, train_rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tunebench.cassettes import Inspected
    from tunebench.experiment import Cell, Experiment

_HINT = "record it with `tunebench record`"


@dataclass(frozen=True)
class Verified:
    """A cassette that was looked at.

    Attributes:
        path: the file; it may be missing.
        recording: the cell, or the job; empty for a cassette that no cell uses.
        file: what the file holds; None where it is missing.
        problems: what is wrong, a sentence each.
        unplayed: the keys of rows that no request asks; None where the replay did not come to
            its end, so that this is not known.
    """

    path: Path
    recording: str
    file: Inspected | None
    problems: list[str]
    unplayed: list[str] | None


def recordings_of(experiment: Experiment) -> dict[Path, Cell]:
    """Each cassette that an experiment needs, jobs first, with a cell that needs it."""
    jobs = {cell.job_cassette: cell for cell in experiment.jobs.values()}
    return jobs | {cell.cassette: cell for cell in experiment.cells}


def name_of(path: Path, cell: Cell) -> str:
    """The cell, or its job, as the header of the cassette at that path names it."""
    return f"{cell.job} (job)" if path == cell.job_cassette else str(cell)


def verified(experiment: Experiment) -> Iterator[Verified]:
    """Look at each cassette of an experiment, and at those that no cell of it uses.

    Each cell is replayed without a network.

    Raises:
        TunebenchError: the data set cannot be read.
    """
    texts = [*test_rows(experiment)["text"], *train_rows(experiment)["text"]]
    keys = _known_keys(experiment)
    damaged: set[Path] = set()
    with closing(Runner()) as runner:
        for path, cell in recordings_of(experiment).items():
            file = inspect(path) if path.exists() else None
            problems = [*file.problems, *file.leaks(texts, keys)] if file else []
            if file and file.damaged:
                damaged.add(path)
            elif cell.train_size and cell.job_cassette in damaged:
                problems.append(f"{cell}: not replayed, since its job's cassette is damaged.")
            else:
                problems += _replayed(runner, path, cell)
            unplayed = runner.unplayed.get(path)
            if file and unplayed:
                lines = ", ".join(map(str, file.numbers(unplayed)))
                problems.append(
                    f"{path}: nothing asks for {len(unplayed)} rows (line {lines}); remove them "
                    "with `tunebench cassettes prune`."
                )
            yield Verified(path, name_of(path, cell), file, problems, unplayed)
    for path in orphans(experiment):
        file = inspect(path)
        problem = f"{path}: no cell uses it; remove it with `tunebench cassettes prune`."
        leaks = file.leaks(texts, keys)
        yield Verified(path, "", file, [problem, *file.problems, *leaks], None)


def _replayed(runner: Runner, path: Path, cell: Cell) -> list[str]:
    """Replay a cell, or a job where the path is its cassette's; what is wrong, if anything."""
    try:
        if path == cell.job_cassette:
            runner.fine_tuned(cell, _HINT)
        else:
            runner.evaluate(cell, _HINT)
    except TunebenchError as error:
        return [str(error)]
    return []


def _known_keys(experiment: Experiment) -> list[str]:
    """The keys of the experiment's providers that this environment holds."""
    names = (provider.api_key_env for provider in experiment.providers.values())
    keys = (os.environ.get(name, "") for name in names if name)
    return [key for key in keys if len(key) >= 8]
