"""Intervals of accuracies whose texts come in groups."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from tunebench.statistics import clustered_interval, effective_texts, wilson_interval

texts = st.lists(st.tuples(st.booleans(), st.integers(0, 12)), min_size=1, max_size=80)


def split(pairs: list[tuple[bool, int]]) -> tuple[list[bool], list[int]]:
    return [right for right, _ in pairs], [group for _, group in pairs]


@given(st.lists(st.booleans(), min_size=1, max_size=80))
def test_texts_on_their_own_have_wilsons_interval(correct: list[bool]) -> None:
    wilson = wilson_interval(sum(correct), len(correct))
    assert clustered_interval(correct, None) == wilson
    assert clustered_interval(correct, range(len(correct))) == wilson


@given(texts)
def test_it_is_what_numpy_and_scipy_make_of_the_formula(pairs: list[tuple[bool, int]]) -> None:
    correct, groups = split(pairs)
    n, k = len(correct), len(set(groups))
    y, z = np.array(correct, float), stats.norm.ppf(0.975)
    centre = (y.mean() * k + z * z / 2) / (k + z * z)
    sums = [(y - centre)[np.array(groups) == group].sum() for group in set(groups)]
    expected = 1.0
    if k > 1:
        effect = max(1, np.square(sums).sum() / np.square(y - centre).sum())
        expected = max(1, n / effect * (stats.t.ppf(0.975, n - 1) / stats.t.ppf(0.975, k - 1)) ** 2)
    assert effective_texts(correct, groups) == pytest.approx(expected, rel=1e-6)


@given(texts)
def test_it_holds_the_accuracy_and_is_never_narrower_than_without_groups(pairs) -> None:
    correct, groups = split(pairs)
    low, high = clustered_interval(correct, groups)
    wilson = wilson_interval(sum(correct), len(correct))
    assert 0 <= low <= sum(correct) / len(correct) <= high <= 1
    assert high - low >= wilson[1] - wilson[0] - 1e-12


@given(texts, st.randoms())
def test_neither_order_nor_the_names_of_groups_matter(pairs, shuffle) -> None:
    mixed = [*pairs]
    shuffle.shuffle(mixed)
    correct, groups = split(mixed)
    renamed = [f"group {group}" for group in groups]
    assert clustered_interval(correct, renamed) == pytest.approx(clustered_interval(*split(pairs)))


@given(texts)
def test_swapping_right_and_wrong_mirrors_it(pairs) -> None:
    correct, groups = split(pairs)
    low, high = clustered_interval(correct, groups)
    wrong = [not right for right in correct]
    assert clustered_interval(wrong, groups) == pytest.approx((1 - high, 1 - low), abs=1e-12)


@pytest.mark.parametrize("right", [True, False])
def test_where_all_answers_are_alike_a_group_counts_as_one_text(right: bool) -> None:
    groups = [i // 5 for i in range(200)]
    fewer = (stats.t.ppf(0.975, 199) / stats.t.ppf(0.975, 39)) ** 2
    assert effective_texts([right] * 200, groups) == pytest.approx(40 * fewer)
    low, high = clustered_interval([right] * 200, groups)
    assert (high if right else low) == (1.0 if right else 0.0)


def test_one_group_says_as_much_as_one_text() -> None:
    assert effective_texts([True, False, True], [0, 0, 0]) == 1
    low, high = clustered_interval([True] * 9 + [False], [0] * 10)
    expected = proportion_confint(0.9, 1, method="wilson")
    assert (low, high) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("correct", "groups", "confidence"),
    [([], [], 0.95), ([True], [0, 1], 0.95), ([True, False], [0, 1], 1.0)],
)
def test_what_is_no_sample_is_refused(correct, groups, confidence: float) -> None:
    with pytest.raises(ValueError):
        effective_texts(correct, groups, confidence)


def test_its_coverage_is_near_95_percent_where_wilsons_is_not() -> None:
    draw = np.random.default_rng(12)
    held = wilsons = 0
    rounds, accuracy, alike = 300, 0.7, 0.3
    spread = (1 - alike) / alike
    for _ in range(rounds):
        rates = draw.beta(accuracy * spread, (1 - accuracy) * spread, size=40)
        groups = np.repeat(np.arange(40), 5)
        correct = (draw.random(200) < rates[groups]).tolist()
        low, high = clustered_interval(correct, groups.tolist())
        held += low <= accuracy <= high
        low, high = wilson_interval(sum(correct), 200)
        wilsons += low <= accuracy <= high
    error = math.sqrt(0.05 * 0.95 / rounds)
    assert held / rounds >= 0.95 - 3 * error
    assert wilsons / rounds < 0.85
