import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from statsmodels.genmod.families import Binomial, links
from statsmodels.genmod.generalized_linear_model import GLM

from tunebench.statistics.power_law import fit_power_law


def glm(sizes, wrong, n):
    """log a and b of statsmodels' binomial model with a log link."""
    design = np.column_stack([np.ones(len(sizes)), -np.log(sizes)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        counts = np.column_stack([wrong, np.subtract(n, wrong)])
        return GLM(counts, design, family=Binomial(links.Log())).fit(maxiter=500, tol=1e-14).params


@pytest.mark.parametrize(
    ("sizes", "wrong", "n"),
    [
        ([300, 500, 1000, 2000], [30, 22, 17, 10], [100] * 4),
        ([100, 300, 900], [40, 31, 12], [100] * 3),
        ([10, 100, 1000, 10_000], [440, 300, 190, 160], [1000] * 4),
        ([300, 500, 2000], [20, 21, 19], [100, 50, 200]),
        ([300, 300, 600, 1200], [30, 24, 11, 9], [100] * 4),
        ([50, 100, 200], [12, 20, 30], [100] * 3),
    ],
)
def test_the_fit_is_that_of_statsmodels(sizes, wrong, n):
    log_a, b = fit_power_law(sizes, np.array([wrong], float), n)
    assert (log_a[0], b[0]) == pytest.approx(glm(sizes, wrong, n), rel=1e-5, abs=1e-5)


def test_counts_on_a_curve_give_that_curve():
    sizes, n = [100, 400, 1600, 6400], [10_000] * 4
    wrong = np.array([[4_000.0, 2_000, 1_000, 500], [3_000.0, 3_000, 3_000, 3_000]])
    log_a, b = fit_power_law(sizes, wrong, n)
    assert np.exp(log_a) == pytest.approx([4, 0.3], rel=1e-6)
    assert b == pytest.approx([0.5, 0], abs=1e-7)


@st.composite
def counted(draw):
    sizes = draw(st.lists(st.integers(1, 10**6), min_size=2, max_size=6))
    assume(len(set(sizes)) > 1)
    n = [draw(st.sampled_from([1, 7, 100, 2000])) for _ in sizes]
    wrong = [draw(st.integers(0, m) | st.sampled_from([0, m])) for m in n]
    return sizes, wrong, n


@given(case=counted())
@settings(max_examples=50)
def test_no_other_curve_is_likelier(case):
    sizes, wrong, n = case
    # With the trace, without which not every sample has a best curve.
    x, trace = np.log(sizes), 1e-6
    wrong, right = np.array(wrong) + trace, np.subtract(n, wrong) + trace

    def loss(parameters):
        log_error = parameters[0] + parameters[1] * (x - x.mean())
        if log_error.max() >= 0:
            return np.inf
        return -(wrong * log_error + right * np.log(-np.expm1(log_error))).sum()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (log_a,), (b,) = fit_power_law(sizes, wrong[None] - trace, n)
    ours = np.array([log_a - b * x.mean(), -b])
    # The likelihood is concave, so a best point among its neighbours is the best of all.
    found = minimize(loss, ours, method="Nelder-Mead", options={"maxiter": 300})
    assert loss(ours) == pytest.approx(found.fun, rel=1e-6, abs=1e-6)


def test_samples_do_not_touch_each_other():
    sizes, n = [300, 500, 2000], [100, 100, 100]
    wrong = np.array([[30.0, 20, 10], [0, 0, 0], [100, 100, 100], [10, 0, 0], [0, 0, 10]])
    together = np.array(fit_power_law(sizes, wrong, n))
    alone = np.hstack([fit_power_law(sizes, row[None], n) for row in wrong])
    assert together == pytest.approx(alone, rel=1e-6, abs=1e-9)
