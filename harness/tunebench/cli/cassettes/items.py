"""Writing ``items.jsonl`` for cassettes that are recorded already."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunebench.errors import DatasetError, TunebenchError
from tunebench.evaluation import Items, Runner, is_data_here, items_path

if TYPE_CHECKING:
    from pathlib import Path

    from tunebench.experiment import Experiment

_HINT = "record it with `tunebench record`"


@dataclass(frozen=True)
class Written:
    """What became of an experiment's ``items.jsonl``.

    Attributes:
        path: the file.
        items: how many items it holds.
        problems: why cells cannot be replayed with it, a sentence each.
    """

    path: Path
    items: int
    problems: list[str]

    @property
    def sentence(self) -> str:
        """What was written, in words."""
        items = "1 item" if self.items == 1 else f"{self.items:,} items"
        return f"wrote {self.path}: {items}, no text"


def written(experiment: Experiment) -> Written:
    """Write the file again, from the data set and the cells that replay.

    Raises:
        DatasetError: the data set is not on this machine, or cannot be read.
        TunebenchError: the file cannot be written.
    """
    if not is_data_here(experiment):
        raise DatasetError(
            f"the data set {experiment.task.dataset!r} is not on this machine, and the items are "
            "made of it",
            where=experiment.path,
            hint="run this where it is",
        )
    items, problems = Items(experiment), []
    with closing(Runner(items={experiment: items})) as runner:
        for cell in experiment.cells:
            try:
                runner.evaluate(cell, _HINT)
            except TunebenchError as error:
                problems.append(str(error))
    items.write()
    return Written(items_path(experiment), len(items.content().items), problems)
