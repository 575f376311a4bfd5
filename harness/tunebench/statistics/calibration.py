"""Calibration: whether a model's probabilities match how often it is right."""

from __future__ import annotations

from bisect import bisect_left
from math import exp, fsum, inf, isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Providers give log-probabilities as decimals; their exponentials need not add up to the last bit.
_SUM_WITHIN = 1e-6


def label_probabilities(
    logprobs_by_label: Mapping[int, float], n_labels: int
) -> list[float] | None:
    """Probabilities of the labels, from the log-probabilities of those that were seen.

    A label that was not seen gets the probability 0. If a provider returns only its likeliest
    tokens, an unseen label may have had more than that, and the others are a little too high.

    Args:
        logprobs_by_label: natural log-probabilities (nats) by label id; minus infinity is a
            probability of 0.
        n_labels: number of labels of the task.

    Returns:
        A probability for each label id, with the sum 1; None if no label was seen, if all are
        impossible, or if a log-probability is NaN or plus infinity.

    Raises:
        ValueError: an id is not one of the task's.
    """
    for label in logprobs_by_label:
        if not 0 <= label < n_labels:
            raise ValueError(f"{label} is not a label id; the task's are 0 to {n_labels - 1}")
    seen = logprobs_by_label.values()
    if any(not isfinite(value) and value != -inf for value in seen):
        return None
    highest = max(seen, default=-inf)
    if highest == -inf:
        return None
    # Without subtracting the highest, very low log-probabilities would all become 0.
    weights = [exp(logprobs_by_label.get(label, -inf) - highest) for label in range(n_labels)]
    total = fsum(weights)
    return [weight / total for weight in weights]


def brier_score(probabilities: Sequence[Sequence[float]], labels: Sequence[int]) -> float:
    """The Brier score: the mean squared distance of the probabilities from the true labels.

    It is between 0 (always certain and right) and 2 (always certain and wrong).

    It sums over all labels, as Brier did: for two labels it is twice the form that counts only the
    positive label.

    Raises:
        ValueError: there are no texts, the two differ in length, a label is not one of a row's, or
            a row does not hold probabilities.

    Source:
        G. W. Brier, Verification of forecasts expressed in terms of probability, Monthly Weather
        Review 78 (1950), 1-3.
    """
    _check(probabilities, labels)
    return fsum(
        (p - (label == truth)) ** 2
        for row, truth in zip(probabilities, labels, strict=True)
        for label, p in enumerate(row)
    ) / len(labels)


def expected_calibration_error(
    probabilities: Sequence[Sequence[float]], labels: Sequence[int], bins: int = 10
) -> float:
    """The expected calibration error: the mean gap between confidence and accuracy.

    The confidence is the probability of the likeliest label (of several, the first). Texts are
    grouped by it into bins of equal width, each with its upper end and without its lower one; the
    gaps between mean confidence and accuracy are weighted by the number of texts. The value depends
    on the bins, and is above 0 even for a perfectly calibrated model if there are few texts.

    Raises:
        ValueError: there are no texts, the two differ in length, a label is not one of a row's, a
            row does not hold probabilities, or there are no bins.

    Source:
        C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, On calibration of modern neural networks,
        ICML (2017), equation 3.
    """
    if bins < 1:
        raise ValueError(f"the number of bins must be 1 or more, not {bins}")
    _check(probabilities, labels)
    uppers = [upper / bins for upper in range(1, bins)]
    gaps: list[list[float]] = [[] for _ in range(bins)]
    for row, truth in zip(probabilities, labels, strict=True):
        confidence = max(row)
        right = row.index(confidence) == truth
        gaps[bisect_left(uppers, confidence)].append(confidence - right)
    # A bin's gap, times its share of the texts, is the sum of its texts' gaps over all texts.
    return fsum(abs(fsum(gap)) for gap in gaps) / len(labels)


def _check(probabilities: Sequence[Sequence[float]], labels: Sequence[int]) -> None:
    if not labels or len(probabilities) != len(labels):
        raise ValueError(
            f"{len(probabilities)} rows of probabilities and {len(labels)} labels: there must be "
            "equally many, and at least one"
        )
    for position, (row, truth) in enumerate(zip(probabilities, labels, strict=True)):
        # Written so that NaN fails too.
        if not (all(p >= 0 for p in row) and abs(fsum(row) - 1) <= _SUM_WITHIN):
            raise ValueError(
                f"the row at position {position} must hold probabilities: each 0 or more, with "
                "the sum 1"
            )
        if not 0 <= truth < len(row):
            raise ValueError(
                f"{truth} at position {position} is not a label id; the row's are 0 to "
                f"{len(row) - 1}"
            )
