import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from tunebench.statistics import student_p, student_quantile

degrees = st.floats(0.3, 1e6)


@given(t=st.floats(0, 50), degrees=degrees)
@example(t=0.0, degrees=3.0)
@example(t=1e-9, degrees=0.5)
@example(t=12.7, degrees=1.0)
def test_p_is_scipys(t: float, degrees: float) -> None:
    assert student_p(t, degrees) == pytest.approx(2 * stats.t.sf(t, degrees), rel=1e-7, abs=1e-300)
    assert student_p(-t, degrees) == student_p(t, degrees)


@given(probability=st.floats(0.6, 0.99999), degrees=degrees)
def test_the_quantile_is_scipys(probability: float, degrees: float) -> None:
    expected = stats.t.ppf(probability, degrees)
    assert student_quantile(probability, degrees) == pytest.approx(expected, rel=1e-6)


def test_many_degrees_of_freedom_are_the_normal_distribution() -> None:
    assert student_p(1.96, 1e9) == pytest.approx(2 * stats.norm.sf(1.96))
    assert student_quantile(0.975, math.inf) == pytest.approx(stats.norm.ppf(0.975))
    assert student_p(math.inf, 3) == 0


@pytest.mark.parametrize("degrees", [0.0, -1.0, math.nan])
def test_degrees_of_freedom_out_of_range_are_refused(degrees: float) -> None:
    with pytest.raises(ValueError, match="degrees of freedom must be above 0"):
        student_p(1.0, degrees)


@pytest.mark.parametrize("probability", [0.5, 1.0])
def test_a_probability_out_of_range_is_refused(probability: float) -> None:
    with pytest.raises(ValueError, match=r"between 0\.5 and 1"):
        student_quantile(probability, 3)
