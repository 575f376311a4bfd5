"""How sure a cell's accuracy is."""

from __future__ import annotations

from collections import Counter
from math import sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


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
