"""Accuracy's companions for tasks whose labels are not equally frequent.

All of them are read off one confusion matrix. "No label", an answer that states none, counts as a
prediction of its own kind that is never right.
"""

from __future__ import annotations

from math import fsum, sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def confusion_matrix(
    labels: Iterable[int], predictions: Iterable[int | None], n_labels: int
) -> list[list[int]]:
    """Count which label was answered with which.

    Args:
        labels: the true label ids, as in the column ``label`` of the judgements.
        predictions: the label ids that were read, in the same order, as in the column
            ``prediction``; None or NA where an answer stated none.
        n_labels: how many labels the task has, 1 or more.

    Returns:
        A row for each true label, in the order of the ids; in it a count for each predicted
        label, and last that of the answers which stated none.

    Raises:
        ValueError: there are more of the one than of the other, or an id is none of the task's.

    Source:
        scikit-learn's ``confusion_matrix``, with "no label" as the label after the last and
        without the row that it never fills.
    """
    import pandas as pd

    if n_labels < 1:
        raise ValueError(f"a task of {n_labels} labels has no confusion matrix")
    truths, read = list(labels), pd.array(list(predictions), dtype="Int64")
    if len(truths) != len(read):
        raise ValueError(f"{len(truths)} labels and {len(read)} predictions do not match")
    matrix = [[0] * (n_labels + 1) for _ in range(n_labels)]
    for position, (truth, stated) in enumerate(zip(truths, read.tolist(), strict=True)):
        unread = stated is pd.NA
        for label in (truth,) if unread else (truth, stated):
            if not 0 <= label < n_labels:
                raise ValueError(
                    f"{label} at position {position} is no label id; the task's are 0 to "
                    f"{n_labels - 1}"
                )
        matrix[truth][n_labels if unread else stated] += 1
    return matrix


def balanced_accuracy(matrix: Sequence[Sequence[int]]) -> float:
    """The mean, over the labels that occur, of the share of a label's texts answered rightly.

    Args:
        matrix: of `confusion_matrix`.

    Returns:
        Between 0 and 1. A label that no text has is left out, even if it was predicted.

    Raises:
        ValueError: the matrix counts no texts, or is none.

    Source:
        K. H. Brodersen, C. S. Ong, K. E. Stephan, J. M. Buhmann, The balanced accuracy and its
        posterior distribution, ICPR (2010), 3121-3124; scikit-learn's
        ``balanced_accuracy_score``.
    """
    _check(matrix)
    shares = [row[label] / sum(row) for label, row in enumerate(matrix) if sum(row)]
    return fsum(shares) / len(shares)


def macro_f1(matrix: Sequence[Sequence[int]]) -> float:
    """The mean of the labels' F1 values, over all labels of the task.

    Args:
        matrix: of `confusion_matrix`.

    Returns:
        Between 0 and 1. "No label" is a miss of the true label and has no F1 value of its own. A
        label that neither occurs nor is predicted has the F1 value 0, so that cells of one task
        are means over the same labels; where the test texts lack a label, even right answers
        alone stay below 1.

    Raises:
        ValueError: the matrix counts no texts, or is none.

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
    """Matthews' correlation of labels and predictions, for any number of labels.

    Args:
        matrix: of `confusion_matrix`; "no label" is a further value that a prediction may have.

    Returns:
        Between -1 and 1; 0 for answers as good as blind ones. 0 also where all texts have the
        same label or all answers are the same, since nothing can be correlated then, be they
        right or wrong.

    Raises:
        ValueError: the matrix counts no texts, or is none.

    Source:
        J. Gorodkin, Comparing two K-category assignments by a K-category correlation
        coefficient, Computational Biology and Chemistry 28 (2004), 367-374; scikit-learn's
        ``matthews_corrcoef``.
    """
    n = _check(matrix)
    right = sum(row[label] for label, row in enumerate(matrix))
    true = [*map(sum, matrix), 0]
    predicted = [sum(column) for column in zip(*matrix, strict=True)]
    # Whole numbers up to the root, so that 0 is 0 and 1 is 1.
    both = right * n - sum(t * p for t, p in zip(true, predicted, strict=True))
    spread = (n * n - sum(t * t for t in true)) * (n * n - sum(p * p for p in predicted))
    return max(-1.0, min(1.0, both / sqrt(spread))) if spread else 0.0


def _check(matrix: Sequence[Sequence[int]]) -> int:
    """How many texts the matrix counts."""
    if any(len(row) != len(matrix) + 1 or min(row) < 0 for row in matrix):
        raise ValueError(
            "this is no confusion matrix: each row holds a count for each label and one of the "
            "answers that stated none"
        )
    n = sum(map(sum, matrix))
    if n == 0:
        raise ValueError("the confusion matrix counts no texts")
    return n
