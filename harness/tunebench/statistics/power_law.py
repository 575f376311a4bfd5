"""The power law of the error by training size: error = a * size ** -b."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# Added to the counts of wrong and right answers at each size. It is too small to move an estimate,
# but without it the likelihood has no maximum if all answers at a size are right, or wrong.
_TRACE = 1e-6
# The log error of an error of 1, rounded down: sizes that hardly differ, and large counts, make a
# sum of level and slope that rounds to 0 or above.
_HIGHEST = -1e-15
_STEPS = 200
_HALVINGS = 40


def fit_power_law(sizes: Sequence[int], wrong: Floats, n: Sequence[int]) -> tuple[Floats, Floats]:
    """Fit error = a * size ** -b to many samples of the same sizes at once, by maximum likelihood.

    The counts of wrong answers are binomial. A line through log errors could not use a size without
    errors, and would need weights for small counts. With a log link the likelihood is concave, so
    Newton's method finds its only maximum; each step is cut so that no error reaches 1, and halved
    while the likelihood would fall.

    Args:
        sizes: the training sizes (rows), 1 or more each, at least two different ones.
        wrong: the number of wrong answers, for each sample (row) and size (column).
        n: the number of answers at each size.

    Returns:
        The natural logarithm of a, and b, for each sample.

    Source:
        P. McCullagh, J. A. Nelder, Generalized linear models, 2nd edition (1989), chapters 2 and
        4; the power law as in C. Cortes, L. D. Jackel, S. A. Solla, V. Vapnik, J. S. Denker,
        Learning curves: asymptotic values and rate of convergence, NIPS 6 (1993), 327-334, with
        an asymptotic error of 0.
    """
    import numpy as np

    x = np.log(np.asarray(sizes, float))
    centre = x.mean()
    x = x - centre
    wrong = np.asarray(wrong, float) + _TRACE
    right = np.asarray(n, float) - wrong + 2 * _TRACE
    # Level and slope of the log error of each sample; the start is flat.
    level = np.log(wrong.sum(axis=1) / (wrong + right).sum(axis=1))
    slope = np.zeros_like(level)
    for _ in range(_STEPS):
        log_error = np.minimum(_HIGHEST, level[:, None] + slope[:, None] * x)
        up, across = _newton_step(x, wrong, right, log_error)
        moved = up[:, None] + across[:, None] * x
        scale = _allowed(wrong, right, log_error, moved)
        level, slope = level + scale * up, slope + scale * across
        if np.all(np.abs(up) + np.abs(across) < 1e-10):
            break
    return level - slope * centre, -slope


def _newton_step(
    x: Floats, wrong: Floats, right: Floats, log_error: Floats
) -> tuple[Floats, Floats]:
    """Newton's step for level and slope."""
    import numpy as np

    odds = np.exp(log_error) / -np.expm1(log_error)
    pull, curve = wrong - right * odds, right * odds * (1 + odds)
    weight = curve.sum(axis=1)
    # Around the weighted mean the two parts of the step are independent, and nothing cancels.
    middle = (curve * x).sum(axis=1) / weight
    about = x - middle[:, None]
    across: Floats = (pull * about).sum(axis=1) / (curve * about * about).sum(axis=1)
    up: Floats = pull.sum(axis=1) / weight - across * middle
    return up, across


def _allowed(wrong: Floats, right: Floats, here: Floats, moved: Floats) -> Floats:
    """The share of its step, from log errors `here` on, that each sample may take."""
    import numpy as np

    # At most nine tenths of the way to an error of 1, which is a log error of 0.
    reach = np.where(moved > 0, -0.9 * here / np.where(moved > 0, moved, 1.0), np.inf)
    scale: Floats = np.minimum(1.0, reach.min(axis=1))
    best = _likelihood(wrong, right, here)
    for _ in range(_HALVINGS):
        # Near the maximum the steps are smaller than the last digits of the likelihood.
        there = np.minimum(_HIGHEST, here + scale[:, None] * moved)
        worse = _likelihood(wrong, right, there) < best - 1e-9 * np.abs(best)
        if not worse.any():
            break
        scale = np.where(worse, scale / 2, scale)
    return scale


def _likelihood(wrong: Floats, right: Floats, log_error: Floats) -> Floats:
    import numpy as np

    terms: Floats = wrong * log_error + right * np.log(-np.expm1(log_error))
    return np.asarray(terms.sum(axis=1))
