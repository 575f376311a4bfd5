"""How far a model's probabilities can be believed."""

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
    """Make probabilities of the log-probabilities of the labels that were seen.

    A label that was not seen gets the probability 0. Where a provider shows its likeliest tokens
    only, an unseen label may have had some, and the others are stated a little too high.

    Args:
        logprobs_by_label: natural log-probabilities by label id; minus infinity is a probability
            of 0.
        n_labels: how many labels the task has.

    Returns:
        A probability for each label id, adding up to 1; None where no label was seen, where all
        of them are impossible, or where a log-probability is NaN or plus infinity.

    Raises:
        ValueError: an id is none of the task's.
    """
    for label in logprobs_by_label:
        if not 0 <= label < n_labels:
            raise ValueError(f"{label} is no label id; the task's are 0 to {n_labels - 1}")
    seen = logprobs_by_label.values()
    if any(not isfinite(value) and value != -inf for value in seen):
        return None
    highest = max(seen, default=-inf)
    if highest == -inf:
        return None
    # Less the highest: else far log-probabilities would all become 0.
    weights = [exp(logprobs_by_label.get(label, -inf) - highest) for label in range(n_labels)]
    total = fsum(weights)
    return [weight / total for weight in weights]


def brier_score(probabilities: Sequence[Sequence[float]], labels: Sequence[int]) -> float:
    """The mean squared distance of the probabilities from what was true.

    Summed over all labels, as Brier did: for two labels it is twice the form that counts the
    positive label only.

    Args:
        probabilities: for each text, a probability for each label id, adding up to 1; one text
            or more.
        labels: the true label ids, in the same order.

    Returns:
        Between 0, sure and right each time, and 2, sure and wrong each time.

    Raises:
        ValueError: there are no texts, not as many of the one as of the other, a label is none
            of a row's, or a row holds no probabilities.

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
    """How far the confidence in the chosen label is from how often it is right, on average.

    The chosen label is the likeliest, on equal probabilities the first of the task. Texts are
    sorted by its probability into bins of equal width, each with its upper end and without its
    lower one; the gaps between mean probability and accuracy are weighted by the bins' texts. The
    value depends on the bins and is above 0 for a perfectly calibrated model on few texts.

    Args:
        probabilities: for each text, a probability for each label id, adding up to 1; one text
            or more.
        labels: the true label ids, in the same order.
        bins: how many bins there are between 0 and 1; one or more.

    Returns:
        Between 0 and 1.

    Raises:
        ValueError: there are no texts, not as many of the one as of the other, a label is none
            of a row's, a row holds no probabilities, or there are no bins.

    Source:
        C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, On calibration of modern neural networks,
        ICML (2017), equation 3.
    """
    if bins < 1:
        raise ValueError(f"{bins} bins hold no texts; there has to be one or more")
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
            f"{len(probabilities)} rows of probabilities and {len(labels)} labels do not match, "
            "or are none"
        )
    for position, (row, truth) in enumerate(zip(probabilities, labels, strict=True)):
        # Written so that NaN fails, too.
        if not (all(p >= 0 for p in row) and abs(fsum(row) - 1) <= _SUM_WITHIN):
            raise ValueError(
                f"the row at position {position} holds no probabilities: each has to be 0 or "
                "more, and together they are 1"
            )
        if not 0 <= truth < len(row):
            raise ValueError(
                f"{truth} at position {position} is no label id; the row's are 0 to {len(row) - 1}"
            )
