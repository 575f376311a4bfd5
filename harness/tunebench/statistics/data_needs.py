"""The accuracy to expect from twice as much training data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunebench.statistics.power_law import fit_power_law

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Forecast:
    """The accuracy to expect at twice the largest training size.

    Attributes:
        a: the error of the curve error = a * size ** -b at one training row, which may be above 1;
            None if it is too large for a float.
        b: how fast the error falls: doubling the size multiplies it by 2 ** -b.
        slope_low: lower end of the interval of `b`.
        slope_high: upper end.
        next_size: twice the largest training size, in training rows.
        expected_accuracy: the accuracy on the curve at that size, between 0 and 1.
        low: lower end of its interval.
        high: upper end.
    """

    a: float | None
    b: float
    slope_low: float
    slope_high: float
    next_size: int
    expected_accuracy: float
    low: float
    high: float


@dataclass(frozen=True)
class NoForecast:
    """Why there is no forecast.

    Attributes:
        reason: a clause for a report, without a full stop.
    """

    reason: str


def forecast_doubling(
    sizes: Sequence[int],
    correct: Sequence[int],
    n: Sequence[int],
    *,
    seed: int,
    rounds: int = 2_000,
    confidence: float = 0.95,
) -> Forecast | NoForecast:
    """Fit a power law to the errors by training size, and extend it to twice the largest size.

    `sizes` are training rows, `correct` the right answers among `n` texts at each. There is no
    forecast with fewer than three different sizes, without a right answer, with errors at one size
    or none, or where the error does not clearly fall.

    The curve is fitted by binomial likelihood. The intervals are percentiles of a parametric
    bootstrap: each round draws the wrong answers at each size from the fitted curve and fits
    again. They are only as good as the power law. They include the variance of the test texts, but
    not that of training runs; and they treat the answers at different sizes as independent,
    although all sizes are tested on the same texts, which makes the interval of `b` too wide. A
    round with errors at one size only has no finite slope; it counts as a very steep one.

    Raises:
        ValueError: the three differ in length, a size is below 1, `correct` of `n` is not a
            proportion, or rounds or confidence are out of range.

    Source:
        B. Efron, R. J. Tibshirani, An introduction to the bootstrap (1993), section 6.5; for the
        curve see `fit_power_law`.
    """
    import numpy as np

    _check(sizes, correct, n, rounds, confidence)
    reason = _too_little(sizes, correct, n)
    if reason:
        return NoForecast(reason)
    wrong = np.subtract(n, correct).astype(float)[None]
    log_a, slope = (float(value[0]) for value in fit_power_law(sizes, wrong, n))
    errors = np.exp(log_a - slope * np.log(np.asarray(sizes, float)))
    drawn = np.random.Generator(np.random.PCG64(seed)).binomial(
        np.asarray(n), np.clip(errors, 0, 1), size=(rounds, len(sizes))
    )
    log_as, slopes = fit_power_law(sizes, drawn.astype(float), n)
    ends = [(1 - confidence) / 2, (1 + confidence) / 2]
    slope_low, slope_high = (float(end) for end in np.quantile(slopes, ends))
    reason = _not_falling(slope, slope_low, slope_high, confidence)
    if reason:
        return NoForecast(reason)
    next_size = 2 * max(sizes)
    with np.errstate(over="ignore"):
        a = float(np.exp(log_a))
        # A sample whose error rises can exceed 1 beyond the sizes that it was fitted to.
        accuracies = 1 - np.minimum(1.0, np.exp(log_as - slopes * np.log(next_size)))
    low, high = (float(end) for end in np.quantile(accuracies, ends))
    return Forecast(
        a=a if np.isfinite(a) else None,
        b=slope,
        slope_low=slope_low,
        slope_high=slope_high,
        next_size=next_size,
        expected_accuracy=float(1 - np.exp(log_a - slope * np.log(next_size))),
        low=low,
        high=high,
    )


def _too_little(sizes: Sequence[int], correct: Sequence[int], n: Sequence[int]) -> str | None:
    distinct = len(set(sizes))
    if distinct < 3:
        counted = "1 training size" if distinct == 1 else f"{distinct} training sizes"
        return f"too few points: {counted}; three or more are needed to fit a curve"
    if sum(correct) == sum(n):
        return "no answer was wrong at any training size, so there is no error that could fall"
    if sum(correct) == 0:
        return "no answer was right at any training size, so the error does not fall"
    erring = {size for size, right, asked in zip(sizes, correct, n, strict=True) if right < asked}
    if len(erring) == 1:
        return (
            f"all wrong answers are at the training size {erring.pop()}, but a curve needs errors "
            "at two or more"
        )
    return None


def _not_falling(slope: float, low: float, high: float, confidence: float) -> str | None:
    # If a few texts decide the fit, the interval need not include the slope itself.
    if min(slope, low) > 0:
        return None
    interval = (
        f"error = a * size ** -b has b = {slope:.3f}, {100 * confidence:g} % interval {low:.3f} "
        f"to {high:.3f}"
    )
    if max(slope, high) < 0:
        return f"the error rises with the training size: {interval}"
    return f"a gain from more training data cannot be told from noise: {interval}"


def _check(
    sizes: Sequence[int],
    correct: Sequence[int],
    n: Sequence[int],
    rounds: int,
    confidence: float,
) -> None:
    if not len(sizes) == len(correct) == len(n):
        raise ValueError(
            f"{len(sizes)} sizes, {len(correct)} counts of right answers and {len(n)} of texts: "
            "there must be equally many"
        )
    for size, right, asked in zip(sizes, correct, n, strict=True):
        if size < 1:
            raise ValueError(f"a training size must be 1 or more, not {size}")
        if asked < 1 or not 0 <= right <= asked:
            raise ValueError(f"{right} of {asked} is not a proportion")
    if rounds < 1 or not 0 < confidence < 1:
        raise ValueError(
            f"rounds must be 1 or more, and confidence between 0 and 1, not {rounds} and "
            f"{confidence}"
        )
