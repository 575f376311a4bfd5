"""Two cells on the same texts: tests of their difference, and its interval."""

from __future__ import annotations

from functools import lru_cache
from math import comb, exp, lgamma, log
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def mcnemar_mid_p(only_first: int, only_second: int) -> float:
    """McNemar's mid-p test of two answers to the same texts, two-sided.

    Args:
        only_first: how many texts only the first got right.
        only_second: how many texts only the second got right.

    Returns:
        The p-value of "both are right equally often", above 0 and at most 1 (0 where it is too
        small for a float); 1 where no text tells the two apart.

    Raises:
        ValueError: a count is below 0.

    Source:
        M. W. Fagerland, S. Lydersen, P. Laake, The McNemar test for binary matched-pairs data:
        mid-p and asymptotic are better than exact conditional, BMC Medical Research Methodology
        13 (2013), 91.
    """
    return _two_sided(only_first, only_second, of_the_point=0.5)


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """McNemar's exact test of two answers to the same texts, two-sided.

    It never errs more often than its level says; the mid-p test comes nearer to the level.

    Args:
        only_first: how many texts only the first got right.
        only_second: how many texts only the second got right.

    Returns:
        The p-value of "both are right equally often", above 0 and at most 1 (0 where it is too
        small for a float); 1 where no text tells the two apart.

    Raises:
        ValueError: a count is below 0.

    Source:
        Q. McNemar, Note on the sampling error of the difference between correlated proportions
        or percentages, Psychometrika 12 (1947), 153-157; by the binomial distribution as in
        A. Agresti, Categorical data analysis, 3rd edition (2013), section 11.1.
    """
    return _two_sided(only_first, only_second, of_the_point=1.0)


def _two_sided(only_first: int, only_second: int, *, of_the_point: float) -> float:
    """Twice the smaller tail of a fair coin, with a share of the probability of its end."""
    fewer, n = min(only_first, only_second), only_first + only_second
    if fewer < 0:
        raise ValueError(f"{only_first} and {only_second} are no counts")
    if n == 0:
        return 1.0
    # Whole numbers give the same digits on every machine. Where they take long, logarithms.
    if n <= 10_000:
        point = comb(n, fewer) / (1 << n)
    else:
        point = exp(lgamma(n + 1) - lgamma(fewer + 1) - lgamma(n - fewer + 1) - n * log(2))
    if only_first == only_second:
        # The two tails are all there is, and share the point.
        return 1 - (1 - of_the_point) * point
    below, term = 0.0, point
    for k in range(fewer, 0, -1):
        term *= k / (n - k + 1)
        below += term
        if term < below * 1e-17:
            break
    return min(1.0, 2 * (below + of_the_point * point))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust the p-values of several tests, so that any false finding is as rare as the level.

    Args:
        p_values: one a test, each between 0 and 1, in any order; there may be none.

    Returns:
        The adjusted p-values in the order given, each at least its own p-value and at most 1. A
        smaller p-value never gets a larger one than a greater p-value.

    Raises:
        ValueError: a p-value is not between 0 and 1.

    Source:
        S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of
        Statistics 6 (1979), 65-70.
    """
    for position, p in enumerate(p_values):
        if not 0 <= p <= 1:
            raise ValueError(f"{p} at position {position} is no p-value; one lies between 0 and 1")
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
    """A percentile interval of the difference of two accuracies on the same texts.

    Each round draws as many texts as there are, with replacement, and with a text both answers to
    it. The difference depends only on how often three outcomes were drawn: right by the first
    only, by the second only, by both or neither. So each round draws these three counts.

    Args:
        first_correct: for each text, whether the first was right; one or more.
        second_correct: the same of the second, in the same order of texts.
        seed: of the draw, 0 or more; equal seeds give equal intervals.
        rounds: how many samples are drawn, 1 or more.
        level: the interval's coverage, between 0 and 1.

    Returns:
        Lower and upper end of the first accuracy minus the second, between -1 and 1.

    Raises:
        ValueError: there are no texts, or not as many of the one as of the other.

    Source:
        B. Efron, R. J. Tibshirani, An introduction to the bootstrap (1993), chapter 13.
    """
    n = len(first_correct)
    if n < 1 or n != len(second_correct):
        raise ValueError(f"{n} and {len(second_correct)} answers are no pairs")
    pairs = [(bool(a), bool(b)) for a, b in zip(first_correct, second_correct, strict=True)]
    return _interval(n, pairs.count((True, False)), pairs.count((False, True)), seed, rounds, level)


# The two decision rules often give the same counts.
@lru_cache(maxsize=256)
def _interval(
    n: int, gained: int, lost: int, seed: int, rounds: int, level: float
) -> tuple[float, float]:
    import numpy as np

    shares = [gained / n, lost / n, (n - gained - lost) / n]
    drawn = np.random.Generator(np.random.PCG64(seed)).multinomial(n, shares, size=rounds)
    low, high = np.quantile(drawn[:, 0] - drawn[:, 1], [(1 - level) / 2, (1 + level) / 2]) / n
    return float(low), float(high)
