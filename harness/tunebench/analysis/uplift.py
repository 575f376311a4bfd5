"""What one cell gains over another on the same texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunebench.errors import CellError
from tunebench.statistics import mcnemar_exact, mcnemar_mid_p, paired_bootstrap, texts_needed

if TYPE_CHECKING:
    from tunebench.evaluation import Result
    from tunebench.experiment import Cell


@dataclass(frozen=True)
class Uplift:
    """What one cell gains over another on the same texts.

    Attributes:
        cell: the cell.
        other: the cell it is compared with.
        n: how many texts both were asked.
        difference: the cell's accuracy minus the other's, between -1 and 1.
        low: lower end of the difference's 95 % interval, a percentile bootstrap over the texts.
        high: its upper end.
        p: two-sided p-value of McNemar's mid-p test.
        only_first: how many texts the cell alone got right.
        only_other: how many texts the other alone got right.
    """

    cell: Cell
    other: Cell
    n: int
    difference: float
    low: float
    high: float
    p: float
    only_first: int
    only_other: int

    @classmethod
    def of(cls, first: Result, other: Result) -> Uplift:
        """Compare two results text by text; the first one's task seeds the bootstrap.

        Raises:
            CellError: the two were not asked the same items, or their labels differ.
        """
        pairs = _pairs(first, other)
        n = len(pairs)
        only_first, only_other = pairs.count((True, False)), pairs.count((False, True))
        right, other_right = zip(*pairs, strict=True)
        seed = abs(first.cell.experiment.task.seed)  # numpy takes none below 0
        low, high = paired_bootstrap(right, other_right, seed=seed)
        return cls(
            cell=first.cell,
            other=other.cell,
            n=n,
            difference=(only_first - only_other) / n,
            low=low,
            high=high,
            p=mcnemar_mid_p(only_first, only_other),
            only_first=only_first,
            only_other=only_other,
        )

    @property
    def texts_needed(self) -> int | None:
        """How many texts would show an uplift like this; None where no number would.

        With a power of 0.8 at a level of 0.05, see `tunebench.statistics.texts_needed`.
        """
        return texts_needed(self.only_first / self.n, self.only_other / self.n)

    def explain(self) -> str:
        """The uplift in a sentence, for an assertion's message."""
        return (
            f"{self.cell} over {self.other}: uplift {self.difference:+.3f} on the same {self.n} "
            f"texts (95 % interval {self.low:+.3f} to {self.high:+.3f}, mid-p {self.p:.2g}), "
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
            "mid_p": self.p,
            "exact_p": mcnemar_exact(self.only_first, self.only_other),
            "texts_needed": self.texts_needed,
        }


def _pairs(first: Result, other: Result) -> list[tuple[bool, bool]]:
    """For each item, whether the first was right and whether the other was."""
    mine, theirs = _by_item(first), _by_item(other)
    # Sets have no order that lasts; the message is to be the same every time.
    unshared = sorted(mine.keys() ^ theirs.keys())
    if unshared:
        raise CellError(
            f"{first.cell} and {other.cell} cannot be compared: {len(unshared)} items, such as "
            f"{unshared[0]}, were asked of one only; evaluate both on the same test rows."
        )
    relabelled = [item for item, (label, _) in mine.items() if label != theirs[item][0]]
    if relabelled:
        raise CellError(
            f"{first.cell} and {other.cell} cannot be compared: {len(relabelled)} items, such as "
            f"{relabelled[0]}, have another label in the one than in the other; evaluate both on "
            "the same test rows."
        )
    return [(correct, theirs[item][1]) for item, (_, correct) in mine.items()]


def _by_item(result: Result) -> dict[str, tuple[int, bool]]:
    judgements = result.judgements
    columns = (judgements[name].tolist() for name in ("item", "label", "correct"))
    return {item: (label, correct) for item, label, correct in zip(*columns, strict=True)}
