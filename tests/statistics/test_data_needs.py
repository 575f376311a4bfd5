import math
import warnings
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import curve_fit

from tunebench.statistics import Forecast, NoForecast, forecast_doubling
from tunebench.statistics.power_law import fit_power_law

SIZES, RIGHT, ASKED = [300, 500, 1000, 2000], [70, 78, 83, 90], [100] * 4


def test_the_fitted_curve_is_followed_to_the_next_doubling():
    forecast = forecast_doubling(SIZES, RIGHT, ASKED, seed=0)
    wrong = np.array([[30.0, 22, 17, 10]])
    (log_a,), (b,) = fit_power_law(SIZES, wrong, ASKED)
    assert isinstance(forecast, Forecast)
    assert forecast.next_size == 4000
    assert (np.log(forecast.a), forecast.b) == pytest.approx((log_a, b))
    expected = 1 - np.exp(log_a - b * np.log(4000))
    assert forecast.expected_accuracy == pytest.approx(expected)
    assert forecast.low < forecast.expected_accuracy < forecast.high
    assert forecast.slope_low < forecast.b < forecast.slope_high


def test_of_many_texts_the_curve_is_that_of_scipys_least_squares():
    sizes, n = [100, 200, 400, 800, 1600], [10**6] * 5
    wrong = np.random.default_rng(0).binomial(10**6, 2.0 * np.array(sizes) ** -0.4)
    forecast = forecast_doubling(sizes, (10**6 - wrong).tolist(), n, seed=0, rounds=200)
    assert isinstance(forecast, Forecast)
    rates = wrong / 10**6
    spread = np.sqrt(rates * (1 - rates) / 10**6)
    (a, b), _ = curve_fit(lambda s, a, b: a * s**-b, sizes, rates, p0=(1, 0.1), sigma=spread)
    assert (forecast.a, forecast.b) == pytest.approx((a, b), rel=1e-3)
    assert forecast.expected_accuracy == pytest.approx(1 - a * 3200.0**-b, abs=1e-4)


def test_the_intervals_are_as_wide_as_large_sample_theory_has_them():
    sizes, n = [100, 200, 400, 800], [10_000] * 4
    wrong = [4000, 3000, 2200, 1650]
    forecast = forecast_doubling(sizes, [10_000 - w for w in wrong], n, seed=0, rounds=4_000)
    assert isinstance(forecast, Forecast)
    x, rates = np.log(sizes), forecast.a * np.array(sizes, float) ** -forecast.b
    weights = np.array(n) * rates / (1 - rates)
    design = np.column_stack([np.ones(4), -x])
    covariance = np.linalg.inv(design.T @ (weights[:, None] * design))
    half = 1.96 * np.sqrt(covariance[1, 1])
    assert (forecast.slope_high - forecast.slope_low) / 2 == pytest.approx(half, rel=0.05)
    ahead = np.array([1, -np.log(1600)])
    half = 1.96 * np.sqrt(ahead @ covariance @ ahead) * (1 - forecast.expected_accuracy)
    assert (forecast.high - forecast.low) / 2 == pytest.approx(half, rel=0.05)


def test_the_true_accuracy_lies_in_the_interval_as_often_as_it_says():
    sizes, n = np.array([250, 500, 1000, 2000]), [400] * 4
    drawn = np.random.default_rng(0).binomial(400, 6.0 * sizes**-0.5, size=(200, 4))
    found = [
        forecast_doubling(sizes.tolist(), (400 - wrong).tolist(), n, seed=0, rounds=300)
        for wrong in drawn
    ]
    assert all(isinstance(one, Forecast) for one in found)
    truth = 1 - 6.0 * 4000**-0.5
    assert 0.9 <= np.mean([one.low <= truth <= one.high for one in found]) <= 0.99


def test_equal_seeds_give_equal_intervals():
    first = forecast_doubling(SIZES, RIGHT, ASKED, seed=7)
    assert first == forecast_doubling(SIZES, RIGHT, ASKED, seed=7)
    assert first != forecast_doubling(SIZES, RIGHT, ASKED, seed=8)


def test_the_order_of_the_sizes_tells_nothing():
    forecast = forecast_doubling(SIZES, RIGHT, ASKED, seed=0)
    other = forecast_doubling(SIZES[::-1], RIGHT[::-1], ASKED, seed=0)
    assert (other.a, other.b) == pytest.approx((forecast.a, forecast.b), rel=1e-9)
    assert other.low == pytest.approx(forecast.low, abs=0.02)


@pytest.mark.parametrize(
    ("sizes", "counted"),
    [([], "0 training sizes"), ([300], "1 training size"), ([300, 500, 500], "2 training sizes")],
)
def test_fewer_than_three_sizes_are_too_few(sizes, counted):
    found = forecast_doubling(sizes, [50] * len(sizes), [100] * len(sizes), seed=0)
    reason = f"too few points: {counted}; three or more are needed to fit a curve"
    assert found == NoForecast(reason)


@pytest.mark.parametrize(
    ("correct", "reason"),
    [
        ([100, 100, 100], "no answer was wrong at any training size"),
        ([0, 0, 0], "no answer was right at any training size"),
        ([80, 100, 100], "all wrong answers are at the training size 300"),
        ([80, 79, 81], "a gain from more training data cannot be told from noise"),
        ([80, 80, 80], "a gain from more training data cannot be told from noise"),
        ([85, 70, 40], "the error rises with the training size"),
    ],
)
def test_where_the_error_does_not_fall_there_is_a_reason(correct, reason):
    found = forecast_doubling([300, 500, 2000], correct, [100] * 3, seed=0)
    assert isinstance(found, NoForecast)
    assert found.reason.startswith(reason)


def test_the_reason_names_the_slope_and_its_interval():
    found = forecast_doubling([300, 500, 2000], [80, 79, 81], [100] * 3, seed=0, confidence=0.9)
    assert isinstance(found, NoForecast)
    assert "b = 0.036, 90 % interval -0." in found.reason


@st.composite
def counted(draw):
    sizes = draw(st.lists(st.integers(1, 10**12), max_size=6))
    n = [draw(st.sampled_from([1, 5, 100, 10**5])) for _ in sizes]
    correct = [draw(st.integers(0, m) | st.sampled_from([0, m])) for m in n]
    return sizes, correct, n


@given(case=counted())
def test_whatever_was_counted_gives_a_forecast_or_a_reason(case):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = forecast_doubling(*case, seed=0, rounds=50)
    if isinstance(found, NoForecast):
        assert found.reason
        assert not found.reason.endswith(".")
        return
    assert found.next_size == 2 * max(case[0])
    assert 0 < found.slope_low <= found.slope_high
    assert 0 <= found.low <= found.high <= 1
    assert 0 <= found.expected_accuracy <= 1
    assert np.isfinite(found.b)
    # None where the level of so steep a power law is beyond every number.
    assert found.a is None or np.isfinite(found.a)


@pytest.mark.parametrize(
    ("arguments", "options", "sentence"),
    [
        (
            ([1, 2], [1], [1, 1]),
            {},
            "2 sizes, 1 counts of right answers and 2 of texts: there must be",
        ),
        (([0], [1], [1]), {}, "a training size must be 1 or more, not 0"),
        (([1], [2], [1]), {}, "2 of 1 is not a proportion"),
        (([1], [0], [0]), {}, "0 of 0 is not a proportion"),
        (
            ([], [], []),
            {"rounds": 0},
            "rounds must be 1 or more, and confidence between 0 and 1, not 0 and",
        ),
        (([], [], []), {"confidence": 1}, "and confidence between 0 and 1, not 2000 and 1"),
    ],
)
def test_wrong_arguments_are_an_error(arguments, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        forecast_doubling(*arguments, seed=0, **options)


@pytest.mark.filterwarnings("error")
@given(
    sizes=st.lists(st.sampled_from([1, 2, 1000, 10**6, 10**6 + 1, 10**6 + 2, 10**15]), min_size=3,
                   max_size=5),
    data=st.data(),
)  # fmt: skip
@settings(max_examples=100)
def test_a_forecast_holds_finite_numbers_or_none(sizes, data):
    n = data.draw(st.lists(st.sampled_from([1, 10, 10**7]), min_size=5, max_size=5))[: len(sizes)]
    right = [data.draw(st.sampled_from(sorted({0, asked // 2, asked - 1, asked}))) for asked in n]
    found = forecast_doubling(sizes, right, n, seed=0, rounds=50)
    if isinstance(found, Forecast):
        numbers = {name: value for name, value in asdict(found).items() if value is not None}
        assert all(map(math.isfinite, numbers.values()))
        assert numbers.keys() | {"a"} == asdict(found).keys()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("sizes", "n", "right"),
    [
        ([1000001, 1, 1000000], [10**7, 1, 10], [0, 1, 5]),
        ([1000001, 1000002, 1], [10, 10**7, 1], [9, 0, 1]),
        (
            [1000001, 10**6, 10**6, 1000, 1000002],
            [10, *[10**7] * 2, 10, 10**7],
            [5, 0, 10**6, 9, 0],
        ),
    ],
)
def test_errors_next_to_1_at_sizes_that_hardly_differ_divide_by_nothing(sizes, n, right):
    found = forecast_doubling(sizes, right, n, seed=0, rounds=50)
    assert isinstance(found, NoForecast)
    assert "error" in found.reason


def test_a_curve_too_steep_for_a_float_has_no_first_value():
    found = forecast_doubling([10**6, 10**6 + 1, 10**6 + 2], [0, 5, 9], [10] * 3, seed=0)
    assert isinstance(found, Forecast)
    assert found.a is None
    assert found.expected_accuracy == 1
