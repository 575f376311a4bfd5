import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from tunebench.statistics import content_free_biases, fitted_biases
from tunebench.statistics.label_biases import PENALTY


@st.composite
def answered(draw, least=1, n_labels=None, hidden=True):
    """Log-probabilities of some labels of some texts, and the texts' labels."""
    n_labels = n_labels or draw(st.integers(2, 5))
    ids = range(n_labels)
    values = st.floats(-30, 0)
    rows = st.dictionaries(st.sampled_from(ids), values) if hidden else st.fixed_dictionaries(
        dict.fromkeys(ids, values)
    )  # fmt: skip
    pairs = st.lists(st.tuples(rows, st.sampled_from(ids)), min_size=least, max_size=40)
    return *map(list, zip(*draw(pairs), strict=True)), n_labels


@given(seed=st.integers(0, 10**6), lean=st.floats(-6, 6), n=st.integers(20, 200))
def test_two_labels_get_the_intercept_of_scikit_learns_regression_at_its_slope(seed, lean, n):
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, n)
    assume(0 < labels.sum() < n)
    scores = random.normal(2 * labels - 1 + lean, 2)
    # The bias is a penalised feature of its own: b / 2 and -b / 2 cost half of what one of b does.
    # At the slope that it finds, whatever that is, no other bias is better.
    model = LogisticRegression(
        C=2 / PENALTY, fit_intercept=False, solver="newton-cholesky", tol=1e-12
    ).fit(np.column_stack([scores, np.ones(n)]), labels)
    slope, intercept = model.coef_[0]
    rows = [{0: -1.0, 1: slope * score - 1} for score in scores]
    first, second = fitted_biases(rows, labels.tolist(), 2)
    assert second - first == pytest.approx(intercept, abs=1e-8)
    assert second == pytest.approx(-first, abs=1e-12)


@given(case=answered())
def test_no_other_biases_make_the_labels_more_likely(case):
    rows, labels, n_labels = case
    biases = fitted_biases(rows, labels, n_labels)
    if biases is None:
        assert not any(label in row for row, label in zip(rows, labels, strict=True))
        return
    # What is maximised is strictly concave, so that its slope is 0 nowhere else.
    slope = -PENALTY * np.array(biases)
    for row, label in zip(rows, labels, strict=True):
        if label in row:
            ids = list(row)
            slope[ids] -= softmax([row[one] + biases[one] for one in ids])
            slope[label] += 1
    assert np.abs(slope).max() < 1e-6


@given(case=answered(), data=st.data())
def test_permuting_the_labels_permutes_the_biases(case, data):
    rows, labels, n_labels = case
    new = data.draw(st.permutations(range(n_labels)))
    biases = fitted_biases(rows, labels, n_labels)
    permuted = fitted_biases(
        [{new[one]: value for one, value in row.items()} for row in rows],
        [new[label] for label in labels],
        n_labels,
    )
    if biases is None:
        assert permuted is None
    else:
        assert [permuted[new[label]] for label in range(n_labels)] == pytest.approx(
            biases, abs=1e-6
        )


@given(case=answered(), data=st.data())
def test_a_constant_added_to_all_of_a_texts_log_probabilities_changes_nothing(case, data):
    rows, labels, n_labels = case
    constants = [data.draw(st.floats(-50, 50)) for _ in rows]
    shifted = [
        {label: value + constant for label, value in row.items()}
        for row, constant in zip(rows, constants, strict=True)
    ]
    before, after = fitted_biases(rows, labels, n_labels), fitted_biases(shifted, labels, n_labels)
    assert (before is None) == (after is None)
    if before is not None:
        assert after == pytest.approx(before, abs=1e-6)
    one, other = content_free_biases(rows, n_labels), content_free_biases(shifted, n_labels)
    assert (one is None) == (other is None)
    if one is not None:
        assert other == pytest.approx(one, abs=1e-6)


@given(case=answered())
def test_the_sum_of_the_biases_is_0(case):
    rows, labels, n_labels = case
    for biases in (fitted_biases(rows, labels, n_labels), content_free_biases(rows, n_labels)):
        assert biases is None or math.fsum(biases) == pytest.approx(0, abs=1e-9)


@given(case=answered(n_labels=4, hidden=False))
def test_a_label_that_no_text_shows_or_has_gets_no_bias(case):
    rows, labels, _ = case
    labels = [min(label, 2) for label in labels]
    rows = [{one: value for one, value in row.items() if one != 3} for row in rows]
    without = fitted_biases(rows, labels, 3)
    assert fitted_biases(rows, labels, 4) == pytest.approx([*without, 0], abs=1e-6)
    assert content_free_biases(rows, 4) == pytest.approx(
        [*content_free_biases(rows, 3), 0], abs=1e-9
    )


def test_a_label_that_no_text_has_is_made_unlikely_within_bounds():
    rows = [{0: -1.0, 1: -1.5, 2: -2.0}] * 50
    biases = fitted_biases(rows, [0, 1] * 25, 3)
    assert biases[2] < min(biases[:2])
    assert all(map(math.isfinite, biases))
    # 50 texts against a penalty of 0.01.
    assert -10 < biases[2] < -3


def test_labels_that_are_told_apart_without_error_leave_the_biases_finite():
    rows = [{0: -0.001, 1: -20.0}, {0: -20.0, 1: -0.001}] * 20
    assert fitted_biases(rows, [0, 1] * 20, 2) == pytest.approx([0, 0], abs=1e-6)
    leaning = [{0: -1e-9, 1: -40.0 + number % 2} for number in range(40)]
    first, second = fitted_biases(leaning, [0, 1] * 20, 2)
    assert second - first == pytest.approx(39.5, abs=0.1)


def test_a_text_whose_label_is_not_seen_counts_for_nothing():
    rows, labels = [{0: -1.0, 1: -2.0}, {0: -2.0, 1: -1.0}, {0: -3.0, 1: -0.1}], [0, 1, 0]
    alone = fitted_biases(rows, labels, 2)
    unusable = [{1: -0.1}, {}, {0: -0.1, 1: -math.inf}, {0: math.nan, 1: -1.0}]
    assert fitted_biases(rows + unusable, [*labels, 0, 1, 1, 0], 2) == alone
    assert fitted_biases(unusable, [0, 1, 1, 0], 2) is None


def test_content_free_texts_are_made_equally_likely_for_all_labels():
    rows = [dict(enumerate(np.log([0.7, 0.2, 0.1]))), dict(enumerate(np.log([0.5, 0.4, 0.1])))]
    biases = content_free_biases(rows, 3)
    mean = np.log([0.6, 0.3, 0.1])
    assert softmax(mean + biases) == pytest.approx([1 / 3] * 3)
    assert content_free_biases([{}, {}], 3) is None


def test_it_is_the_same_each_time_and_quick_for_many_labels():
    random = np.random.default_rng(3)
    rows = [dict(enumerate(row)) for row in random.normal(-5, 3, (400, 200))]
    labels = (np.arange(400) % 200).tolist()
    first = fitted_biases(rows, labels, 200)
    assert first == fitted_biases(rows, labels, 200)
