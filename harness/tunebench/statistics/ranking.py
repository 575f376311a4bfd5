"""How well probabilities rank texts, whatever the threshold between labels."""

from __future__ import annotations

from itertools import groupby
from math import fsum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def area_under_roc(probabilities: Sequence[Sequence[float]], labels: Sequence[int]) -> float | None:
    """The area under the ROC curve: how often a text with a label ranks above one without it.

    Texts are ranked by the label's probability, and ties count half. Of two labels it is the same
    for either. Of more it is the mean over the labels, each against the rest (macro one-vs-rest);
    labels that no text has, or all, are left out of it.

    Args:
        probabilities: for each text, a probability for each label id.
        labels: the true label ids, in the same order.

    Returns:
        Between 0 and 1, 0.5 by chance; None where all texts have one label, or there are none.

    Raises:
        ValueError: the two differ in length.

    Source:
        J. A. Hanley, B. J. McNeil, The meaning and use of the area under a receiver operating
        characteristic (ROC) curve, Radiology 143 (1982), 29-36; scikit-learn's ``roc_auc_score``.
    """
    if len(probabilities) != len(labels):
        raise ValueError(f"{len(probabilities)} rows of probabilities and {len(labels)} labels")
    there = sorted(set(labels))
    if len(there) < 2:
        return None
    if len(probabilities[0]) == 2:
        there = [1]
    areas = [
        _area([row[label] for row in probabilities], [truth == label for truth in labels])
        for label in there
    ]
    return fsum(areas) / len(areas)


def _area(scores: Sequence[float], positive: Sequence[bool]) -> float:
    """The share of pairs of a positive and a negative in which the positive scores higher."""
    below, doubled = 0, 0
    ranked = sorted(zip(scores, positive, strict=True))
    for _, same in groupby(ranked, key=lambda pair: pair[0]):
        flags = [flag for _, flag in same]
        positives = sum(flags)
        negatives = len(flags) - positives
        doubled += positives * (2 * below + negatives)
        below += negatives
    return doubled / (2 * below * (len(ranked) - below))
