"""``min_accuracy``: the accuracy, or all of its interval, is the limit or above."""

from __future__ import annotations

from math import ceil
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
        if texts is not None:  # of texts in groups it takes more, as far as these are like others
            texts = max(ceil(texts * result.n / result.effective_n), result.n + 1)
        more = texts_to_add(texts, result.n)
    return Judged.of(
        limit,
        result.accuracy,
        verdict,
        f"{result.cell}: accuracy {result.accuracy:.3f}, {result.correct} of {result.n} right "
        f"(95 % interval {low:.3f} to {high:.3f}), {in_words(verdict, limit)}{more}",
    )
