"""Comparison of a result with the committed baseline of its experiment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tunebench.analysis.baseline_file import read_baseline
from tunebench.analysis.comparison import Comparison
from tunebench.errors import ResultsError, named_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tunebench.analysis.baseline_file import BaselineCell
    from tunebench.evaluation import Result

_ITEMS_SHOWN = 10
_WRITE_AGAIN = "write it again with `tunebench baseline`"


@dataclass(frozen=True, kw_only=True)
class Regression(Comparison):
    """A cell's answers now, compared with those of its baseline.

    Attributes:
        cell: the cell's id.
        before: the baseline's accuracy.
        accuracy: the accuracy now.
        recorded_at: when the baseline's answers were recorded.
        changed: items that got another wrong answer.
        places: where items are in the user's file, as far as that is known.
    """

    cell: str
    before: float
    accuracy: float
    recorded_at: str
    changed: tuple[str, ...]
    places: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def drop(self) -> float:
        """How far the accuracy fell; negative where it rose."""
        return (self.only_other - self.only_first) / self.n

    def lines(self) -> list[str]:
        """The differences in words; none where all answers are the same."""
        if not (self.lost or self.gained or self.changed):
            return []
        head = (
            f"{self.cell}: accuracy {self.before:.3f} in the baseline of {self.recorded_at}, "
            f"{self.accuracy:.3f} now ({self.p_in_words})"
        )
        kinds = {
            "right before, wrong now": self.lost,
            "wrong before, right now": self.gained,
            "wrong in another way": self.changed,
        }
        lines = (flips(kind, items, self.places) for kind, items in kinds.items() if items)
        return [head, *(f"  {line}" for line in lines)]


def flips(kind: str, items: Sequence[str], places: Mapping[str, str]) -> str:
    """A count and its first items with their places, as ``2 lost: a (pets.csv, line 3), b``."""
    more = f" and {len(items) - _ITEMS_SHOWN} more" if len(items) > _ITEMS_SHOWN else ""
    shown = (named_at(item, places) for item in items[:_ITEMS_SHOWN])
    return f"{len(items)} {kind}: {', '.join(shown)}{more}"


def regression_of(result: Result) -> Regression | None:
    """Compare a result with its cell's baseline.

    Returns:
        None if there is no baseline, or none of this cell.

    Raises:
        ResultsError: the baseline cannot be read, or is of another experiment or other items.
    """
    experiment, cell = result.cell.experiment, str(result.cell)
    path = experiment.baseline
    entry = _cells(path, experiment.name, tuple(experiment.task.labels)).get(cell)
    if entry is None:
        return None
    before, now = entry.predictions, _answers(result)
    unshared = sorted(before.keys() ^ now.keys())
    if unshared:
        raise ResultsError(
            f"the baseline of {cell} is of other items: {len(unshared)}, such as {unshared[0]}, "
            "are in one only",
            where=path,
            hint=_WRITE_AGAIN,
        )
    right_before = {item: before[item] == label for item, (label, _) in now.items()}
    accuracy = sum(right_before.values()) / len(now)
    if accuracy != entry.accuracy:
        raise ResultsError(
            f"the baseline of {cell} states the accuracy {entry.accuracy}, but by the labels of "
            f"its items it is {accuracy}: they have other labels now",
            where=path,
            hint=_WRITE_AGAIN,
        )
    return Regression.paired(
        {item: said == label for item, (label, said) in now.items()},
        right_before,
        groups=None if result.groups is None else dict(zip(now, result.groups, strict=True)),
        cell=cell,
        before=entry.accuracy,
        accuracy=result.accuracy,
        recorded_at=entry.recorded_at,
        places=result.places,
        changed=tuple(
            item
            for item, (label, said) in now.items()
            if before[item] != said and label not in (before[item], said)
        ),
    )


def entry_of(result: Result) -> dict[str, Any]:
    """A result as an entry of a baseline."""
    return {
        "accuracy": result.accuracy,
        "recorded_at": result.recorded_at,
        "predictions": {item: said for item, (_, said) in _answers(result).items()},
    }


def _answers(result: Result) -> dict[str, tuple[int, int | None]]:
    """The true label id and the one that was read, by item."""
    items, labels = (result.judgements[name].tolist() for name in ("item", "label"))
    return {
        item: (label, said)
        for item, label, said in zip(items, labels, result.predictions, strict=True)
    }


def _cells(path: Path, experiment: str, labels: tuple[str, ...]) -> dict[str, BaselineCell]:
    found = read_baseline(path)
    if found is None:
        return {}
    if found.experiment != experiment:
        raise ResultsError(
            f"the baseline belongs to the experiment {found.experiment!r}, not to {experiment!r}",
            where=path,
            hint=f"put the right file there, or move it away and {_WRITE_AGAIN}",
        )
    if tuple(found.labels) != labels:
        raise ResultsError(
            f"the baseline is of the labels {', '.join(found.labels)}, and the experiment's are "
            f"{', '.join(labels)}",
            where=path,
            hint=_WRITE_AGAIN,
        )
    return found.cells
