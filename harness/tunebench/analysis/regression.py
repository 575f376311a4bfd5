"""The committed baseline of an experiment, and what a new recording changed since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunebench.analysis.baseline_file import read_baseline
from tunebench.errors import ResultsError
from tunebench.statistics import mcnemar_mid_p

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tunebench.analysis.baseline_file import BaselineCell
    from tunebench.evaluation import Result

_SHOWN = 10
_AGAIN = "write it again with `tunebench baseline`"


@dataclass(frozen=True)
class Regression:
    """One cell's answers against those of its baseline.

    Attributes:
        cell: the cell's id.
        before: the baseline's accuracy.
        accuracy: the accuracy now.
        recorded_at: when the baseline's answers were recorded.
        lost: items that were right and are wrong.
        gained: items that were wrong and are right.
        changed: items that got another wrong answer.
        n: how many items there are.
    """

    cell: str
    before: float
    accuracy: float
    recorded_at: str
    lost: tuple[str, ...]
    gained: tuple[str, ...]
    changed: tuple[str, ...]
    n: int

    @property
    def drop(self) -> float:
        """How far the accuracy fell; negative where it rose."""
        return (len(self.lost) - len(self.gained)) / self.n

    @property
    def p(self) -> float:
        """Two-sided p-value of McNemar's mid-p test."""
        return mcnemar_mid_p(len(self.lost), len(self.gained))

    def lines(self) -> list[str]:
        """What differs, for people: nothing where no answer does."""
        if not (self.lost or self.gained or self.changed):
            return []
        head = (
            f"{self.cell}: accuracy {self.before:.3f} in the baseline of {self.recorded_at}, "
            f"{self.accuracy:.3f} now (mid-p {self.p:.2g})"
        )
        kinds = {
            "right before, wrong now": self.lost,
            "wrong before, right now": self.gained,
            "wrong in another way": self.changed,
        }
        return [head, *(f"  {flips(kind, items)}" for kind, items in kinds.items() if items)]


def flips(kind: str, items: Sequence[str]) -> str:
    """A count and the first items of it, as ``2 lost: a, b``."""
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return f"{len(items)} {kind}: {', '.join(items[:_SHOWN])}{more}"


def regression_of(result: Result) -> Regression | None:
    """Compare a result with its cell's baseline.

    Returns:
        None where there is no baseline, or none of this cell.

    Raises:
        ResultsError: the baseline cannot be read, or is of another experiment or of other items.
    """
    experiment, cell = result.cell.experiment, str(result.cell)
    path = experiment.baseline
    entry = _cells(path, experiment.name, tuple(experiment.task.labels)).get(cell)
    if entry is None:
        return None
    before = entry.predictions
    judged = _judged(result)
    unshared = sorted(before.keys() ^ judged.keys())
    if unshared:
        raise ResultsError(
            f"{path}: the baseline of {cell} is of other items: {len(unshared)}, such as "
            f"{unshared[0]}, are in one only; {_AGAIN}."
        )
    right = sum(before[item] == label for item, (label, _) in judged.items())
    if right / len(judged) != entry.accuracy:
        raise ResultsError(
            f"{path}: the baseline of {cell} states the accuracy {entry.accuracy}, and by the "
            f"labels of its items it is {right / len(judged)}: they have other labels now; "
            f"{_AGAIN}."
        )
    flipped = [
        (item, before[item], label, now)
        for item, (label, now) in judged.items()
        if before[item] != now
    ]
    return Regression(
        cell,
        entry.accuracy,
        result.accuracy,
        entry.recorded_at,
        lost=tuple(item for item, was, label, _ in flipped if was == label),
        gained=tuple(item for item, _, label, now in flipped if now == label),
        changed=tuple(item for item, was, label, now in flipped if label not in (was, now)),
        n=len(judged),
    )


def entry_of(result: Result) -> dict[str, Any]:
    """A result as a cell of a baseline."""
    predictions = {item: now for item, (_, now) in _judged(result).items()}
    return {
        "accuracy": result.accuracy,
        "recorded_at": result.recorded_at,
        "predictions": predictions,
    }


def _judged(result: Result) -> dict[str, tuple[int, int | None]]:
    items, labels = (result.judgements[name].tolist() for name in ("item", "label"))
    return {
        item: (label, now)
        for item, label, now in zip(items, labels, result.predictions, strict=True)
    }


def _cells(path: Path, experiment: str, labels: tuple[str, ...]) -> dict[str, BaselineCell]:
    found = read_baseline(path)
    if found is None:
        return {}
    if found.experiment != experiment:
        raise ResultsError(
            f"{path}: the baseline belongs to the experiment {found.experiment!r}, not to "
            f"{experiment!r}; put the right file there, or move it away and {_AGAIN}."
        )
    if tuple(found.labels) != labels:
        raise ResultsError(
            f"{path}: the baseline is of the labels {', '.join(found.labels)}, and the "
            f"experiment's are {', '.join(labels)}; {_AGAIN}."
        )
    return found.cells
