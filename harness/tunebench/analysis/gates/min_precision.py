"""``min_precision``: the precision of a label, or all of its interval, is the limit or above.

Where no answer states the label there is nothing to be precise about: the value is 0, as in
scikit-learn, and by the mode ``confident`` the question is open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebench.analysis.gates.base import Judged, by_mode, judge_label

if TYPE_CHECKING:
    from tunebench.analysis.gates.base import Sources
    from tunebench.evaluation import Result
    from tunebench.experiment import Limit


def judge(limit: Limit, result: Result, _: Sources | None) -> Judged:
    """Judge by the result alone."""
    judged = judge_label(limit, result, "prediction")
    if judged is not None:
        return judged
    verdict = by_mode(limit, 0.0, above=limit.value == 0, below=False)
    said = f"no answer is {limit.label!r}, so its precision counts as 0"
    if limit.mode == "confident":
        said = f"no answer is {limit.label!r}, so its precision is open"
    return Judged.of(limit, 0.0, verdict, f"{result.cell}: {said}, for {limit.key} {limit.value:g}")
