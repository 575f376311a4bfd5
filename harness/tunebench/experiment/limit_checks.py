"""Checks of the limits in the ``[[threshold]]`` tables of an experiment file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebench.errors import ExperimentError
from tunebench.experiment.fields import WITHOUT_PROBABILITIES, unknown
from tunebench.experiment.limits import limits_of
from tunebench.experiment.schema import LIMITS, POINT_ONLY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tunebench.experiment.combinations import Combination
    from tunebench.experiment.limits import Limit
    from tunebench.experiment.models import Prices
    from tunebench.experiment.schema import ExperimentFile


def check_limits(path: Path, file: ExperimentFile, cells: Sequence[Combination]) -> None:
    """Check that each table states a limit, and that each cell can be judged by its own.

    Raises:
        ExperimentError: one does not, or cannot.
    """
    ids = [str(which) for which in cells]
    for position, threshold in enumerate(file.threshold, 1):
        where = f"{path}: [[threshold]] {position}"
        if all(getattr(threshold, name) is None for name in (*LIMITS, "xfail")):
            *first, last = LIMITS
            raise ExperimentError(
                "there is no limit", where=where, hint=f"add {', '.join(first)} or {last}"
            )
        if threshold.min_uplift is not None and threshold.over is None:
            raise ExperimentError(
                "min_uplift needs the cell to compare with",
                where=where,
                hint=f'name it, as over = "{ids[0]}"',
            )
        if threshold.over is not None and threshold.min_uplift is None:
            raise ExperimentError(
                "`over` is only for min_uplift", where=where, hint="add that, or remove `over`"
            )
        if threshold.over is not None and threshold.over not in ids:
            raise unknown("cell", threshold.over, ids, where)
        for gate in ("min_recall", "min_precision"):
            for label in getattr(threshold, gate) or ():
                if label not in file.task.labels:
                    raise unknown("label", label, file.task.labels, f"{where}: {gate}")
        if threshold.mode == "confident":
            for gate in POINT_ONLY:
                if getattr(threshold, gate) is not None:
                    raise ExperimentError(
                        f'mode = "confident" needs an interval, and {gate} has none that holds for '
                        "few texts",
                        where=where,
                        hint='move it to a table of its own, where mode is "point"',
                    )
    prices = {model.name: model.prices for model in file.model}
    for cell in cells:
        for limit in limits_of(file.threshold, cell):
            _check_limit(f"{path}: [[threshold]] {limit.position}", cell, limit, prices)


def _check_limit(
    where: str, cell: Combination, limit: Limit, prices: dict[str, Prices | None]
) -> None:
    if limit.over == str(cell):
        raise ExperimentError(
            f"{cell} would be compared with itself",
            where=where,
            hint="select the cells more narrowly, for example with model or train_size",
        )
    if limit.gate == "max_cost" and not _priced(prices[cell.model]):
        raise ExperimentError(
            f"max_cost of {cell} needs prices",
            where=where,
            hint=f"give the model {cell.model!r} prices with input and output, or with per_hour",
        )
    if limit.gate == "min_auc" and cell.decision_rule in WITHOUT_PROBABILITIES:
        raise ExperimentError(
            f"min_auc of {cell} needs probabilities, and the decision rule {cell.decision_rule} "
            "has none",
            where=where,
            hint='add decision_rule = "label_logprobs", or "calibrated", to this table',
        )
    if limit.mode == "confident" and limit.value == 1:
        raise ExperimentError(
            f'{limit.key} = 1 cannot be reached with mode = "confident": no interval is all above '
            "it",
            where=where,
            hint='lower it, or set mode = "point"',
        )


def _priced(prices: Prices | None) -> bool:
    """Whether the prices give answers a cost."""
    if prices is None:
        return False
    return prices.per_hour is not None or None not in (prices.input, prices.output)
