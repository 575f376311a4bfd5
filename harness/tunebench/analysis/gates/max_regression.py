"""``max_regression``: the accuracy fell no further below the baseline's, or only by chance.

A drop above the limit fails where the comparison's p-value is below 0.05, and is otherwise
inconclusive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebench.analysis.comparison import LEVEL
from tunebench.analysis.gates.base import Judged
from tunebench.analysis.regression import regression_of
from tunebench.errors import CellError

if TYPE_CHECKING:
    from tunebench.analysis.gates.base import Sources, Verdict
    from tunebench.evaluation import Result
    from tunebench.experiment import Limit

_IN_WORDS = {
    "pass": "within {gate} {value:g}",
    "fail": "above {gate} {value:g}, and more than chance shows (below {level})",
    "inconclusive": "above {gate} {value:g}, but chance shows as much",
}


def judge(limit: Limit, result: Result, sources: Sources | None) -> Judged | None:
    """Judge by a comparison with the committed baseline."""
    if sources is None:
        return None
    regression = regression_of(result)
    if regression is None:
        if sources.recording:  # the baseline will be made of it
            return None
        raise CellError(
            f"{limit.gate} needs a committed baseline, and {result.cell.experiment.baseline} "
            "has none of this cell",
            where=str(result.cell),
            hint="write it with `tunebench baseline`",
        )
    verdict: Verdict = "pass"
    if regression.drop > limit.value:
        verdict = "fail" if regression.p < LEVEL else "inconclusive"
    way = "below" if regression.drop > 0 else "above"
    place = f"{abs(regression.drop):.3f} {way}" if regression.drop else "equal to"
    said = _IN_WORDS[verdict].format(gate=limit.gate, value=limit.value, level=LEVEL)
    return Judged.of(
        limit,
        regression.drop,
        verdict,
        f"{regression.cell}: accuracy {regression.accuracy:.3f} is {place} "
        f"the baseline's {regression.before:.3f} ({regression.only_other} texts lost, "
        f"{regression.only_first} gained, {regression.p_in_words}), {said}",
        mode="paired",
    )
