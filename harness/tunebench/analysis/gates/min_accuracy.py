"""``min_accuracy``: the accuracy, or all of its interval, is the limit or above."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebench.analysis.gates.base import Judged, judge_share

if TYPE_CHECKING:
    from tunebench.analysis.gates.base import Sources
    from tunebench.evaluation import Result
    from tunebench.experiment import Limit


def judge(limit: Limit, result: Result, _: Sources | None) -> Judged:
    """Judge by the result alone."""
    value, verdict, said = judge_share(limit, result.judgements["correct"].tolist(), result.groups)
    return Judged.of(
        limit,
        value,
        verdict,
        f"{result.cell}: accuracy {value:.3f}, {result.correct} of {result.n} right {said}",
    )
