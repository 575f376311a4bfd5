"""The uplift of one cell over another on the same texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunebench.analysis.comparison import Comparison
from tunebench.errors import CellError

if TYPE_CHECKING:
    from tunebench.evaluation import Result
    from tunebench.experiment import Cell


@dataclass(frozen=True, kw_only=True)
class Uplift(Comparison):
    """The accuracy of one cell minus that of another on the same texts.

    Attributes:
        cell: the cell.
        other: the cell it is compared with.
    """

    cell: Cell
    other: Cell

    @classmethod
    def of(cls, first: Result, other: Result) -> Uplift:
        """Compare two results text by text; the first one's task seeds the bootstrap.

        Raises:
            CellError: the two are of different items, or their labels differ.
        """
        mine, theirs = _by_item(first), _by_item(other)
        # Sets have no order that lasts; the message is to be the same every time.
        _refuse(first, other, sorted(mine.keys() ^ theirs.keys()), "are in one only")
        relabelled = [item for item, (label, _) in mine.items() if label != theirs[item][0]]
        _refuse(first, other, relabelled, "have another label in the one than in the other")
        groups = first.groups
        return cls.paired(
            {item: correct for item, (_, correct) in mine.items()},
            {item: correct for item, (_, correct) in theirs.items()},
            groups=None if groups is None else dict(zip(mine, groups, strict=True)),
            seed=abs(first.cell.experiment.task.seed),  # numpy takes none below 0
            cell=first.cell,
            other=other.cell,
        )

    def explain(self) -> str:
        """The uplift in a sentence, for an assertion's message."""
        return (
            f"{self.cell} over {self.other}: uplift {self.difference:+.3f} on the same {self.n} "
            f"texts (95 % interval {self.low:+.3f} to {self.high:+.3f}, {self.p_in_words}), "
            f"{self.only_first} right by the first only, {self.only_other} by the other only"
        )

    def row(self) -> dict[str, Any]:
        """The uplift as an entry of ``uplifts`` in ``results.json``."""
        return {
            "experiment": self.cell.experiment.name,
            "model": self.cell.model,
            "cell": str(self.cell),
            "over_model": self.other.model,
            "over": str(self.other),
            "n": self.n,
            "only_first": self.only_first,
            "only_other": self.only_other,
            "difference": self.difference,
            "ci_low": self.low,
            "ci_high": self.high,
            "p": self.p,
            "exact_p": self.exact_p,
            "texts_needed": self.texts_needed,
        }


def _refuse(first: Result, other: Result, items: list[str], why: str) -> None:
    if items:
        raise CellError(
            f"{first.cell} and {other.cell} cannot be compared: {len(items)} items, such as "
            f"{items[0]}, {why}",
            hint="evaluate both on the same test rows",
        )


def _by_item(result: Result) -> dict[str, tuple[int, bool]]:
    judgements = result.judgements
    columns = (judgements[name].tolist() for name in ("item", "label", "correct"))
    return {item: (label, correct) for item, label, correct in zip(*columns, strict=True)}
