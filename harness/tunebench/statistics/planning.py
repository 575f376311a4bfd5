"""How many test texts a question takes."""

from __future__ import annotations

from math import ceil, floor, log2, sqrt
from statistics import NormalDist

# Nobody labels more; "never" is the better word then.
_MOST_TEXTS = 10_000_000


def texts_needed(
    only_first: float, only_other: float, *, power: float = 0.8, level: float = 0.05
) -> int | None:
    """How many test texts it takes to see an uplift by McNemar's test, two-sided.

    With z(a) for the standard normal quantile, s for the sum of the two shares and d for their
    difference: n = (z(1 - level / 2) * sqrt(s) + z(power) * sqrt(s - d * d))² / d². The formula
    is the asymptotic test's and takes the shares as known; of a small pilot they are not, and
    neither is what comes out. It is never below what the mid-p test needs if all texts that tell
    the two apart speak for the same one.

    Args:
        only_first: the share of texts that only the first gets right, between 0 and 1.
        only_other: the share of texts that only the other gets right, between 0 and 1.
        power: the probability to see the uplift, above the level and below 1.
        level: the test's level, between 0 and 1, both excluded.

    Returns:
        A number of texts; None where the two shares are equal, as no number shows a difference
        that is not there, or where it would take more than 10 million.

    Raises:
        ValueError: the shares are none, add up to more than 1, or power or level are out of
            range.

    Source:
        R. J. Connor, Sample size for testing differences in proportions for the paired-sample
        design, Biometrics 43 (1987), 207-211.
    """
    # The sum of two shares of one n may pass 1 by a rounding.
    if not (only_first >= 0 and only_other >= 0 and only_first + only_other <= 1 + 1e-9):
        raise ValueError(
            f"{only_first} and {only_other} are no shares of the same texts; each is 0 or more, "
            "and together they are at most 1"
        )
    if not 0 < level < 1 or not level < power < 1:
        raise ValueError(
            f"a power of {power} at a level of {level} cannot be planned for; the level lies "
            "between 0 and 1, and the power between the level and 1"
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
    # All m speaking for one have the mid-p value 2 ** -m.
    return max(ceil(texts), ceil(-log2(level)))


def texts_to_settle(correct: int, n: int, threshold: float, confidence: float = 0.95) -> int | None:
    """How many texts in all would tell the accuracy from a threshold, if it stayed as it is.

    Wilson's interval of an accuracy p of N texts excludes a threshold t if and only if
    N > z² * t * (1 - t) / (p - t)², with the standard normal quantile z of the confidence.

    Args:
        correct: how many of `n` were right.
        n: how many were asked, 1 or more.
        threshold: the accuracy to tell it from, between 0 and 1.
        confidence: the interval's coverage, between 0 and 1, both excluded.

    Returns:
        The smallest number of texts in all at which Wilson's interval leaves the threshold out;
        at most `n` where it does so already. None where accuracy and threshold are equal, or
        where it would take more than 10 million.

    Raises:
        ValueError: `correct` of `n` is no proportion, or threshold or confidence are out of
            range.

    Source:
        E. B. Wilson, Probable inference, the law of succession, and statistical inference,
        Journal of the American Statistical Association 22 (1927), 209-212.
    """
    if n < 1 or not 0 <= correct <= n:
        raise ValueError(f"{correct} of {n} is no proportion")
    if not 0 <= threshold <= 1:
        raise ValueError(f"a threshold of {threshold} is no accuracy between 0 and 1")
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence of {confidence} is no coverage between 0 and 1")
    difference = correct / n - threshold
    if difference == 0:
        return None
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    # One factor at a time: the square of a tiny difference would be 0.
    bound = (z / difference) * (threshold * (1 - threshold)) * (z / difference)
    return floor(bound) + 1 if bound < _MOST_TEXTS else None
