"""Gates: a result compared with the limits of its cell.

A gate is a key of ``[[threshold]]`` in `tunebench.experiment.schema`, and a module of that name
here with a function ``judge``. Given a limit, a result and its sources, it returns the verdict;
without sources, the verdict that follows from the result alone, or None if there is none yet. It
raises a `TunebenchError` if what it needs is missing or cannot be used.

A point is compared as it is. An interval can also leave the question open: then the verdict is
``inconclusive``, and the sentence says how many texts would settle it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from tunebench.analysis.gates.base import Judged, Sources, Verdict
from tunebench.experiment import LIMITS, Limit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tunebench.evaluation import Result

__all__ = ["GATES", "Judged", "Sources", "Verdict", "judge_limits", "verdict_of"]

GATES: dict[str, Callable[[Limit, Result, Sources | None], Judged | None]] = {
    name: import_module(f"{__name__}.{name}").judge for name in LIMITS
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
    judged = (GATES[limit.gate](limit, result, sources) for limit in result.cell.limits)
    return tuple(one for one in judged if one is not None)


def verdict_of(gates: Iterable[Judged]) -> Verdict | None:
    """Fail if any gate failed, else inconclusive if any is; None where nothing was judged."""
    verdicts = {gate.verdict for gate in gates}
    for verdict in ("fail", "inconclusive", "pass"):
        if verdict in verdicts:
            return verdict
    return None
