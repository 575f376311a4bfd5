"""Would more training data help: what to expect of twice as much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunebench.statistics.power_law import fit_power_law

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Forecast:
    """What twice the largest training size can be expected to give.

    Attributes:
        a: of the curve error = a * size ** -b; what it gives a single training row, which may be
            above 1; None where no float is large enough.
        b: how fast the error falls; doubling the size multiplies it by 2 ** -b.
        slope_low: lower end of b's interval.
        slope_high: its upper end.
        next_size: twice the largest training size.
        expected_accuracy: of the curve at that size.
        low: lower end of the expected accuracy's interval.
        high: its upper end.
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
    """Why nothing can be expected of more training data.

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
    """Fit a power law to the errors by training size, and follow it to the next doubling.

    The curve is fitted by binomial likelihood. The intervals are percentiles of a parametric
    bootstrap: each round draws the wrong answers at each size from the fitted curve and fits
    again. They hold as far as the power law does. They know the luck of the test texts, not that
    of a training run; and they take the sizes' answers as independent, although all sizes are
    tested on the same texts, which makes b's interval rather too wide. A round whose errors are
    all of one size has no finite slope; it counts as a very steep one.

    Args:
        sizes: the training sizes, 1 or more each, in any order; one may come twice, as of two
            runs.
        correct: for each size, how many answers were right.
        n: for each size, how many texts were asked, 1 or more.
        seed: of the draw, 0 or more; equal seeds give equal intervals.
        rounds: how many samples are drawn, 1 or more.
        confidence: the intervals' coverage, between 0 and 1, both excluded.

    Returns:
        The forecast; or the reason why there is none: fewer than three different sizes, no
        right answer, errors at one size or none, or an error that does not fall beyond chance.

    Raises:
        ValueError: the three are not equally long, a size is below 1, `correct` of `n` is no
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
        # A sample whose error rises may pass 1 beyond the sizes it was fitted to.
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
        return "no answer was wrong at any training size, so there is no error left to fall"
    if sum(correct) == 0:
        return "no answer was right at any training size, so the error does not fall"
    erring = {size for size, right, asked in zip(sizes, correct, n, strict=True) if right < asked}
    if len(erring) == 1:
        return (
            f"all wrong answers are of the training size {erring.pop()}, so there is no curve to "
            "fit; it takes errors at two or more"
        )
    return None


def _not_falling(slope: float, low: float, high: float, confidence: float) -> str | None:
    # Where a handful of texts carry the fit, the interval need not hold the slope itself.
    if min(slope, low) > 0:
        return None
    interval = (
        f"error = a * size ** -b has b = {slope:.3f}, {100 * confidence:g} % interval {low:.3f} "
        f"to {high:.3f}"
    )
    if max(slope, high) < 0:
        return f"the error rises with the training size: {interval}"
    return f"no gain from more training data can be told from noise: {interval}"


def _check(
    sizes: Sequence[int],
    correct: Sequence[int],
    n: Sequence[int],
    rounds: int,
    confidence: float,
) -> None:
    if not len(sizes) == len(correct) == len(n):
        raise ValueError(
            f"{len(sizes)} sizes, {len(correct)} counts of right answers and {len(n)} of texts do "
            "not match"
        )
    for size, right, asked in zip(sizes, correct, n, strict=True):
        if size < 1:
            raise ValueError(f"a training size of {size} has no place on the curve; use 1 or more")
        if asked < 1 or not 0 <= right <= asked:
            raise ValueError(f"{right} of {asked} is no proportion")
    if rounds < 1 or not 0 < confidence < 1:
        raise ValueError(
            f"{rounds} rounds and a confidence of {confidence} give no interval; draw one or more, "
            "with a coverage between 0 and 1"
        )
