"""Majority class: always the most frequent label of the training rows."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tunebench.analysis.rivals.base import Predicted, Rival

if TYPE_CHECKING:
    from collections.abc import Sequence


def _predict(_: Sequence[str], train_labels: Sequence[int], texts: Sequence[str]) -> Predicted:
    counts = Counter(train_labels)
    # Of equally frequent labels the first one of the task.
    most = min(counts, key=lambda label: (-counts[label], label))
    return Predicted([int(most)] * len(texts))


MAJORITY = Rival("majority class", _predict)
