"""Confidence intervals of an accuracy whose texts come in groups."""

from __future__ import annotations

from collections import Counter
from statistics import NormalDist
from typing import TYPE_CHECKING

from tunebench.statistics.intervals import score_interval, wilson_interval
from tunebench.statistics.student import student_quantile

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence


def clustered_interval(
    correct: Sequence[bool], groups: Sequence[Hashable] | None, confidence: float = 0.95
) -> tuple[float, float]:
    """Wilson's interval with the effective number of texts, see `effective_texts`.

    Where each text is a group of its own, or there are no groups, it is `wilson_interval`.

    Args:
        correct: for each text whether its answer was right; one or more.
        groups: for each text its group; None where each text is on its own.
        confidence: coverage of the interval, between 0 and 1, both excluded.

    Returns:
        Lower and upper end, between 0 and 1.

    Raises:
        ValueError: there are no texts, or not as many groups as texts, or `confidence` is out of
            range.

    Source:
        C. Franco, R. J. A. Little, T. A. Louis, E. V. Slud, Comparative study of confidence
        intervals for proportions in complex sample surveys, Journal of Survey Statistics and
        Methodology 7 (2019), 334-364.
    """
    if groups is None or len(set(groups)) == len(groups) == len(correct):
        return wilson_interval(sum(correct), len(correct), confidence)
    n = effective_texts(correct, groups, confidence)
    return score_interval(sum(correct) / len(correct), n, confidence)


def effective_texts(
    correct: Sequence[bool], groups: Sequence[Hashable], confidence: float = 0.95
) -> float:
    """How many texts of their own say as much as texts that come in groups.

    It is n / deff * (t(n - 1) / t(k - 1))² for n texts in k groups, with Student's quantiles of
    the confidence. With y for 1 (right) or 0, the design effect is deff = sum over groups of
    (sum of y - c)² / sum over texts of (y - c)², and 1 at least. c is the centre of Wilson's
    interval of the accuracy with k for the number of texts. So where all answers are right, or
    none, the groups count as if each had one text, as far as they are of one size.

    Args:
        correct: for each text whether its answer was right; one or more.
        groups: for each text its group.
        confidence: coverage of the interval that it is for, between 0 and 1, both excluded.

    Returns:
        Between 1 and the number of texts; 1 where all texts are of one group.

    Raises:
        ValueError: there are no texts, or not as many groups as texts, or `confidence` is out of
            range.

    Source:
        E. L. Korn, B. I. Graubard, Confidence intervals for proportions with small expected number
        of positive counts estimated from survey data, Survey Methodology 24 (1998), 193-201.
    """
    n, k = len(correct), len(set(groups))
    if not n or len(groups) != n:
        raise ValueError(f"{len(groups)} groups of {n} texts: there must be one for each, and one")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, not {confidence}")
    if k == 1:
        return 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    centre = (sum(correct) / n * k + z * z / 2) / (k + z * z)
    residuals = [right - centre for right in correct]
    sums: Counter[Hashable] = Counter()
    for group, residual in zip(groups, residuals, strict=True):
        sums[group] += residual  # type: ignore[assignment]  # a Counter adds up floats, too
    squares = sum(residual * residual for residual in residuals)
    effect = max(1.0, sum(total * total for total in sums.values()) / squares)
    reach = 0.5 + confidence / 2
    fewer = (student_quantile(reach, n - 1) / student_quantile(reach, k - 1)) ** 2
    return max(1.0, n / effect * fewer)
