"""Paired comparison of two sets of answers to the same texts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from tunebench.statistics import (
    mcnemar_exact,
    mcnemar_mid_p,
    paired_bootstrap,
    run_bootstrap,
    run_difference,
    texts_needed,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tunebench.statistics import Difference


# A fall counts where chance alone would show one as large less often than this.
LEVEL = 0.05


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Which of the same texts two sets of answers got right.

    Attributes:
        n: how many texts.
        both: how many both got right.
        gained: the items that only the first got right.
        lost: the items that only the other got right.
        seed: of the bootstrap.
        grouped: of texts that come in groups, for each text whether the first and the other got it
            right, and its group; otherwise empty.
    """

    n: int
    both: int
    gained: tuple[str, ...]
    lost: tuple[str, ...]
    seed: int = 0
    grouped: tuple[tuple[bool, bool, int], ...] = ()

    @classmethod
    def paired(
        cls,
        first: Mapping[str, bool],
        second: Mapping[str, bool],
        /,
        groups: Mapping[str, int] | None = None,
        **more: Any,
    ) -> Self:
        """Compare two sets of answers, given as whether each item was answered right.

        Args:
            first: by item.
            second: by item; items that only it has do not count.
            groups: the group of each item, where the texts come in groups.
            more: further attributes.
        """
        pairs = [(item, right, second[item]) for item, right in first.items()]
        return cls(
            n=len(pairs),
            both=sum(right and second_right for _, right, second_right in pairs),
            gained=tuple(item for item, right, second_right in pairs if right and not second_right),
            lost=tuple(item for item, right, second_right in pairs if second_right and not right),
            grouped=tuple((right, its, groups[item]) for item, right, its in pairs)
            if groups
            else (),
            **more,
        )

    @property
    def only_first(self) -> int:
        """How many texts only the first got right."""
        return len(self.gained)

    @property
    def only_other(self) -> int:
        """How many texts only the other got right."""
        return len(self.lost)

    @property
    def difference(self) -> float:
        """The first accuracy minus the other, between -1 and 1."""
        return (self.only_first - self.only_other) / self.n

    @property
    def low(self) -> float:
        """The lower end of the difference's 95 % interval, a bootstrap over texts or groups."""
        return self._interval[0]

    @property
    def high(self) -> float:
        """Its upper end."""
        return self._interval[1]

    @cached_property
    def _interval(self) -> tuple[float, float]:
        if self.grouped:
            return run_bootstrap(*self._sides, self._spread, groups=self._groups, seed=self.seed)
        gained, lost = self.only_first, self.only_other
        return paired_bootstrap(
            [True] * gained + [False] * (self.n - gained),
            [False] * gained + [True] * lost + [False] * (self.n - gained - lost),
            seed=self.seed,
        )

    @property
    def _sides(self) -> tuple[list[list[bool]], list[list[bool]]]:
        first, other, _ = zip(*self.grouped, strict=True)
        return [list(first)], [list(other)]

    @property
    def _groups(self) -> list[int]:
        return [group for *_, group in self.grouped]

    @cached_property
    def _spread(self) -> Difference:
        return run_difference(*self._sides, groups=self._groups)

    @property
    def p(self) -> float:
        """The two-sided p-value: of McNemar's mid-p test, or of the t test over groups."""
        if self.grouped:
            return self._spread.p()
        return mcnemar_mid_p(self.only_first, self.only_other)

    @property
    def p_in_words(self) -> str:
        """The p-value with the name of its test."""
        return f"{'p over groups' if self.grouped else 'mid-p'} {self.p:.2g}"

    @property
    def exact_p(self) -> float | None:
        """The two-sided p-value of McNemar's exact test; None for texts in groups."""
        return None if self.grouped else mcnemar_exact(self.only_first, self.only_other)

    @property
    def texts_needed(self) -> int | None:
        """How many texts would show a difference like this; None where no number would.

        With a power of 0.8 at a level of 0.05, see `tunebench.statistics.texts_needed`.
        """
        if self.grouped:
            return self._spread.texts_needed()
        return texts_needed(self.only_first / self.n, self.only_other / self.n)
