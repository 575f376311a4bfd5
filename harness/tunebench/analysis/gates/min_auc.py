"""``min_auc``: the area under the ROC curve is the limit or above."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebench.analysis.gates.base import judge_score
from tunebench.errors import CellError

if TYPE_CHECKING:
    from tunebench.analysis.gates.base import Judged, Sources
    from tunebench.evaluation import Result
    from tunebench.experiment import Limit


def judge(limit: Limit, result: Result, sources: Sources | None) -> Judged | None:
    """Judge by the result alone, which needs probabilities and more than one label."""
    if result.auc is not None:
        return judge_score(limit, result, "AUC", result.auc, len(result.with_probabilities[1]))
    if sources is None:
        return None
    if result.probabilities is None:
        problem = f"its AUC is not known: the rule {result.cell.decision_rule} has no probabilities"
        hint = 'select cells with decision_rule = "label_logprobs" or "calibrated" for min_auc'
    else:
        problem = "its AUC is not known: the texts with probabilities do not have two labels"
        hint = "raise test_size"
    raise CellError(problem, where=str(result.cell), hint=hint)
