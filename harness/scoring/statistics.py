"""How sure a cell's accuracy is, and the difference of two."""

from __future__ import annotations

from collections import Counter
from math import comb, exp, lgamma, log, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def wilson_interval(correct: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval for a proportion.

    Args:
        correct: how many of `n` were right.
        n: how many were asked, 1 or more.
        confidence: the interval's coverage, between 0 and 1.

    Returns:
        Lower and upper end, between 0 and 1.

    Raises:
        ValueError: `n` is below 1, or `correct` is not between 0 and `n`.

    Source:
        E. B. Wilson, Probable inference, the law of succession, and statistical inference,
        Journal of the American Statistical Association 22 (1927), 209-212.
    """
    if n < 1 or not 0 <= correct <= n:
        raise ValueError(f"{correct} of {n} is no proportion")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    p = correct / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # At 0 and n one end is 0 or 1 but for rounding.
    low = 0.0 if correct == 0 else centre - half
    high = 1.0 if correct == n else centre + half
    return low, high


def majority_rate(labels: Iterable[int]) -> float:
    """The accuracy of always answering the most frequent label.

    Args:
        labels: label ids, at least one.

    Returns:
        Between 0 and 1.

    Raises:
        ValueError: there are no labels.
    """
    counts = Counter(labels)
    if not counts:
        raise ValueError("there are no labels")
    return max(counts.values()) / counts.total()


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
        return 1 - point / 2
    below, term = 0.0, point
    for k in range(fewer, 0, -1):
        term *= k / (n - k + 1)
        below += term
        if term < below * 1e-17:
            break
    return min(1.0, 2 * below + point)


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
    import numpy as np

    n = len(first_correct)
    if n < 1 or n != len(second_correct):
        raise ValueError(f"{n} and {len(second_correct)} answers are no pairs")
    first, second = np.asarray(first_correct, bool), np.asarray(second_correct, bool)
    gained, lost = int((first & ~second).sum()), int((second & ~first).sum())
    shares = [gained / n, lost / n, (n - gained - lost) / n]
    drawn = np.random.Generator(np.random.PCG64(seed)).multinomial(n, shares, size=rounds)
    low, high = np.quantile(drawn[:, 0] - drawn[:, 1], [(1 - level) / 2, (1 + level) / 2]) / n
    return float(low), float(high)
