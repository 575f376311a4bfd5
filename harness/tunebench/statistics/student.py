"""Student's t distribution, without SciPy, which a replay does not need otherwise."""

from __future__ import annotations

from functools import lru_cache
from math import erfc, exp, inf, isinf, lgamma, log, log1p, pi, sqrt
from statistics import NormalDist

_MANY = 1e7  # degrees of freedom from which on the normal distribution is the same


def student_p(t: float, degrees: float) -> float:
    """The two-sided p-value of a t statistic.

    Args:
        t: the statistic; it may be infinite.
        degrees: degrees of freedom, above 0, not necessarily a whole number.

    Returns:
        The probability of a statistic at least as far from 0, between 0 and 1.

    Raises:
        ValueError: the degrees of freedom are not above 0.

    Source:
        M. Abramowitz, I. A. Stegun, Handbook of mathematical functions (1964), 26.7.1 and 26.5.8.
    """
    if not degrees > 0:
        raise ValueError(f"degrees of freedom must be above 0, not {degrees}")
    if isinf(t):
        return 0.0
    if degrees >= _MANY:
        return erfc(abs(t) / sqrt(2))
    # The larger of the two shares is computed from the smaller: it keeps its digits.
    x, y = degrees / (degrees + t * t), t * t / (degrees + t * t)
    return _incomplete_beta(degrees / 2, 0.5, x, y)


@lru_cache(maxsize=256)
def student_quantile(probability: float, degrees: float) -> float:
    """The quantile of Student's t distribution.

    Args:
        probability: above 0.5 and below 1.
        degrees: degrees of freedom, above 0.

    Returns:
        The value that a t statistic stays below with that probability.

    Raises:
        ValueError: a number is out of range.
    """
    if not 0.5 < probability < 1:
        raise ValueError(f"the probability must be between 0.5 and 1, not {probability}")
    if degrees >= _MANY:
        return NormalDist().inv_cdf(probability)
    outside = 2 * (1 - probability)
    # The p-value is convex where t is above 0, so Newton's steps from below never pass the root.
    t, height = NormalDist().inv_cdf(probability), _log_height(degrees)
    for _ in range(200):
        density = exp(height - (degrees + 1) / 2 * log1p(t * t / degrees))
        step = (student_p(t, degrees) - outside) / (2 * density) if density else inf
        t += step
        if not step > t * 1e-13:
            break
    return t


def _log_height(degrees: float) -> float:
    """The logarithm of the density at 0."""
    return lgamma((degrees + 1) / 2) - lgamma(degrees / 2) - log(degrees * pi) / 2


def _incomplete_beta(a: float, b: float, x: float, y: float) -> float:
    """The regularised incomplete beta function at `x`, with `y` = 1 - x."""
    if x <= 0:
        return 0.0
    if y <= 0:
        return 1.0
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * _log(x, y) + b * _log(y, x))
    if x < (a + 1) / (a + b + 2):
        return front * _continued_fraction(a, b, x) / a
    return 1 - front * _continued_fraction(b, a, y) / b


def _log(x: float, y: float) -> float:
    return log(x) if x < 0.5 else log1p(-y)


def _continued_fraction(a: float, b: float, x: float) -> float:
    """By Lentz' method."""
    tiny = 1e-300
    c, d = 1.0, 1 - (a + b) * x / (a + 1)
    d = 1 / (d or tiny)
    found = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for step in (even, odd):
            d = 1 / ((1 + step * d) or tiny)
            c = (1 + step / c) or tiny
            found *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return found
