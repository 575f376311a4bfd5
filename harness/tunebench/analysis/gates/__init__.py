"""Gates: a result compared with the limits of its cell.

A gate is a class in a file of its own, an entry of `GATES`, and a key of ``[[threshold]]`` in
`tunebench.experiment.schema`. A point is compared as it is. An interval can also leave the question
open: then the verdict is ``inconclusive``, and the sentence says how many texts would settle it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebench.analysis.gates.accuracy import MinAccuracy
from tunebench.analysis.gates.base import Gate, Judged, Sources, Verdict
from tunebench.analysis.gates.cost import MaxCost
from tunebench.analysis.gates.regression import MaxRegression
from tunebench.analysis.gates.uplift import MinUplift

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tunebench.evaluation import Result

__all__ = ["GATES", "Gate", "Judged", "Sources", "Verdict", "judge_limits", "verdict_of"]

GATES: dict[str, Gate] = {
    gate.name: gate for gate in (MinAccuracy(), MinUplift(), MaxCost(), MaxRegression())
}


def judge_limits(result: Result, sources: Sources | None = None) -> tuple[Judged, ...]:
    """Judge a result against the limits of its cell, in their order.

    Args:
        result: the result.
        sources: where another cell's result and the baseline come from; without them only the
            limits are judged that the result decides alone: its accuracy and its cost.

    Raises:
        TunebenchError: there is no usable baseline, or the cells are of different items.
    """
    judged = (GATES[limit.gate].judge(limit, result, sources) for limit in result.cell.limits)
    return tuple(one for one in judged if one is not None)


def verdict_of(gates: Iterable[Judged]) -> Verdict | None:
    """Fail if any gate failed, else inconclusive if any is; None where nothing was judged."""
    verdicts = {gate.verdict for gate in gates}
    for verdict in ("fail", "inconclusive", "pass"):
        if verdict in verdicts:
            return verdict
    return None
