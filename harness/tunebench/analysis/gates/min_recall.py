"""``min_recall``: the recall of a label, or all of its interval, is the limit or above."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebench.analysis.gates.base import judge_label
from tunebench.errors import CellError

if TYPE_CHECKING:
    from tunebench.analysis.gates.base import Judged, Sources
    from tunebench.evaluation import Result
    from tunebench.experiment import Limit


def judge(limit: Limit, result: Result, sources: Sources | None) -> Judged | None:
    """Judge by the result alone, which needs a text with the label."""
    judged = judge_label(limit, result, "label")
    if judged is None and sources is not None:
        raise CellError(
            f"no test text has the label {limit.label!r}, so its recall is not known",
            where=str(result.cell),
            hint=f"raise test_size, or leave that label out of {limit.gate}",
        )
    return judged
