"""``min_balanced_accuracy``: the balanced accuracy is the limit or above."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebench.analysis.gates.base import confusion_of, judge_score
from tunebench.statistics import balanced_accuracy

if TYPE_CHECKING:
    from tunebench.analysis.gates.base import Judged, Sources
    from tunebench.evaluation import Result
    from tunebench.experiment import Limit


def judge(limit: Limit, result: Result, _: Sources | None) -> Judged:
    """Judge by the result alone."""
    value = balanced_accuracy(confusion_of(result))
    return judge_score(limit, result, "balanced accuracy", value, result.n)
