import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from tunebench.statistics import brier_score, expected_calibration_error, label_probabilities


@st.composite
def forecasts(draw, n_labels=None):
    n_labels = n_labels or draw(st.integers(1, 5))
    weights = st.lists(st.floats(0, 1), min_size=n_labels, max_size=n_labels)
    rows = draw(st.lists(weights.filter(lambda row: sum(row) > 1e-3), min_size=1, max_size=40))
    rows = [[weight / math.fsum(row) for weight in row] for row in rows]
    ids = st.integers(0, n_labels - 1)
    labels = draw(st.lists(ids, min_size=len(rows), max_size=len(rows)))
    return rows, labels


@given(case=forecasts())
def test_the_brier_score_is_the_mean_squared_distance(case):
    rows, labels = case
    truth = np.eye(len(rows[0]))[labels]
    expected = ((np.array(rows) - truth) ** 2).sum(axis=1).mean()
    assert brier_score(rows, labels) == pytest.approx(expected, abs=1e-12)
    assert 0 <= brier_score(rows, labels) <= 2 + 1e-9


@given(case=forecasts(n_labels=2))
def test_of_two_labels_it_is_twice_scikit_learns(case):
    rows, labels = case
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = brier_score_loss(labels, [min(1.0, row[1]) for row in rows], pos_label=1)
    assert brier_score(rows, labels) == pytest.approx(2 * expected, abs=1e-9)


def test_the_ends_of_the_brier_score():
    assert brier_score([[1, 0]], [0]) == 0
    assert brier_score([[1, 0], [0, 1]], [1, 0]) == 2
    assert brier_score([[0.5, 0.5]], [1]) == 0.5
    assert brier_score([[1.0]], [0]) == 0


@given(case=forecasts(), bins=st.integers(1, 20))
def test_the_calibration_error_is_that_of_scikit_learns_curve(case, bins):
    rows, labels = case
    confidence = np.array([min(1.0, max(row)) for row in rows])
    right = np.array(
        [row.index(max(row)) == label for row, label in zip(rows, labels, strict=True)]
    )
    edges = np.array([upper / bins for upper in range(1, bins)])
    # Its edges are of linspace, which may differ in the last digit.
    if np.abs(confidence[:, None] - edges).min(initial=1.0) < 1e-12:
        return
    shares, means = calibration_curve(right, confidence, pos_label=True, n_bins=bins)
    texts = np.bincount(np.searchsorted(edges, confidence), minlength=bins)
    expected = (texts[texts > 0] * np.abs(shares - means)).sum() / len(labels)
    assert expected_calibration_error(rows, labels, bins) == pytest.approx(expected, abs=1e-9)


@given(case=forecasts())
def test_the_calibration_error_of_one_bin_is_the_gap_of_the_means(case):
    rows, labels = case
    right = [row.index(max(row)) == label for row, label in zip(rows, labels, strict=True)]
    expected = abs(np.mean([max(row) for row in rows]) - np.mean(right))
    assert expected_calibration_error(rows, labels, 1) == pytest.approx(expected, abs=1e-12)
    assert expected_calibration_error(rows, labels, 7) >= expected - 1e-12


def test_the_ends_of_the_calibration_error():
    assert expected_calibration_error([[1, 0]], [0]) == 0
    assert expected_calibration_error([[1, 0]], [1]) == 1
    assert expected_calibration_error([[0.25, 0.75]] * 4, [1, 1, 1, 0]) == 0


def test_on_equal_probabilities_the_first_label_is_chosen():
    assert expected_calibration_error([[0.5, 0.5]], [0]) == 0.5
    assert expected_calibration_error([[0.4, 0.4, 0.2]], [0]) == pytest.approx(0.6)
    assert expected_calibration_error([[0.4, 0.4, 0.2]], [1]) == pytest.approx(0.4)


def test_a_bin_has_its_upper_end():
    # 0.7 lies with 0.65, so that the right and the wrong answer's gaps make up for each other.
    rows = [[0.7, 0.3], [0.65, 0.35]]
    assert expected_calibration_error(rows, [0, 1]) == pytest.approx(abs(1.35 - 1) / 2)
    rows = [[0.7, 0.3], [0.75, 0.25]]
    assert expected_calibration_error(rows, [0, 1]) == pytest.approx((0.3 + 0.75) / 2)


@pytest.mark.parametrize("score", [brier_score, expected_calibration_error])
@pytest.mark.parametrize(
    ("rows", "labels", "sentence"),
    [
        ([], [], "0 rows of probabilities and 0 labels: there must be equally many"),
        ([[1, 0]], [0, 1], "1 rows of probabilities and 2 labels: there must be equally many"),
        ([[1, 0], [0.5, 0.4]], [0, 1], "the row at position 1 must hold probabilities"),
        ([[math.nan, 1]], [0], "the row at position 0 must hold probabilities"),
        ([[math.inf, 0]], [0], "the row at position 0 must hold probabilities"),
        ([[1.5, -0.5]], [0], "the row at position 0 must hold probabilities"),
        ([[]], [0], "the row at position 0 must hold probabilities"),
        ([[1, 0]], [2], "2 at position 0 is not a label id; the row's are 0 to 1"),
        ([[1, 0]], [-1], "-1 at position 0 is not a label id"),
    ],
)
def test_what_are_no_probabilities_is_refused(score, rows, labels, sentence):
    with pytest.raises(ValueError, match=sentence):
        score(rows, labels)


def test_no_bins_are_refused():
    with pytest.raises(ValueError, match="the number of bins must be 1 or more, not 0"):
        expected_calibration_error([[1, 0]], [0], 0)


seen = st.dictionaries(st.integers(0, 5), st.floats(-700, 0) | st.just(-math.inf))


@given(logprobs=seen.filter(lambda found: max(found.values(), default=-math.inf) > -math.inf))
def test_log_probabilities_become_probabilities_of_the_labels_seen(logprobs):
    row = label_probabilities(logprobs, 6)
    expected = softmax([logprobs.get(label, -math.inf) for label in range(6)])
    assert row == pytest.approx(expected.tolist(), rel=1e-9, abs=1e-300)
    assert brier_score([row], [0]) <= 2


def test_a_label_that_was_not_seen_has_no_probability():
    assert label_probabilities({1: -3.0}, 3) == [0, 1, 0]


def test_very_unlikely_labels_are_still_told_apart():
    row = label_probabilities({0: -2000.0, 1: -2000.0 + math.log(3)}, 2)
    assert row == pytest.approx([0.25, 0.75])


@pytest.mark.parametrize(
    "logprobs",
    [{}, {0: math.nan}, {0: -1.0, 1: math.nan}, {0: -math.inf, 1: -math.inf}, {0: math.inf}],
)
def test_where_nothing_can_be_said_there_is_no_row(logprobs):
    assert label_probabilities(logprobs, 2) is None


@pytest.mark.parametrize("label", [-1, 2])
def test_a_label_of_another_task_is_refused(label):
    with pytest.raises(ValueError, match=f"{label} is not a label id; the task's are 0 to 1"):
        label_probabilities({label: -1.0}, 2)
