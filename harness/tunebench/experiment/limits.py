"""The limits of a cell, from the ``[[threshold]]`` tables that match it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunebench.experiment.combinations import matches
from tunebench.experiment.schema import LIMITS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tunebench.experiment.combinations import Combination
    from tunebench.experiment.fields import Mode
    from tunebench.experiment.schema import Threshold


@dataclass(frozen=True)
class Limit:
    """One limit of a cell.

    Attributes:
        gate: its key in ``[[threshold]]``, as ``min_accuracy``.
        value: the value of that key.
        mode: ``point`` or ``confident``; see `Threshold`.
        over: the id of the cell that an uplift is over.
        position: the position of its table in the file, from 1.
        label: the label that a recall or a precision is of.
    """

    gate: str
    value: float
    mode: Mode = "point"
    over: str | None = None
    position: int = 0
    label: str | None = None

    @property
    def key(self) -> str:
        """Its name in results, as ``min_accuracy`` or ``min_recall.Spam``."""
        return self.gate if self.label is None else f"{self.gate}.{self.label}"


def xfail_of(thresholds: Iterable[Threshold], which: Combination) -> str | None:
    """Why a cell is expected to fail: as the last table says that matches and sets it."""
    reasons = [one.xfail for one in thresholds if one.xfail is not None and matches(one, which)]
    return reasons[-1] if reasons else None


def limits_of(thresholds: Iterable[Threshold], which: Combination) -> tuple[Limit, ...]:
    """The limits of a cell: for each key (and label), the last table that matches and sets it.

    So a file can put general tables first and exceptions after them; a table that sets
    `min_uplift` leaves an earlier `min_accuracy` in place.
    """
    found: dict[str, Limit] = {}
    for position, threshold in enumerate(thresholds, 1):
        if not matches(threshold, which):
            continue
        for gate in LIMITS:
            given = getattr(threshold, gate)
            over = threshold.over if gate == "min_uplift" else None
            by_label = given if isinstance(given, dict) else {None: given}
            for label, value in by_label.items():
                if value is not None:
                    limit = Limit(gate, value, threshold.mode, over, position, label)
                    found[limit.key] = limit
    return tuple(sorted(found.values(), key=lambda limit: LIMITS.index(limit.gate)))
