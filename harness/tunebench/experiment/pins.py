"""Fine-tuned cells whose model, or job, exists already: ``[[fine_tuned]]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebench.errors import ExperimentError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tunebench.experiment.combinations import Combination
    from tunebench.experiment.models import FineTunedModel
    from tunebench.experiment.schema import ExperimentFile


def pin_of(pins: Sequence[FineTunedModel], which: Combination) -> FineTunedModel | None:
    """The entry that names a combination's model; None if it is trained."""
    return next((pin for pin in pins if _pins(pin, which)), None)


def _pins(pin: FineTunedModel, which: Combination) -> bool:
    same = (pin.model, pin.train_size) == (which.model, which.train_size)
    return same and which.seed in (None, pin.seed)


def check_pins(path: Path, file: ExperimentFile, cells: Sequence[Combination]) -> None:
    """Check that each entry names the model of a cell, and no two entries that of one.

    Raises:
        ExperimentError: one does not.
    """
    models = [model.name for model in file.model]
    seeds = file.fine_tuning.seeds or [file.fine_tuning.seed]
    for position, pin in enumerate(file.fine_tuned, 1):
        where = f"{path}: [[fine_tuned]] {position}"
        if pin.id is None and pin.job is None:
            raise ExperimentError(
                "there is neither id nor job",
                where=where,
                hint='name the fine-tuned model, as id = "ft:…", or its job, as job = "ftjob-…"',
            )
        if pin.model not in models:
            raise ExperimentError(
                f"there is no model {pin.model!r}",
                where=f"{where}: model",
                hint=f"it is the name of a [[model]], and `id` the fine-tuned one's; "
                f"{did_you_mean(pin.model, models)}",
            )
        if pin.train_size not in file.matrix.train_sizes:
            raise ExperimentError(
                f"[matrix] train_sizes does not hold {pin.train_size}",
                where=f"{where}: train_size",
                hint="add it there, or fix it here",
            )
        if len(seeds) > 1 and pin.seed is None:
            raise ExperimentError(
                f"[fine_tuning] has {len(seeds)} seeds, and a model is of one training",
                where=f"{where}: seed",
                hint=f"add one of {', '.join(map(str, seeds))}",
            )
        if pin.seed not in (None, *seeds):
            raise ExperimentError(
                f"[fine_tuning] has no seed {pin.seed}",
                where=f"{where}: seed",
                hint=f"known are {', '.join(map(str, seeds))}",
            )
        if not any(_pins(pin, which) for which in cells):
            raise ExperimentError(
                f"the cells of {pin.model!r} and {pin.train_size} rows are skipped",
                where=where,
                hint="remove it, or the skip",
            )
        _check_twins(file, position, where)


def _check_twins(file: ExperimentFile, position: int, where: str) -> None:
    pin = file.fine_tuned[position - 1]
    # Without several seeds, `seed` makes no difference to what is named.
    several = len(file.fine_tuning.seeds or ()) > 1
    for before, other in enumerate(file.fine_tuned[: position - 1], 1):
        same = (pin.model, pin.train_size) == (other.model, other.train_size)
        if same and (not several or pin.seed == other.seed):
            raise ExperimentError(
                f"[[fine_tuned]] {before} names a model for the same cells",
                where=where,
                hint="keep one of them",
            )
