from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from tunebench.statistics import clopper_pearson, majority_rate, wilson_interval

proportions = st.integers(1, 5_000).flatmap(
    lambda n: st.tuples(st.integers(0, n) | st.sampled_from([0, n]), st.just(n))
)


@given(proportion=proportions, confidence=st.floats(0.5, 0.999))
def test_the_interval_is_that_of_statsmodels(
    proportion: tuple[int, int], confidence: float
) -> None:
    expected = proportion_confint(*proportion, alpha=1 - confidence, method="wilson")
    assert wilson_interval(*proportion, confidence) == pytest.approx(expected, abs=1e-9)


@given(proportion=proportions)
def test_the_interval_lies_around_the_accuracy_and_within_0_and_1(
    proportion: tuple[int, int],
) -> None:
    correct, n = proportion
    low, high = wilson_interval(correct, n)
    assert 0 <= low <= correct / n <= high <= 1
    assert (low == 0) == (correct == 0)
    assert (high == 1) == (correct == n)


@given(proportion=proportions)
def test_right_and_wrong_mirror_each_other(proportion: tuple[int, int]) -> None:
    correct, n = proportion
    low, high = wilson_interval(correct, n)
    assert wilson_interval(n - correct, n) == pytest.approx((1 - high, 1 - low), abs=1e-12)


def test_95_percent_is_the_default() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), 857-872, table I, method 3.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


@pytest.mark.parametrize(("correct", "n"), [(0, 0), (1, 0), (-1, 5), (6, 5), (0, -1)])
def test_what_is_no_proportion_is_refused(correct: int, n: int) -> None:
    with pytest.raises(ValueError, match=f"{correct} of {n} is not a proportion"):
        wilson_interval(correct, n)


@given(labels=st.lists(st.integers(0, 4), min_size=1))
def test_the_majority_rate_is_the_share_of_the_most_frequent_label(labels: list[int]) -> None:
    (_, most), *_ = Counter(labels).most_common()
    assert majority_rate(iter(labels)) == most / len(labels)


def test_of_the_articles_test_slice_it_is_56_percent() -> None:
    assert majority_rate([0] * 56 + [1] * 44) == 0.56


def test_no_labels_have_no_majority() -> None:
    with pytest.raises(ValueError, match="there are no labels"):
        majority_rate([])


def beta_quantiles(correct: int, n: int, confidence: float) -> tuple[float, float]:
    outside = (1 - confidence) / 2
    low = stats.beta.ppf(outside, correct, n - correct + 1) if correct else 0.0
    high = stats.beta.isf(outside, correct + 1, n - correct) if correct < n else 1.0
    return low, high


@given(proportion=proportions, confidence=st.floats(0.01, 0.9999))
@example(proportion=(0, 1), confidence=0.95)
@example(proportion=(1, 1), confidence=0.95)
@example(proportion=(1, 2), confidence=0.01)
def test_the_exact_interval_is_that_of_the_beta_distribution(
    proportion: tuple[int, int], confidence: float
) -> None:
    expected = beta_quantiles(*proportion, confidence)
    assert clopper_pearson(*proportion, confidence) == pytest.approx(expected, rel=0, abs=1e-10)


@pytest.mark.parametrize("correct", [0, 1, 2, 300, 49_999, 50_000, 77_777, 99_999, 100_000])
def test_the_exact_interval_of_many_texts(correct: int) -> None:
    expected = beta_quantiles(correct, 100_000, 0.95)
    assert clopper_pearson(correct, 100_000) == pytest.approx(expected, rel=0, abs=1e-10)
    expected = proportion_confint(correct, 100_000, method="beta")
    assert clopper_pearson(correct, 100_000) == pytest.approx(expected, rel=0, abs=1e-10)


@given(proportion=proportions)
def test_the_exact_interval_lies_around_the_accuracy(proportion: tuple[int, int]) -> None:
    correct, n = proportion
    low, high = clopper_pearson(correct, n)
    assert 0 <= low <= correct / n <= high <= 1
    assert (low == 0) == (correct == 0)
    assert (high == 1) == (correct == n)
    assert clopper_pearson(n - correct, n) == pytest.approx((1 - high, 1 - low), abs=1e-12)


def test_the_exact_interval_of_the_literature() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), 857-872, table I, method 5.
    assert clopper_pearson(81, 263) == pytest.approx((0.2527, 0.3676), abs=5e-5)
    assert clopper_pearson(0, 20) == pytest.approx((0.0, 0.1684), abs=5e-5)


@pytest.mark.parametrize(("correct", "n"), [(0, 0), (1, 0), (-1, 5), (6, 5), (0, -1)])
def test_what_is_no_proportion_has_no_exact_interval(correct: int, n: int) -> None:
    with pytest.raises(ValueError, match=f"{correct} of {n} is not a proportion"):
        clopper_pearson(correct, n)


@pytest.mark.parametrize("confidence", [0, 1, 95, -0.5, float("nan")])
def test_what_is_no_coverage_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match="confidence must be between 0 and 1"):
        clopper_pearson(1, 2, confidence)
