import math

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from scipy import optimize, stats

from tunebench.statistics import (
    detectable_difference,
    mcnemar_mid_p,
    texts_needed,
    texts_to_settle,
    wilson_interval,
)

shares = st.tuples(st.floats(0, 1), st.floats(0, 1)).filter(lambda pair: sum(pair) <= 1)


def seen(only_first, only_other, n, rounds=4_000):
    """How often the mid-p test sees the uplift in simulated test sets of n texts."""
    chances = [only_first, only_other, 1 - only_first - only_other]
    drawn = np.random.default_rng(0).multinomial(n, chances, size=rounds)
    pairs, times = np.unique(drawn[:, :2], axis=0, return_counts=True)
    below = [mcnemar_mid_p(*pair) <= 0.05 for pair in pairs.tolist()]
    return float(times[below].sum() / rounds)


@pytest.mark.parametrize(
    ("only_first", "only_other"),
    [(0.2, 0.1), (0.1, 0.2), (0.3, 0.2), (0.12, 0.02), (0.05, 0.03), (0.5, 0.3)],
)
def test_as_many_texts_as_needed_see_the_uplift_four_times_in_five(only_first, only_other):
    n = texts_needed(only_first, only_other)
    assert n is not None
    assert 0.76 <= seen(only_first, only_other, n) <= 0.84
    assert seen(only_first, only_other, n // 2) < 0.6


@pytest.mark.parametrize("only_first", [0.05, 0.1, 0.5, 0.9, 0.95, 1.0])
def test_where_all_differences_speak_for_one_they_see_it_too(only_first):
    n = texts_needed(only_first, 0.0)
    assert n is not None
    assert n >= 5
    assert seen(only_first, 0.0, n) >= 0.76


def test_it_is_connors_formula():
    z_level, z_power = stats.norm.ppf(0.975), stats.norm.ppf(0.8)
    n = ((z_level * math.sqrt(0.3) + z_power * math.sqrt(0.3 - 0.01)) / 0.1) ** 2
    assert texts_needed(0.2, 0.1) == math.ceil(n) == 234


@given(pair=shares)
def test_it_does_not_matter_which_is_first(pair):
    only_first, only_other = pair
    assert texts_needed(only_first, only_other) == texts_needed(only_other, only_first)
    if only_first == only_other:
        assert texts_needed(only_first, only_other) is None


@given(pair=shares, power=st.floats(0.1, 0.98))
def test_more_power_takes_no_fewer_texts(pair, power):
    assume(pair[0] != pair[1])
    never = math.inf
    n, n_of_more = (texts_needed(*pair, power=x) or never for x in (power, power + 0.01))
    assert n <= n_of_more
    assert (texts_needed(*pair) or never) <= (texts_needed(*pair, level=0.01) or never)


@pytest.mark.parametrize("pair", [(-0.1, 0.2), (0.2, math.nan), (0.6, 0.5), (1.5, 0)])
def test_what_are_no_shares_is_refused(pair):
    with pytest.raises(ValueError, match="shares of the same texts must be"):
        texts_needed(*pair)


@pytest.mark.parametrize(("power", "level"), [(1, 0.05), (0.05, 0.05), (0.8, 0), (0.8, math.nan)])
def test_power_and_level_out_of_range_are_refused(power, level):
    with pytest.raises(ValueError, match="the power between the level and 1"):
        texts_needed(0.2, 0.1, power=power, level=level)


proportions = st.integers(1, 3_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def interval(p, n, confidence):
    """Wilson's interval of a proportion that need not be a whole count of n."""
    z = stats.norm.ppf(0.5 + confidence / 2)
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return middle - half, middle + half


@given(
    proportion=proportions,
    threshold=st.floats(0.001, 0.999),
    confidence=st.sampled_from([0.5, 0.9, 0.95, 0.99]),
)
@example(proportion=(0, 1), threshold=0.5, confidence=0.95)
@example(proportion=(1, 1), threshold=0.5, confidence=0.95)
def test_with_so_many_texts_the_interval_leaves_the_threshold_out(
    proportion, threshold, confidence
):
    correct, n = proportion
    p, total = correct / n, texts_to_settle(*proportion, threshold, confidence)
    if total is None:
        low, high = interval(p, 10_000_000 * (1 - 1e-9), confidence)
        assert low <= threshold <= high
        return
    low, high = interval(p, total * (1 + 1e-9), confidence)
    assert not low <= threshold <= high
    if total > 1:
        low, high = interval(p, (total - 1) * (1 - 1e-9), confidence)
        assert low <= threshold <= high


@given(proportion=proportions, threshold=st.floats(0, 1))
def test_what_is_settled_takes_no_more_texts(proportion, threshold):
    correct, n = proportion
    low, high = wilson_interval(correct, n)
    assume(min(abs(threshold - low), abs(threshold - high)) > 1e-9)
    total = texts_to_settle(correct, n, threshold)
    assert (total is not None and total <= n) == (not low <= threshold <= high)


def test_an_accuracy_on_the_threshold_is_never_settled():
    assert texts_to_settle(55, 100, 0.55) is None
    assert texts_to_settle(3, 3, 1) is None
    assert texts_to_settle(0, 3, 0) is None


def test_beyond_ten_million_texts_it_is_never():
    # z² / 4 over the square of 0.00032, and of 0.0003.
    assert texts_to_settle(50_032, 100_000, 0.5) == 9_378_562
    assert texts_to_settle(50_030, 100_000, 0.5) is None
    assert texts_needed(0.2, 0.2 + 1e-4) is None
    assert texts_needed(0, 5e-324) is None


def test_thresholds_of_0_and_1_are_left_out_at_once():
    assert texts_to_settle(1, 2, 0) == texts_to_settle(1, 2, 1) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((1, 0, 0.5), "1 of 0 is not a proportion"),
        ((3, 2, 0.5), "3 of 2 is not a proportion"),
        ((1, 2, 1.1), "the threshold must be between 0 and 1, not 1.1"),
        ((1, 2, math.nan), "the threshold must be between 0 and 1, not nan"),
        ((1, 2, 0.5, 1), "confidence must be between 0 and 1, not 1"),
    ],
)
def test_what_cannot_be_settled_is_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        texts_to_settle(*arguments)


@given(differing=st.floats(0, 1), n=st.integers(10, 5_000), level=st.floats(0.001, 0.1))
def test_the_detectable_difference_is_the_smallest_that_needs_no_more_texts(
    differing: float, n: int, level: float
) -> None:
    found = detectable_difference(differing, n, level=level)
    if found is None:
        assert texts_needed(1.0, 0.0, level=level) > n
        return
    for difference, fits in ((found, True), (found * 0.999 - 1e-5, False)):
        if difference > 0:
            apart = max(differing, difference)
            shares = (apart + difference) / 2, (apart - difference) / 2
            needed = texts_needed(*shares, level=level)
            assert (needed is not None and needed <= n) is fits


def test_the_detectable_difference_solves_connors_equation() -> None:
    def lacking(d: float) -> float:
        z = stats.norm.ppf([0.975, 0.8])
        return float(d * 20 - z[0] * np.sqrt(0.2) - z[1] * np.sqrt(0.2 - d * d))

    expected = optimize.brentq(lacking, 0.01, 0.19)
    assert detectable_difference(0.2, 400) == pytest.approx(expected, rel=0.01)
    assert detectable_difference(0.2, 2) is None


@pytest.mark.parametrize(("differing", "n"), [(-0.1, 10), (1.1, 10), (0.5, 0)])
def test_no_share_and_no_texts_are_refused(differing: float, n: int) -> None:
    with pytest.raises(ValueError, match="must be a share"):
        detectable_difference(differing, n)
