"""How the error falls with the training size: error = a * size ** -b."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# A part of a text wrong and right at each size. It moves no estimate one can see, and where all
# answers at a size are right, or wrong, the likelihood has its best point because of it.
_TRACE = 1e-6
_STEPS = 200
_HALVINGS = 40


def fit_power_law(sizes: Sequence[int], wrong: Floats, n: Sequence[int]) -> tuple[Floats, Floats]:
    """Fit error = a * size ** -b to many samples of the same sizes at once, by likelihood.

    The counts of wrong answers are binomial, so theirs is the likelihood to maximise: a line
    through log errors would have no place for a size without errors, and would have to guess how
    much the small counts weigh. The likelihood of a log link is concave, so Newton's method finds
    its one top; each step is cut so that no error reaches 1, and halved where it would go down.

    Args:
        sizes: the training sizes, 1 or more each, two different ones or more.
        wrong: for each sample (row) and size (column), how many answers were wrong.
        n: for each size, how many were asked.

    Returns:
        log a and b, of each sample.

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
    # Rows are samples: level and slope of the log error, from a flat start.
    level = np.log(wrong.sum(axis=1) / (wrong + right).sum(axis=1))
    slope = np.zeros_like(level)
    for _ in range(_STEPS):
        up, across = _newton_step(x, wrong, right, level[:, None] + slope[:, None] * x)
        scale = _allowed(x, wrong, right, (level, slope), (up, across))
        level, slope = level + scale * up, slope + scale * across
        if np.all(np.abs(up) + np.abs(across) < 1e-10):
            break
    return level - slope * centre, -slope


def _newton_step(
    x: Floats, wrong: Floats, right: Floats, log_error: Floats
) -> tuple[Floats, Floats]:
    """Newton's step of level and slope."""
    import numpy as np

    odds = np.exp(log_error) / -np.expm1(log_error)
    pull, curve = wrong - right * odds, right * odds * (1 + odds)
    weight = curve.sum(axis=1)
    # About the weighted middle the two parts of the step do not mix, and nothing cancels.
    middle = (curve * x).sum(axis=1) / weight
    about = x - middle[:, None]
    across: Floats = (pull * about).sum(axis=1) / (curve * about * about).sum(axis=1)
    up: Floats = pull.sum(axis=1) / weight - across * middle
    return up, across


def _allowed(
    x: Floats,
    wrong: Floats,
    right: Floats,
    at: tuple[Floats, Floats],
    step: tuple[Floats, Floats],
) -> Floats:
    """The share of the step that each sample may go."""
    import numpy as np

    here = at[0][:, None] + at[1][:, None] * x
    moved = step[0][:, None] + step[1][:, None] * x
    # Nine tenths of the way to an error of 1, a log error of 0, are the most.
    reach = np.where(moved > 0, -0.9 * here / np.where(moved > 0, moved, 1.0), np.inf)
    scale: Floats = np.minimum(1.0, reach.min(axis=1))
    best = _likelihood(wrong, right, here)
    for _ in range(_HALVINGS):
        # Beside the top the steps are smaller than the likelihood's last digits.
        worse = _likelihood(wrong, right, here + scale[:, None] * moved) < best - 1e-9 * np.abs(
            best
        )
        if not worse.any():
            break
        scale = np.where(worse, scale / 2, scale)
    return scale


def _likelihood(wrong: Floats, right: Floats, log_error: Floats) -> Floats:
    import numpy as np

    terms: Floats = wrong * log_error + right * np.log(-np.expm1(log_error))
    return np.asarray(terms.sum(axis=1))
