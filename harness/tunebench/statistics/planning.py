"""Sample sizes: how many test texts a question needs."""

from __future__ import annotations

from math import ceil, floor, log2, sqrt
from statistics import NormalDist

# More than anyone labels.
_MOST_TEXTS = 10_000_000


def texts_needed(
    only_first: float, only_other: float, *, power: float = 0.8, level: float = 0.05
) -> int | None:
    """The number of test texts that McNemar's test, two-sided, needs to detect an uplift.

    The shares are those of the texts that only one of the two answers right. It is None if they are
    equal, so that there is nothing to detect, or if it would be more than 10 million.

    With z(a) for the standard normal quantile, s for the sum of the two shares and d for their
    difference: n = (z(1 - level / 2) * sqrt(s) + z(power) * sqrt(s - d * d))² / d². The formula is
    that of the asymptotic test and takes the shares as known; from a small pilot they are rough,
    and so is the result. It is never below the number that the mid-p test needs if all texts on
    which the two differ favour the same one.

    Raises:
        ValueError: the shares are not shares of the same texts, or power or level are out of range.

    Source:
        R. J. Connor, Sample size for testing differences in proportions for the paired-sample
        design, Biometrics 43 (1987), 207-211.
    """
    # The sum of two shares may exceed 1 by rounding.
    if not (only_first >= 0 and only_other >= 0 and only_first + only_other <= 1 + 1e-9):
        raise ValueError(
            f"shares of the same texts must be 0 or more and at most 1 together, not {only_first} "
            f"and {only_other}"
        )
    if not 0 < level < 1 or not level < power < 1:
        raise ValueError(
            "the level must be between 0 and 1, and the power between the level and 1, not "
            f"{level} and {power}"
        )
    differing, difference = only_first + only_other, only_first - only_other
    if difference == 0:
        return None
    normal = NormalDist()
    spread = sqrt(max(0.0, differing - difference * difference))
    reach = normal.inv_cdf(1 - level / 2) * sqrt(differing) + normal.inv_cdf(power) * spread
    texts = (reach / difference) * (reach / difference)
    if texts > _MOST_TEXTS:
        return None
    # If all m texts favour one, the mid-p value is 2 ** -m.
    return max(ceil(texts), ceil(-log2(level)))


def detectable_difference(
    differing: float, n: int, *, power: float = 0.8, level: float = 0.05
) -> float | None:
    """The smallest uplift that McNemar's test, two-sided, detects on so many texts.

    It is the inverse of `texts_needed`, for a given share of texts on which the two differ, which
    is at least as large as the uplift.

    Args:
        differing: share of texts that only one of the two answers right, between 0 and 1.
        n: number of texts, 1 or more.
        power: probability of detecting the uplift, above the level and below 1.
        level: level of the test, between 0 and 1, both excluded.

    Returns:
        An uplift between 0 and 1; None if so few texts detect none.

    Raises:
        ValueError: `differing` is not a share, or `n` is below 1.
    """
    if not 0 <= differing <= 1 or n < 1:
        raise ValueError(f"{differing} must be a share of texts, and {n} at least 1")

    def is_detected(uplift: float) -> bool:
        apart = max(differing, uplift)
        needed = texts_needed((apart + uplift) / 2, (apart - uplift) / 2, power=power, level=level)
        return needed is not None and needed <= n

    if not is_detected(1.0):
        return None
    low, high = 0.0, 1.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (low, middle) if is_detected(middle) else (middle, high)
    return high


def texts_to_settle(correct: int, n: int, threshold: float, confidence: float = 0.95) -> int | None:
    """The number of test texts at which Wilson's interval would exclude a threshold.

    It is at most `n` if the interval excludes it already, and None if accuracy and threshold are
    equal, or if it would be more than 10 million.

    The accuracy is taken to stay the same. Wilson's interval of an accuracy p of N texts excludes a
    threshold t if and only if N > z² * t * (1 - t) / (p - t)², with the standard normal quantile z
    of the confidence.

    Raises:
        ValueError: `correct` of `n` is not a proportion, or threshold or confidence are out of
            range.

    Source:
        E. B. Wilson, Probable inference, the law of succession, and statistical inference,
        Journal of the American Statistical Association 22 (1927), 209-212.
    """
    if n < 1 or not 0 <= correct <= n:
        raise ValueError(f"{correct} of {n} is not a proportion")
    if not 0 <= threshold <= 1:
        raise ValueError(f"the threshold must be between 0 and 1, not {threshold}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, not {confidence}")
    difference = correct / n - threshold
    if difference == 0:
        return None
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    # One factor at a time: the square of a tiny difference would be 0.
    bound = (z / difference) * (threshold * (1 - threshold)) * (z / difference)
    return floor(bound) + 1 if bound < _MOST_TEXTS else None
