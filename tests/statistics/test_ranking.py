import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from tunebench.statistics import area_under_roc


@st.composite
def ranked(draw, n_labels):
    # Few different values, so that there are ties.
    weights = st.lists(st.integers(0, 4), min_size=n_labels, max_size=n_labels).filter(any)
    rows = draw(st.lists(weights, min_size=n_labels, max_size=40))
    rows = [[weight / math.fsum(row) for weight in row] for row in rows]
    ids = st.integers(0, n_labels - 1)
    labels = draw(st.lists(ids, min_size=len(rows), max_size=len(rows)))
    return rows, [*range(n_labels), *labels[n_labels:]]


@given(case=ranked(2))
def test_of_two_labels_it_is_scikit_learns(case):
    rows, labels = case
    expected = roc_auc_score(labels, [row[1] for row in rows])
    assert area_under_roc(rows, labels) == pytest.approx(expected, abs=1e-12)


@given(case=ranked(4))
def test_of_more_labels_it_is_scikit_learns_mean_of_one_against_the_rest(case):
    rows, labels = case
    expected = np.mean(
        [
            roc_auc_score([truth == label for truth in labels], [row[label] for row in rows])
            for label in range(4)
        ]
    )
    assert area_under_roc(rows, labels) == pytest.approx(expected, abs=1e-12)


def test_a_label_that_no_text_has_is_left_out():
    rows, labels = [[0.6, 0.3, 0.1], [0.3, 0.6, 0.1], [0.5, 0.2, 0.3]], [0, 1, 0]
    assert area_under_roc(rows, labels) == pytest.approx(1.0)


@pytest.mark.parametrize(("rows", "labels"), [([], []), ([[0.1, 0.9], [0.2, 0.8]], [1, 1])])
def test_one_label_alone_cannot_be_ranked(rows, labels):
    assert area_under_roc(rows, labels) is None


def test_a_label_for_each_row_is_needed():
    with pytest.raises(ValueError, match="2 rows of probabilities and 1 labels"):
        area_under_roc([[0.5, 0.5], [0.5, 0.5]], [1])
