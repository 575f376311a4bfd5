"""The measures of a classifier against scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunebench.server.tuning.classification import auprc, auroc, measures

sklearn_metrics = pytest.importorskip("sklearn.metrics", reason="needs scikit-learn")

# Few distinct scores, so that ties are many.
ROWS = st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=40)


@settings(max_examples=200)
@given(rows=ROWS.filter(lambda rows: len({flag for _, flag in rows}) == 2))
def test_areas_equal_scikit_learns_also_with_ties(rows):
    scores, positive = (np.array(column) for column in zip(*rows, strict=True))
    assert auroc(scores, positive) == pytest.approx(
        sklearn_metrics.roc_auc_score(positive, scores), abs=1e-12
    )
    assert auprc(scores, positive) == pytest.approx(
        sklearn_metrics.average_precision_score(positive, scores), abs=1e-12
    )


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("seed", range(5))
def test_the_other_measures_equal_scikit_learns(classes, seed):
    source = np.random.default_rng(seed)
    logits = source.normal(size=(30, classes))
    scores = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    truth = source.integers(classes, size=30)
    found = measures(scores, truth, 1)
    called = scores.argmax(axis=1) == 1
    precision, recall, f1, _ = sklearn_metrics.precision_recall_fscore_support(
        truth == 1, called, average="binary", zero_division=0
    )
    probability = np.exp(scores[:, 1]) / np.exp(scores).sum(axis=1)
    expected = {
        "accuracy": sklearn_metrics.accuracy_score(truth, scores.argmax(axis=1)),
        "precision": precision,
        "recall": recall,
        "f1.0": f1,
        "auroc": sklearn_metrics.roc_auc_score(truth == 1, probability),
        "auprc": sklearn_metrics.average_precision_score(truth == 1, probability),
    }
    assert found == pytest.approx({f"classification/{k}": v for k, v in expected.items()})


def test_areas_are_none_if_all_rows_are_of_one_class():
    found = measures(np.log([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 0]), 1)
    assert found["classification/auroc"] is found["classification/auprc"] is None
    assert found["classification/accuracy"] == 0.5
    assert found["classification/recall"] == 0


def test_without_a_positive_class_only_accuracy_is_measured():
    found = measures(np.log([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 1]), None)
    assert found == {"classification/accuracy": 1.0}
