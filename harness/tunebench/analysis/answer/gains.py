"""What one option gains over another on the same texts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from tunebench.statistics import (
    Difference,
    detectable_difference,
    mcnemar_mid_p,
    paired_bootstrap,
    run_bootstrap,
    run_difference,
    texts_needed,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunebench.analysis.answer.options import Tried

_SEED = 0


@dataclass(frozen=True, eq=False)
class Gain:
    """The accuracy of one option minus that of another, the means over their runs.

    One run of each, without groups, are compared by McNemar's mid-p test and the paired bootstrap.
    Several runs or groups take the t test and the bootstrap of `tunebench.statistics.repeated`, and
    so does a margin above 0, which McNemar's test does not know.

    Attributes:
        first: the option.
        over: the other.
        groups: the group of each text, or None.
        margin: the gain that counts as none.
    """

    first: Tried
    over: Tried
    groups: Sequence[int] | None = None
    margin: float = 0.0

    @property
    def is_plain(self) -> bool:
        """Whether McNemar's test applies: one run of each, and no groups."""
        return self.first.runs == self.over.runs == 1 and self.groups is None

    @property
    def is_mcnemar(self) -> bool:
        """Whether `p` is of McNemar's test."""
        return self.is_plain and not self.margin

    @property
    def n(self) -> int:
        """How many texts there are."""
        return int(self.first.correct.shape[1])

    @cached_property
    def counts(self) -> tuple[int, int]:
        """How many texts only the first gets right, and only the other, in the first run."""
        mine, theirs = self.first.correct[0], self.over.correct[0]
        return int((mine & ~theirs).sum()), int((theirs & ~mine).sum())

    @cached_property
    def spread(self) -> Difference:
        """The difference with its standard error."""
        return run_difference(self.first.correct, self.over.correct, groups=self.groups)

    @cached_property
    def difference(self) -> float:
        """The first accuracy minus the other."""
        if self.is_plain:
            gained, lost = self.counts
            return (gained - lost) / self.n
        return self.spread.mean

    @cached_property
    def p(self) -> float:
        """The two-sided p-value of the difference being the margin."""
        return mcnemar_mid_p(*self.counts) if self.is_mcnemar else self.spread.p(self.margin)

    @property
    def above(self) -> float:
        """The one-sided p-value of the first not being above the other by the margin."""
        return self.p / 2 if self.difference > self.margin else 1 - self.p / 2

    @property
    def below(self) -> float:
        """The one-sided p-value of the first not being below the other plus the margin."""
        return self.p / 2 if self.difference < self.margin else 1 - self.p / 2

    @cached_property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the difference."""
        if self.is_plain:
            # The same texts once more, in an order in which equal comparisons are equal.
            (gained, lost), n = self.counts, self.n
            mine = [True] * gained + [False] * (n - gained)
            theirs = [False] * gained + [True] * lost + [False] * (n - gained - lost)
            return paired_bootstrap(mine, theirs, seed=_SEED)
        correct = self.first.correct, self.over.correct
        return run_bootstrap(*correct, self.spread, groups=self.groups, seed=_SEED)

    @cached_property
    def differing(self) -> int:
        """How many texts tell the two apart."""
        mine, theirs = self.first.correct.mean(0), self.over.correct.mean(0)
        return int((mine != theirs).sum())

    def detectable(self, level: float) -> float | None:
        """The smallest difference that these texts show, at that level, with a power of 0.8."""
        if self.is_mcnemar:
            return detectable_difference(sum(self.counts) / self.n, self.n, level=level)
        return self.spread.detectable(level=level)

    def texts_needed(self, level: float) -> int | None:
        """How many texts would show, at that level, that the difference is not the margin."""
        if self.is_mcnemar:
            gained, lost = self.counts
            return texts_needed(gained / self.n, lost / self.n, level=level)
        return self.spread.texts_needed(self.margin, level=level)
