"""The limits of a cell, from the ``[[threshold]]`` tables that match it."""

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
    """One limit of a cell.

    Attributes:
        gate: its key in ``[[threshold]]``, as ``min_accuracy``.
        value: the value of that key.
        mode: ``point`` or ``confident``; it applies to accuracy and uplift only.
        over: the id of the cell that an uplift is over.
        position: the position of its table in the file, from 1.
    """

    gate: str
    value: float
    mode: Mode = "point"
    over: str | None = None
    position: int = 0


def xfail_of(thresholds: Iterable[Threshold], which: Combination) -> str | None:
    """Why a cell is expected to fail: as the last table says that matches and sets it."""
    reasons = [one.xfail for one in thresholds if one.xfail is not None and matches(one, which)]
    return reasons[-1] if reasons else None


def limits_of(thresholds: Iterable[Threshold], which: Combination) -> tuple[Limit, ...]:
    """The limits of a cell: for each key, the last table that matches and sets it.

    So a file can put general tables first and exceptions after them; a table that sets
    `min_uplift` leaves an earlier `min_accuracy` in place.
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
