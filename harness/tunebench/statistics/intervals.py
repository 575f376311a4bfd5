"""Confidence intervals of an accuracy, and the majority rate."""

from __future__ import annotations

from collections import Counter
from math import exp, lgamma, log, log1p, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def wilson_interval(correct: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval for a proportion.

    Raises:
        ValueError: `n` is below 1, or `correct` is not between 0 and `n`.

    Source:
        E. B. Wilson, Probable inference, the law of succession, and statistical inference,
        Journal of the American Statistical Association 22 (1927), 209-212.
    """
    if n < 1 or not 0 <= correct <= n:
        raise ValueError(f"{correct} of {n} is not a proportion")
    return score_interval(correct / n, n, confidence)


def score_interval(p: float, n: float, confidence: float) -> tuple[float, float]:
    """Wilson's interval for a proportion of `n`, which need not be a whole number."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # At 0 and n one end is 0 or 1, except for rounding.
    low = 0.0 if p == 0 else centre - half
    high = 1.0 if p == 1 else centre + half
    return low, high


def majority_rate(labels: Iterable[int]) -> float:
    """The majority rate: the accuracy of always answering the most frequent label.

    Raises:
        ValueError: there are no labels.
    """
    counts = Counter(labels)
    if not counts:
        raise ValueError("there are no labels")
    return max(counts.values()) / counts.total()


def clopper_pearson(correct: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's exact interval for a proportion.

    Its coverage is never below `confidence`, but it is wider than Wilson's. Each end is the
    proportion at which the binomial tail from `correct` outwards has the probability
    (1 - confidence) / 2.

    Raises:
        ValueError: `n` is below 1, `correct` is not between 0 and `n`, or `confidence` is out of
            range.

    Source:
        C. J. Clopper, E. S. Pearson, The use of confidence or fiducial limits illustrated in the
        case of the binomial, Biometrika 26 (1934), 404-413.
    """
    if n < 1 or not 0 <= correct <= n:
        raise ValueError(f"{correct} of {n} is not a proportion")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, not {confidence}")
    outside = (1 - confidence) / 2
    return _exact_low(correct, n, outside), 1 - _exact_low(n - correct, n, outside)


def _exact_low(correct: int, n: int, outside: float) -> float:
    """The proportion at which `correct` or more of `n` have the probability `outside`."""
    if correct == 0:
        return 0.0
    ways = lgamma(n + 1) - lgamma(correct + 1) - lgamma(n - correct + 1)
    # At correct / n the tail is at least one half, because `correct` is then the median.
    low, high = 0.0, correct / n
    while low < (middle := (low + high) / 2) < high:
        if _tail_from(correct, n, middle, ways) < outside:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _tail_from(correct: int, n: int, p: float, ways: float) -> float:
    """The probability of `correct` or more of `n`, for `p` of at most `correct / n`."""
    odds = p / (1 - p)
    term = total = exp(ways + correct * log(p) + (n - correct) * log1p(-p))
    # Above the mean the terms only fall, so the first negligible one ends the sum.
    for k in range(correct, n):
        term *= (n - k) / (k + 1) * odds
        total += term
        if term < total * 1e-17:
            break
    return total
