"""Which limits of an experiment's ``[[threshold]]`` tables hold for a cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from harness.experiment_file import ExperimentError, unknown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.experiment import Cell, Experiment
    from harness.experiment_tables import DecisionRule, Mode, Prices, Skip, Threshold

GateName = Literal["min_accuracy", "min_uplift", "max_cost", "max_regression"]


@dataclass(frozen=True)
class Limit:
    """One thing that a cell must reach.

    Attributes:
        gate: what is limited.
        value: the limit.
        mode: ``point`` or ``confident``; it speaks of accuracy and uplift only.
        over: the id of the cell that an uplift is over.
        position: of its table in the file, from 1 on.
    """

    gate: GateName
    value: float
    mode: Mode = "point"
    over: str | None = None
    position: int = 0


def limits_of(
    thresholds: Iterable[Threshold], model: str, shots: int, train_size: int, rule: DecisionRule
) -> tuple[Limit, ...]:
    """The limits of a cell: of each kind the last one that matches, with its own mode.

    So general tables come first and exceptions after them, and a table that sets the uplift leaves
    the accuracy as an earlier one set it.
    """
    found: dict[GateName, Limit] = {}
    for position, threshold in enumerate(thresholds, 1):
        if not matches(threshold, model, shots, train_size, rule):
            continue
        for gate in get_args(GateName):
            value = getattr(threshold, gate)
            if value is not None:
                over = threshold.over if gate == "min_uplift" else None
                found[gate] = Limit(gate, value, threshold.mode, over, position)
    return tuple(found[gate] for gate in get_args(GateName) if gate in found)


def matches(
    entry: Skip | Threshold, model: str, shots: int, train_size: int, rule: DecisionRule
) -> bool:
    """Whether an entry of the file speaks of a cell."""
    # A number of shots speaks of prompts; a fine-tuned model has none to speak of.
    if entry.shots is not None and entry.train_size is None and train_size:
        return False
    return (
        entry.model in (None, model)
        and entry.shots in (None, shots)
        and entry.train_size in (None, train_size)
        and entry.decision_rule in (None, rule)
    )


def check_limits(experiment: Experiment) -> None:
    """Check that limits can be judged, and prices do not contradict each other.

    Raises:
        ExperimentError: a threshold sets no limit, an uplift has no other cell, or none that there
            is, or a cost is limited without the prices it is made of.
    """
    for name, model in experiment.models.items():
        if (prices := model.prices) is not None and prices.per_hour is not None:
            by_token = (prices.training, prices.input, prices.output)
            if any(price is not None for price in by_token):
                raise ExperimentError(
                    f"{experiment.path}: the prices of the model {name!r} are by the token and "
                    "per_hour at once; keep the one way in which it is paid."
                )
    for position, threshold in enumerate(experiment.thresholds, 1):
        at = f"{experiment.path}: [[threshold]] {position}: "
        if all(getattr(threshold, gate) is None for gate in get_args(GateName)):
            raise ExperimentError(
                f"{at}it sets no limit; add {', '.join(get_args(GateName)[:-1])} or "
                f"{get_args(GateName)[-1]}."
            )
        if threshold.min_uplift is not None and threshold.over is None:
            raise ExperimentError(
                f'{at}min_uplift is over another cell; name it, as over = "{experiment.cells[0]}".'
            )
        if threshold.over is not None and threshold.min_uplift is None:
            raise ExperimentError(f"{at}over goes with min_uplift; add that, or leave over out.")
        ids = [str(cell) for cell in experiment.cells]
        if threshold.over is not None and threshold.over not in ids:
            raise ExperimentError(f"{at}{unknown('cell', threshold.over, ids)}")
    for cell in experiment.cells:
        for limit in cell.limits:
            _check_limit(experiment, cell, limit)


def _check_limit(experiment: Experiment, cell: Cell, limit: Limit) -> None:
    at = f"{experiment.path}: [[threshold]] {limit.position}: "
    if limit.over == str(cell):
        raise ExperimentError(
            f"{at}{cell} would be compared with itself; say more closely which cells are meant."
        )
    if limit.gate == "max_cost" and not _priced(experiment.models[cell.model].prices):
        raise ExperimentError(
            f"{at}max_cost of {cell} needs prices; give the model {cell.model!r} prices with input "
            "and output, or with per_hour."
        )


def _priced(prices: Prices | None) -> bool:
    """Whether answers have a cost."""
    if prices is None:
        return False
    return prices.per_hour is not None or None not in (prices.input, prices.output)
