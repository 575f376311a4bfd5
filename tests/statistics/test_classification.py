import warnings

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn import metrics

from tunebench.evaluation import judge
from tunebench.statistics import balanced_accuracy, confusion_matrix, macro_f1, matthews


@st.composite
def answered(draw, blanks=True):
    n_labels = draw(st.integers(1, 5))
    ids = st.integers(0, n_labels - 1)
    read = ids | st.none() if blanks else ids
    pairs = draw(st.lists(st.tuples(ids, read), min_size=1, max_size=60))
    labels, predictions = zip(*pairs, strict=True)
    return list(labels), list(predictions), n_labels


def mapped(predictions, n_labels):
    """No label as the label after the last, for scikit-learn."""
    return [n_labels if prediction is None else prediction for prediction in predictions]


n_is_1 = ([0], [0], 1)
all_right = ([0, 1, 2], [0, 1, 2], 3)
all_wrong = ([0, 1, 1], [1, 0, 0], 2)
no_label_at_all = ([0, 1, 1], [None, None, None], 2)
labels_that_never_occur = ([3, 3], [3, 1], 5)


@given(case=answered())
@example(case=n_is_1)
@example(case=no_label_at_all)
def test_the_matrix_is_that_of_scikit_learn(case):
    labels, predictions, n_labels = case
    expected = metrics.confusion_matrix(
        labels, mapped(predictions, n_labels), labels=range(n_labels + 1)
    )
    assert confusion_matrix(*case) == expected[:n_labels].tolist()


@given(case=answered())
def test_the_columns_of_the_judgements_give_the_same_matrix(case):
    labels, predictions, n_labels = case
    frame = judge([str(i) for i in range(len(labels))], labels, predictions)
    expected = confusion_matrix(*case)
    assert confusion_matrix(frame["label"], frame["prediction"], n_labels) == expected
    lists = frame["label"].tolist(), frame["prediction"].tolist()
    assert confusion_matrix(*lists, n_labels) == expected
    right = sum(row[label] for label, row in enumerate(expected))
    assert right == frame["correct"].sum()
    assert sum(row[-1] for row in expected) == frame["prediction"].isna().sum()


def test_nan_is_no_label_either():
    assert confusion_matrix([0, 1], [float("nan"), 1.0], 2) == [[0, 0, 1], [0, 1, 0]]


@given(case=answered())
@example(case=n_is_1)
@example(case=all_right)
@example(case=all_wrong)
@example(case=no_label_at_all)
@example(case=labels_that_never_occur)
def test_the_values_are_those_of_scikit_learn(case):
    labels, predictions, n_labels = case
    matrix, read = confusion_matrix(*case), mapped(predictions, n_labels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        balanced = metrics.balanced_accuracy_score(labels, read)
        f1 = metrics.f1_score(
            labels, read, labels=range(n_labels), average="macro", zero_division=0
        )
        correlation = metrics.matthews_corrcoef(labels, read)
    assert balanced_accuracy(matrix) == pytest.approx(balanced, abs=1e-12)
    assert macro_f1(matrix) == pytest.approx(f1, abs=1e-12)
    assert matthews(matrix) == pytest.approx(correlation, abs=1e-12)


@given(case=answered())
def test_the_values_do_not_depend_on_the_order_of_labels_or_texts(case):
    labels, predictions, n_labels = case
    turned = {label: (label + 1) % n_labels for label in range(n_labels)} | {None: None}
    matrix = confusion_matrix(*case)
    other = confusion_matrix(
        [turned[x] for x in reversed(labels)], [turned[x] for x in reversed(predictions)], n_labels
    )
    for value in (balanced_accuracy, macro_f1, matthews):
        assert value(matrix) == pytest.approx(value(other), abs=1e-12)


@given(case=answered())
def test_the_values_stay_in_their_ranges(case):
    matrix = confusion_matrix(*case)
    assert 0 <= balanced_accuracy(matrix) <= 1
    assert 0 <= macro_f1(matrix) <= 1
    assert -1 <= matthews(matrix) <= 1


@given(labels=st.lists(st.integers(0, 4), min_size=1))
def test_all_right(labels):
    matrix = confusion_matrix(labels, labels, 5)
    assert balanced_accuracy(matrix) == 1
    assert macro_f1(matrix) == len(set(labels)) / 5
    assert matthews(matrix) == (1 if len(set(labels)) > 1 else 0)


@given(labels=st.lists(st.integers(0, 4), min_size=1))
def test_no_label_at_all(labels):
    matrix = confusion_matrix(labels, [None] * len(labels), 5)
    assert balanced_accuracy(matrix) == macro_f1(matrix) == matthews(matrix) == 0


def test_always_the_same_label_is_no_better_than_chance():
    matrix = confusion_matrix([0] * 90 + [1] * 10, [0] * 100, 2)
    assert balanced_accuracy(matrix) == 0.5
    assert matthews(matrix) == 0


def test_each_the_other_way_round_is_minus_1():
    assert matthews(confusion_matrix([0, 1, 0, 1], [1, 0, 1, 0], 2)) == -1


def test_counts_of_many_texts_do_not_overflow():
    matrix = [[10**12, 1, 0], [1, 10**12, 0]]
    assert matthews(matrix) == pytest.approx(1)
    assert matthews(np.array(matrix, dtype="int64").tolist()) == matthews(matrix)


@pytest.mark.parametrize(
    ("labels", "predictions", "n_labels", "sentence"),
    [
        ([0, 1], [0], 2, "2 labels and 1 predictions do not match"),
        ([0, 2], [0, 0], 2, "2 at position 1 is not a label id; the task's are 0 to 1"),
        ([0, 0], [0, 2], 2, "2 at position 1 is not a label id"),
        ([-1], [None], 2, "-1 at position 0 is not a label id"),
        ([], [], 0, "n_labels must be 1 or more, not 0"),
    ],
)
def test_what_fits_no_matrix_is_refused(labels, predictions, n_labels, sentence):
    with pytest.raises(ValueError, match=sentence):
        confusion_matrix(labels, predictions, n_labels)


@pytest.mark.parametrize("value", [balanced_accuracy, macro_f1, matthews])
def test_no_texts_have_no_value(value):
    with pytest.raises(ValueError, match="counts no texts"):
        value(confusion_matrix([], [], 2))
    with pytest.raises(ValueError, match="counts no texts"):
        value([])
    with pytest.raises(ValueError, match="this is not a confusion matrix"):
        value([[1, 0], [0, 1]])
