"""Paired comparison of two cells on the same texts: tests, and the interval of the difference."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from math import comb, exp, lgamma, log
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def mcnemar_mid_p(only_first: int, only_second: int) -> float:
    """McNemar's mid-p test of two cells on the same texts, two-sided.

    It takes the numbers of texts that only one of them answered right, and is 1 if there are none.

    Raises:
        ValueError: a count is below 0.

    Source:
        M. W. Fagerland, S. Lydersen, P. Laake, The McNemar test for binary matched-pairs data:
        mid-p and asymptotic are better than exact conditional, BMC Medical Research Methodology
        13 (2013), 91.
    """
    return _two_sided(only_first, only_second, of_the_point=0.5)


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """McNemar's exact test of two cells on the same texts, two-sided.

    It takes the numbers of texts that only one of them answered right, and is 1 if there are none.

    Its error rate never exceeds the level; that of the mid-p test is closer to the level.

    Raises:
        ValueError: a count is below 0.

    Source:
        Q. McNemar, Note on the sampling error of the difference between correlated proportions
        or percentages, Psychometrika 12 (1947), 153-157; by the binomial distribution as in
        A. Agresti, Categorical data analysis, 3rd edition (2013), section 11.1.
    """
    return _two_sided(only_first, only_second, of_the_point=1.0)


def _two_sided(only_first: int, only_second: int, *, of_the_point: float) -> float:
    """Twice the smaller tail of a fair coin; its end counts with the weight `of_the_point`."""
    fewer, n = min(only_first, only_second), only_first + only_second
    if fewer < 0:
        raise ValueError(f"counts must be 0 or more, not {only_first} and {only_second}")
    if n == 0:
        return 1.0
    # Whole numbers give the same digits on every machine; logarithms where they are too slow.
    if n <= 10_000:
        point = comb(n, fewer) / (1 << n)
    else:
        point = exp(lgamma(n + 1) - lgamma(fewer + 1) - lgamma(n - fewer + 1) - n * log(2))
    if only_first == only_second:
        # The two tails cover everything, and share the point.
        return 1 - (1 - of_the_point) * point
    below, term = 0.0, point
    for k in range(fewer, 0, -1):
        term *= k / (n - k + 1)
        below += term
        if term < below * 1e-17:
            break
    return min(1.0, 2 * (below + of_the_point * point))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction of the p-values of several tests, which controls the family-wise error.

    The adjusted p-values are in the same order, each at least its own p-value and at most 1.

    Raises:
        ValueError: a p-value is not between 0 and 1.

    Source:
        S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of
        Statistics 6 (1979), 65-70.
    """
    for position, p in enumerate(p_values):
        if not 0 <= p <= 1:
            raise ValueError(
                f"a p-value must be between 0 and 1; {p} at position {position} is not"
            )
    adjusted, largest = [0.0] * len(p_values), 0.0
    ascending = sorted(range(len(p_values)), key=lambda position: p_values[position])
    for done, position in enumerate(ascending):
        largest = max(largest, min(1.0, (len(p_values) - done) * p_values[position]))
        adjusted[position] = largest
    return adjusted


def paired_bootstrap(
    first_correct: Sequence[bool],
    second_correct: Sequence[bool],
    *,
    seed: int,
    rounds: int = 10_000,
    level: float = 0.95,
) -> tuple[float, float]:
    """The paired bootstrap's percentile interval of the difference of two accuracies.

    Each round draws as many texts as there are, with replacement, each with both answers. The
    difference depends only on three counts: texts that only the first answered right, only the
    second, and all others. So each round draws these counts.

    Raises:
        ValueError: there are no texts, or the two differ in length.

    Source:
        B. Efron, R. J. Tibshirani, An introduction to the bootstrap (1993), chapter 13.
    """
    n = len(first_correct)
    if n < 1 or n != len(second_correct):
        raise ValueError(
            f"{n} and {len(second_correct)} answers must be equally many, and at least one"
        )
    pairs = Counter(zip(map(bool, first_correct), map(bool, second_correct), strict=True))
    return _interval(n, pairs[True, False], pairs[False, True], seed, rounds, level)


# Cells under two decision rules often have the same counts.
@lru_cache(maxsize=256)
def _interval(
    n: int, gained: int, lost: int, seed: int, rounds: int, level: float
) -> tuple[float, float]:
    import numpy as np

    shares = [gained / n, lost / n, (n - gained - lost) / n]
    drawn = np.random.Generator(np.random.PCG64(seed)).multinomial(n, shares, size=rounds)
    low, high = np.quantile(drawn[:, 0] - drawn[:, 1], [(1 - level) / 2, (1 + level) / 2]) / n
    return float(low), float(high)
