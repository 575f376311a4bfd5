"""Which limits of an experiment's ``[[threshold]]`` tables hold for a cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunebench.experiment.combinations import matches
from tunebench.experiment.schema import LIMITS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tunebench.experiment.combinations import Combination
    from tunebench.experiment.schema import Mode, Threshold


@dataclass(frozen=True)
class Limit:
    """One thing that a cell must reach.

    Attributes:
        gate: its key in ``[[threshold]]``, as ``min_accuracy``.
        value: the limit.
        mode: ``point`` or ``confident``; it applies to accuracy and uplift only.
        over: the id of the cell that an uplift is over.
        position: of its table in the file, from 1 on.
    """

    gate: str
    value: float
    mode: Mode = "point"
    over: str | None = None
    position: int = 0


def limits_of(thresholds: Iterable[Threshold], which: Combination) -> tuple[Limit, ...]:
    """The limits of a cell: of each kind the last one that matches, with its own mode.

    So general tables come first and exceptions after them, and a table that sets the uplift leaves
    the accuracy as an earlier one set it.
    """
    found: dict[str, Limit] = {}
    for position, threshold in enumerate(thresholds, 1):
        if not matches(threshold, which):
            continue
        for gate in LIMITS:
            value = getattr(threshold, gate)
            if value is not None:
                over = threshold.over if gate == "min_uplift" else None
                found[gate] = Limit(gate, value, threshold.mode, over, position)
    return tuple(found[gate] for gate in LIMITS if gate in found)
