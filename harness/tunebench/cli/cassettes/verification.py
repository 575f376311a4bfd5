"""Checks of cassettes: they are sound, and hold what the experiment requests and no more."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunebench.analysis import read_rivals
from tunebench.cassettes import inspect
from tunebench.errors import TunebenchError
from tunebench.evaluation import (
    Runner,
    is_data_here,
    orphans,
    recalled_of,
    rival_recording,
    rival_texts,
    test_rows,
    train_rows,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from tunebench.cassettes import Inspected
    from tunebench.experiment import Cell, EmbeddingRival, Experiment

_HINT = "record it with `tunebench record`"
_SHOWN = 5
_SHORTEST_KEY = 8  # a shorter one is a placeholder that may be part of any text


@dataclass(frozen=True)
class Verified:
    """A cassette that was checked.

    Attributes:
        path: the file; it may be missing.
        recording: the cell, or the job; empty for a cassette that no cell uses.
        file: what the file holds; None where it is missing.
        problems: a sentence each.
        unplayed: the keys of rows that no request asks for; None where the replay did not come to
            its end, so that this is not known.
    """

    path: Path
    recording: str
    file: Inspected | None
    problems: list[str]
    unplayed: list[str] | None

    @property
    def unplayed_lines(self) -> list[int] | None:
        """The line numbers of `unplayed`."""
        if self.file is None or self.unplayed is None:
            return None
        return self.file.numbers(self.unplayed)


def recordings_of(experiment: Experiment) -> dict[Path, tuple[Cell, ...]]:
    """Each cassette that an experiment needs, jobs first, with the cells that are read from it.

    Of the cells that need a job it is the first.
    """
    found: dict[Path, tuple[Cell, ...]] = {
        cell.job_cassette: (cell,) for cell in experiment.jobs.values()
    }
    for cell in experiment.cells:
        found[cell.cassette] = (*found.get(cell.cassette, ()), cell)
    return found


def embeddings_of(experiment: Experiment) -> dict[Path, EmbeddingRival]:
    """Each cassette of embeddings that an experiment needs, with its rival."""
    rivals = experiment.embedding_rivals if experiment.matrix.train_sizes else ()
    return {experiment.embeddings_cassette(rival): rival for rival in rivals}


def name_of(path: Path, cell: Cell) -> str:
    """What is recorded, as the header of the cassette at that path names it."""
    return f"{cell.job} (job)" if path == cell.job_cassette else cell.recording


def replay_problems(runner: Runner, path: Path, cells: Iterable[Cell]) -> list[str]:
    """Replay the job or the cells of a cassette; why that failed, a sentence each."""
    problems = []
    for cell in cells:
        try:
            if path == cell.job_cassette:
                runner.fine_tuned(cell, _HINT)
            else:
                runner.evaluate(cell, _HINT)
        except TunebenchError as error:
            problems.append(str(error))
    return problems


def verified(experiment: Experiment) -> Iterator[Verified]:
    """Check each cassette of an experiment, and those that no cell of it uses.

    Each cell is replayed without a network. Texts are looked for where the data set is.

    Raises:
        TunebenchError: the data set cannot be read, and there are no items in its place.
    """
    texts = []
    if recalled_of(experiment) is None:
        texts = [*test_rows(experiment)["text"], *train_rows(experiment)["text"]]
    keys = _known_keys(experiment)
    damaged: set[Path] = set()
    with closing(Runner()) as runner:
        for path, cells in recordings_of(experiment).items():
            cell, unplayed = cells[0], None
            file = inspect(path) if path.exists() else None
            problems = [*file.problems, *file.leaks(texts, keys)] if file else []
            if file and file.damaged:
                damaged.add(path)
            elif cell.train_size and cell.job_cassette in damaged:
                problems.append(f"{cell}: not replayed, since its job's cassette is damaged.")
            elif failed := replay_problems(runner, path, cells):
                problems += failed
            else:
                unplayed = runner.unplayed.get(path)
            one = Verified(path, name_of(path, cell), file, problems, unplayed)
            problems += _unused(one)
            yield one
        yield from _verified_rivals(experiment, runner, texts, keys)
    for path in orphans(experiment):
        file = inspect(path)
        problem = f"{path}: no cell uses it; remove it with `tunebench cassettes prune`."
        leaks = file.leaks(texts, keys)
        yield Verified(path, "", file, [problem, *file.problems, *leaks], None)


def _verified_rivals(
    experiment: Experiment, runner: Runner, texts: Sequence[str], keys: Sequence[str]
) -> Iterator[Verified]:
    """Check the embeddings of the rivals, and the file of the rivals' predictions."""
    for path, rival in embeddings_of(experiment).items():
        file = inspect(path) if path.exists() else None
        problems = [*file.problems, *file.leaks(texts, keys)] if file else []
        if is_data_here(experiment) and not (file and file.damaged):
            try:
                runner.embed(experiment, rival, rival_texts(experiment))
            except TunebenchError as error:
                problems.append(str(error))
        unplayed = runner.unplayed.get(path)
        one = Verified(path, rival_recording(rival), file, problems, unplayed)
        problems += _unused(one)
        yield one
    if experiment.rivals_file.exists():
        problems = []
        try:
            read_rivals(experiment.rivals_file, experiment.name)
        except TunebenchError as error:
            problems.append(str(error))
        yield Verified(experiment.rivals_file, "rivals", None, problems, None)


def _unused(one: Verified) -> list[str]:
    """A sentence if no request asks for some rows."""
    if not (lines := one.unplayed_lines):
        return []
    at = ", ".join(map(str, lines[:_SHOWN])) + ", …" * (len(lines) > _SHOWN)
    return [
        f"{one.path}: {len(lines)} rows are not used (line {at}); "
        "remove them with `tunebench cassettes prune`."
    ]


def _known_keys(experiment: Experiment) -> list[str]:
    """The API keys of the experiment's providers that this environment holds."""
    names = (provider.api_key_env for provider in experiment.providers.values())
    keys = (os.environ.get(name, "") for name in names if name)
    return [key for key in keys if len(key) >= _SHORTEST_KEY]
