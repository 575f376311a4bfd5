"""Metrics of a classifier from its scores, in numpy, defined as in scikit-learn."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def measures(
    scores: Floats, truth: npt.NDArray[np.int64], positive: int | None
) -> dict[str, float | None]:
    """Accuracy, and for a positive class precision, recall, F1, AUROC and AUPRC.

    Args:
        scores: log-probabilities, shape (rows, classes).
        truth: the classes, shape (rows,).
        positive: a class, or None for the accuracy only.

    Returns:
        By name as in OpenAI's result files, such as ``classification/accuracy``. An area is None
        if the rows are all positive or all negative.
    """
    predicted = scores.argmax(axis=1)
    found: dict[str, float | None] = {"classification/accuracy": float((predicted == truth).mean())}
    if positive is not None:
        is_positive, called = truth == positive, predicted == positive
        hits = float((is_positive & called).sum())
        precision = hits / called.sum() if called.any() else 0.0
        recall = hits / is_positive.sum() if is_positive.any() else 0.0
        both = precision + recall
        margin = scores[:, positive] - _log_sum(np.delete(scores, positive, axis=1))
        found |= {
            "classification/precision": float(precision),
            "classification/recall": float(recall),
            "classification/auroc": auroc(margin, is_positive),
            "classification/auprc": auprc(margin, is_positive),
            "classification/f1.0": float(2 * precision * recall / both) if both else 0.0,
        }
    return found


def auroc(scores: Floats, positive: Flags) -> float | None:
    """The probability that a positive row scores above a negative one; ties count half."""
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    if not n_positive or not n_negative:
        return None
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    # The mean rank of equal scores: those below them, and half of themselves.
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    above = ranks[positive].sum() - n_positive * (n_positive + 1) / 2
    return float(above / (n_positive * n_negative))


def auprc(scores: Floats, positive: Flags) -> float | None:
    """Average precision: precision at each threshold, weighted by the recall that it adds."""
    n_positive = int(positive.sum())
    if not n_positive or n_positive == len(positive):
        return None
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(positive[order])
    # One threshold for equal scores: after the last of them.
    last = np.append(np.diff(scores[order]) != 0, True)
    precision = (hits / np.arange(1, len(hits) + 1))[last]
    gained = np.diff(hits[last], prepend=0) / n_positive
    return float((precision * gained).sum())


def _log_sum(logs: Floats) -> Floats:
    top = logs.max(axis=1)
    total: Floats = top + np.log(np.exp(logs - top[:, None]).sum(axis=1))
    return total
