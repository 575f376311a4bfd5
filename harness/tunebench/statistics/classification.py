"""Scores of a classifier besides accuracy, for labels that are not equally frequent.

All are computed from one confusion matrix. An answer without a label counts as a prediction of its
own, "no label", which is never right.
"""

from __future__ import annotations

from collections import Counter
from math import fsum, sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def confusion_matrix(
    labels: Iterable[int], predictions: Iterable[int | None], n_labels: int
) -> list[list[int]]:
    """The confusion matrix: counts by true and predicted label.

    Args:
        labels: the true label ids, as in the column ``label`` of the judgements.
        predictions: the predicted label ids in the same order, as in the column ``prediction``;
            None or NA for an answer without a label.
        n_labels: number of labels of the task, 1 or more.

    Returns:
        A row for each true label, in the order of the ids, with a count for each predicted label
        and, last, the count of answers without a label.

    Raises:
        ValueError: the two differ in length, or an id is not one of the task's.

    Source:
        scikit-learn's ``confusion_matrix``, with "no label" as the label after the last and
        without the row that it never fills.
    """
    import pandas as pd

    if n_labels < 1:
        raise ValueError(f"n_labels must be 1 or more, not {n_labels}")
    truths = list(labels)
    read = pd.array(list(predictions), dtype="Int64").tolist()
    if len(truths) != len(read):
        raise ValueError(f"{len(truths)} labels and {len(read)} predictions do not match")
    matrix = [[0] * (n_labels + 1) for _ in range(n_labels)]
    pairs = zip(truths, (None if stated is pd.NA else stated for stated in read), strict=True)
    firsts: dict[tuple[int, int | None], int] = {}
    counts: Counter[tuple[int, int | None]] = Counter()
    for position, pair in enumerate(pairs):
        firsts.setdefault(pair, position)
        counts[pair] += 1
    # Of a million texts few pairs differ.
    for (truth, stated), count in counts.items():
        for label in (truth,) if stated is None else (truth, stated):
            if not 0 <= label < n_labels:
                raise ValueError(
                    f"{label} at position {firsts[truth, stated]} is not a label id; the task's "
                    f"are 0 to {n_labels - 1}"
                )
        matrix[truth][n_labels if stated is None else stated] += count
    return matrix


def balanced_accuracy(matrix: Sequence[Sequence[int]]) -> float:
    """The balanced accuracy: the mean recall of the labels that occur in a confusion matrix.

    A label that no text has is left out, even if it was predicted.

    Raises:
        ValueError: it is not a confusion matrix, or counts no texts.

    Source:
        K. H. Brodersen, C. S. Ong, K. E. Stephan, J. M. Buhmann, The balanced accuracy and its
        posterior distribution, ICPR (2010), 3121-3124; scikit-learn's
        ``balanced_accuracy_score``.
    """
    _check(matrix)
    shares = [row[label] / sum(row) for label, row in enumerate(matrix) if sum(row)]
    return fsum(shares) / len(shares)


def macro_f1(matrix: Sequence[Sequence[int]]) -> float:
    """The macro F1: the mean of the F1 scores of all labels of the task.

    Args:
        matrix: a result of `confusion_matrix`.

    Returns:
        Between 0 and 1. "No label" is a miss of the true label and has no F1 score of its own. A
        label that neither occurs nor is predicted has the F1 score 0, so that all cells of a task
        are means over the same labels; if the test texts lack a label, even a perfect cell stays
        below 1.

    Raises:
        ValueError: it is not a confusion matrix, or counts no texts.

    Source:
        scikit-learn's ``f1_score`` with ``average="macro"``, ``zero_division=0`` and all label
        ids of the task, without "no label", as ``labels``.
    """
    _check(matrix)
    predicted = [sum(column) for column in zip(*matrix, strict=True)]
    # 2 TP / (2 TP + FP + FN): the denominator is a label's texts plus its predictions.
    values = [
        2 * row[label] / (sum(row) + predicted[label]) if sum(row) + predicted[label] else 0.0
        for label, row in enumerate(matrix)
    ]
    return fsum(values) / len(values)


def matthews(matrix: Sequence[Sequence[int]]) -> float:
    """Matthews' correlation coefficient of labels and predictions, for any number of labels.

    "No label" is one more value of a prediction. It is 0 for answers no better than chance, and if
    all texts have the same label or all answers are the same, when there is no correlation.

    Raises:
        ValueError: it is not a confusion matrix, or counts no texts.

    Source:
        J. Gorodkin, Comparing two K-category assignments by a K-category correlation
        coefficient, Computational Biology and Chemistry 28 (2004), 367-374; scikit-learn's
        ``matthews_corrcoef``.
    """
    n = _check(matrix)
    right = sum(row[label] for label, row in enumerate(matrix))
    true = [*map(sum, matrix), 0]
    predicted = [sum(column) for column in zip(*matrix, strict=True)]
    # Whole numbers until the square root, so that 0 and 1 are exact.
    both = right * n - sum(t * p for t, p in zip(true, predicted, strict=True))
    spread = (n * n - sum(t * t for t in true)) * (n * n - sum(p * p for p in predicted))
    return max(-1.0, min(1.0, both / sqrt(spread))) if spread else 0.0


def _check(matrix: Sequence[Sequence[int]]) -> int:
    """The number of texts that the matrix counts."""
    if any(len(row) != len(matrix) + 1 or min(row) < 0 for row in matrix):
        raise ValueError(
            "this is not a confusion matrix: each row needs a count for each label and one for "
            "answers without a label"
        )
    n = sum(map(sum, matrix))
    if n == 0:
        raise ValueError("the confusion matrix counts no texts")
    return n
