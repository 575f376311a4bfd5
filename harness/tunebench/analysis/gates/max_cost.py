"""``max_cost``: 1,000 answers cost the limit or less."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebench.analysis.gates.base import Judged
from tunebench.errors import CellError

if TYPE_CHECKING:
    from tunebench.analysis.gates.base import Sources, Verdict
    from tunebench.evaluation import Result
    from tunebench.experiment import Limit


def judge(limit: Limit, result: Result, sources: Sources | None) -> Judged | None:
    """Judge by the result alone, which needs prices."""
    cost, prices = result.cost_per_1000, result.prices
    if cost is None or prices is None:
        if sources is None:
            return None
        raise CellError(
            "its cost is not known", where=str(result.cell), hint="give its model prices"
        )
    verdict: Verdict = "pass" if cost <= limit.value else "fail"
    return Judged.of(
        limit,
        cost,
        verdict,
        f"{result.cell}: 1,000 answers cost {cost:.4g} {prices.currency}, "
        f"{'within' if verdict == 'pass' else 'above'} {limit.gate} {limit.value:g}",
        mode="point",
    )
