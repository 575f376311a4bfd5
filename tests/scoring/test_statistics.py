from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from harness.scoring import majority_rate, wilson_interval

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
    with pytest.raises(ValueError, match=f"{correct} of {n} is no proportion"):
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
