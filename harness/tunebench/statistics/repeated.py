"""Comparisons that hold the luck of the texts and, with several runs, that of the training.

A run is one training of the same model on the same rows, with a seed of its own. Texts may come in
groups, such as several texts of one customer, which are alike: a group is drawn or left as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from tunebench.statistics.student import student_p, student_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_TEXTS = 10_000_000  # more than anyone labels
_ROUNDS = 2_000


@dataclass(frozen=True)
class Difference:
    """A difference of two accuracies on the same texts, each the mean over one run or more.

    Attributes:
        mean: the first accuracy minus the second.
        text_variance: of `mean`, from the choice of the texts, over whole groups.
        run_variance: of `mean`, from the luck of the trainings.
        degrees: Welch and Satterthwaite's degrees of freedom; 0 where there is one unit only.
        texts: how many texts there are.
        units: how many groups they come in, or else texts.
        differing: how many units tell the two apart.
    """

    mean: float
    text_variance: float
    run_variance: float
    degrees: float
    texts: int
    units: int
    differing: int

    @property
    def error(self) -> float:
        """The standard error of `mean`."""
        return sqrt(self.text_variance + self.run_variance)

    def p(self, margin: float = 0.0) -> float:
        """The two-sided p-value of the t test that the true difference is `margin`.

        Very few units that tell the two apart do not show a standard error. So it is never below
        the mid-p value of a sign test in which all of them agree; or, for a difference that is
        nearer to 0 than the margin is, below the chance that no unit at all tells the two apart
        where a share as large as the margin does.
        """
        if not self.degrees or (not self.error and self.mean == margin):
            return 1.0
        t = (self.mean - margin) / self.error if self.error else inf
        least = 2.0**-self.differing
        if (margin > 0 and self.mean < margin) or (margin < 0 and self.mean > margin):
            least = min(least, (1 - abs(margin)) ** self.units)
        return max(student_p(t, self.degrees), least)

    def quantile(self, level: float = 0.95) -> float:
        """So many standard errors reach from `mean` to the ends of the interval."""
        return student_quantile((1 + level) / 2, self.degrees) if self.degrees else inf

    def detectable(self, *, level: float, power: float = 0.8) -> float | None:
        """The smallest true difference that a test at that level detects with that power.

        None where it would be above 1.
        """
        if not self.degrees:
            return None
        found = (self.quantile(1 - level) + NormalDist().inv_cdf(power)) * self.error
        return found if found <= 1 else None

    def texts_needed(
        self, margin: float = 0.0, *, level: float = 0.05, power: float = 0.8
    ) -> int | None:
        """The number of texts at which the test would tell the difference from `margin`.

        Difference and variances are taken to stay the same. None where no number of texts would:
        the two are equal, or the runs differ too much.
        """
        z = NormalDist()
        reach = z.inv_cdf(1 - level / 2) + z.inv_cdf(power)
        effect = self.mean - margin
        left = effect * effect - reach * reach * self.run_variance
        if left <= 0:
            return None
        texts = reach * reach * self.text_variance * self.texts / left
        return int(texts) + 1 if texts < _MOST_TEXTS else None


def run_difference(
    first: Any, second: Any = None, *, groups: Sequence[int] | None = None
) -> Difference:
    """The difference of two accuracies with its standard error over texts and runs.

    With d for the difference of the two mean scores of a text, the variance from the texts is that
    of the mean of d, cluster-robust: G / (G - 1) times the sum over groups of the squared sums of
    d's deviations, divided by n². The variance from the runs is s² / R for each of the two, with s
    the standard deviation of the accuracies of its R runs, 0 for one run. What text and run make
    together is in both, which errs on the safe side.

    Args:
        first: an array of runs by texts: whether each answer was right. One run or more.
        second: the same of the other; None for 0, so that the difference is an accuracy.
        groups: for each text the number of its group; each text is a group if left out.

    Source:
        B. L. Welch, The generalization of Student's problem when several different population
        variances are involved, Biometrika 34 (1947), 28-35; K.-Y. Liang, S. L. Zeger, Longitudinal
        data analysis using generalized linear models, Biometrika 73 (1986), 13-22.
    """
    import numpy as np

    runs = [np.asarray(one, float) for one in (first, second) if one is not None]
    d = runs[0].mean(0) - (runs[1].mean(0) if len(runs) > 1 else 0)
    mean, n = float(d.mean()), d.size
    deviations, apart = d - mean, np.abs(d)
    if groups is not None:
        numbers = np.unique(groups, return_inverse=True)[1]
        deviations, apart = (np.bincount(numbers, one) for one in (deviations, apart))
    units, differing = deviations.size, int(np.count_nonzero(apart))
    if units < 2:
        return Difference(mean, 0.0, 0.0, 0.0, n, units, differing)
    parts = [(float(units / (units - 1) * (deviations**2).sum() / n**2), units - 1)]
    parts += [
        (float(one.mean(1).var(ddof=1)) / len(one), len(one) - 1) for one in runs if len(one) > 1
    ]
    total = sum(variance for variance, _ in parts)
    spread = sum(variance * variance / degrees for variance, degrees in parts)
    degrees = total * total / spread if spread > 0 else float(units - 1)
    return Difference(mean, parts[0][0], total - parts[0][0], degrees, n, units, differing)


def run_bootstrap(
    first: Any,
    second: Any,
    difference: Difference,
    *,
    groups: Sequence[int] | None = None,
    seed: int,
    rounds: int = _ROUNDS,
    level: float = 0.95,
) -> tuple[float, float]:
    """The bootstrap interval of a difference of two accuracies, over texts and runs.

    Each round draws as many texts (whole groups, where there are groups) as there are, with
    replacement, each with its answers of all runs; and from the runs of each side as many as there
    are. With R runs the deviation of the drawn runs' mean from that of all is stretched by
    sqrt(R / (R - 1)), because R drawn from R vary too little. The percentiles are then stretched
    from the difference outwards, by the ratio of Student's quantile at the difference's degrees of
    freedom to the normal quantile, as few runs or groups show their own spread only roughly.

    Args:
        first: an array of runs by texts: whether each answer was right.
        second: the same of the other.
        difference: of the two, by `run_difference` with the same groups.
        groups: for each text the number of its group.
        seed: seed of the bootstrap, 0 or more; equal seeds give equal intervals.
        rounds: number of bootstrap samples.
        level: coverage of the interval, between 0 and 1.

    Returns:
        Lower and upper end, between -1 and 1; these two where there is one unit only.

    Source:
        A. C. Davison, D. V. Hinkley, Bootstrap methods and their application (1997), sections 2.4
        and 3.8.
    """
    import numpy as np

    if not difference.degrees:
        return -1.0, 1.0
    sides = [np.asarray(first, float), np.asarray(second, float)]
    per_text = np.concatenate([np.ones((1, sides[0].shape[1])), *sides])
    if groups is not None:
        numbers = np.unique(groups, return_inverse=True)[1]
        per_text = np.stack([np.bincount(numbers, row) for row in per_text])
    # Units of the same size with the same answers count alike: drawn are the counts of each kind.
    kinds, counts = _kinds(per_text)
    draw = np.random.Generator(np.random.PCG64(seed))
    drawn = draw.multinomial(counts.sum(), counts / counts.sum(), size=rounds) @ kinds.T
    accuracies = drawn[:, 1:] / drawn[:, :1]
    means, start = [], 0
    for side in sides:
        runs = len(side)
        own = accuracies[:, start : start + runs]
        mean = own.mean(1)
        if runs > 1:
            chosen = np.take_along_axis(own, draw.integers(runs, size=own.shape), 1).mean(1)
            mean = mean + sqrt(runs / (runs - 1)) * (chosen - mean)
        means.append(mean)
        start += runs
    ends = np.quantile(means[0] - means[1], [(1 - level) / 2, (1 + level) / 2])
    stretch = difference.quantile(level) / NormalDist().inv_cdf((1 + level) / 2)
    low, high = difference.mean + stretch * (ends - difference.mean)
    return max(-1.0, float(low)), min(1.0, float(high))


def run_interval(
    runs: Any, *, groups: Sequence[int] | None = None, level: float = 0.95
) -> tuple[float, float]:
    """Wilson's interval of an accuracy, the mean over one run or more, over texts and runs.

    It is Wilson's interval for as many independent texts as give the standard error of
    `run_difference`, at most as many as there are, with Student's quantile in place of the normal
    one. For one run without groups it is Wilson's own.

    Args:
        runs: an array of runs by texts: whether each answer was right.
        groups: for each text the number of its group.
        level: coverage of the interval, between 0 and 1.

    Source:
        E. L. Korn, B. I. Graubard, Confidence intervals for proportions with small expected number
        of positive counts estimated from survey data, Survey Methodology 24 (1998), 193-201.
    """
    import numpy as np

    n = np.shape(runs)[1]
    found = run_difference(runs, groups=groups)
    p, variance = found.mean, found.error**2
    plain = len(runs) == 1 and groups is None
    z = NormalDist().inv_cdf((1 + level) / 2) if plain else found.quantile(level)
    if z == inf:
        return 0.0, 1.0
    units = n if groups is None else len(set(groups))
    texts = float(n) if plain else min(n, p * (1 - p) / variance) if variance > 0 else float(units)
    centre = (p + z * z / (2 * texts)) / (1 + z * z / texts)
    half = z * sqrt(p * (1 - p) / texts + z * z / (4 * texts * texts)) / (1 + z * z / texts)
    return (0.0 if p == 0 else max(0.0, centre - half)), (
        1.0 if p == 1 else min(1.0, centre + half)
    )


def _kinds(columns: Any) -> tuple[Any, Any]:
    """The different columns, and how often each is there."""
    import numpy as np

    order = np.lexsort(columns)
    ordered = columns[:, order]
    new = np.flatnonzero(np.r_[True, (ordered[:, 1:] != ordered[:, :-1]).any(0)])
    return ordered[:, new], np.diff(np.r_[new, ordered.shape[1]])
