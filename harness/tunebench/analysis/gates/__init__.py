"""Gates: a result compared with the limits of its cell.

A gate is a file of its own that ends in a `Gate`, an entry of `GATES`, and a key of
``[[threshold]]`` in `tunebench.experiment.schema`. A point is compared as it is. An interval can
also leave the question open: then the verdict is ``inconclusive``, and the sentence says how many
texts would settle it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebench.analysis.gates.accuracy import MIN_ACCURACY
from tunebench.analysis.gates.base import Gate, Judged, Sources, Verdict
from tunebench.analysis.gates.cost import MAX_COST
from tunebench.analysis.gates.regression import MAX_REGRESSION
from tunebench.analysis.gates.uplift import MIN_UPLIFT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tunebench.evaluation import Result

__all__ = ["GATES", "Gate", "Judged", "Sources", "Verdict", "judge_limits", "verdict_of"]

GATES = {gate.name: gate for gate in (MIN_ACCURACY, MIN_UPLIFT, MAX_COST, MAX_REGRESSION)}


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
