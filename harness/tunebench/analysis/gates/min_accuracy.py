"""``min_accuracy``: the accuracy, or all of its Wilson interval, is the limit or above."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebench.analysis.gates.base import Judged, by_mode, in_words, texts_to_add
from tunebench.statistics import texts_to_settle

if TYPE_CHECKING:
    from tunebench.analysis.gates.base import Sources
    from tunebench.evaluation import Result
    from tunebench.experiment import Limit


def judge(limit: Limit, result: Result, _: Sources | None) -> Judged:
    """Judge by the result alone."""
    low, high = result.interval
    verdict = by_mode(limit, result.accuracy, above=low >= limit.value, below=high < limit.value)
    more = ""
    if verdict == "inconclusive":
        texts = texts_to_settle(result.correct, result.n, limit.value)
        more = texts_to_add(None if texts is None else max(texts, result.n + 1), result.n)
    return Judged.of(
        limit,
        result.accuracy,
        verdict,
        f"{result.cell}: accuracy {result.accuracy:.3f}, {result.correct} of {result.n} right "
        f"(95 % interval {low:.3f} to {high:.3f}), {in_words(verdict, limit)}{more}",
    )
