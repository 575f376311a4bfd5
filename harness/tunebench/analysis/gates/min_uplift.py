"""``min_uplift``: the uplift over another cell is the limit or above, or its interval above it."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from tunebench.analysis.gates.base import Judged, by_mode, in_words, texts_to_add

if TYPE_CHECKING:
    from tunebench.analysis.gates.base import Sources
    from tunebench.analysis.uplift import Uplift
    from tunebench.evaluation import Result
    from tunebench.experiment import Limit

_MAX_TEXTS = 10_000_000


def judge(limit: Limit, result: Result, sources: Sources | None) -> Judged | None:
    """Judge by a comparison with the cell that the limit names."""
    if sources is None:
        return None
    assert limit.over is not None  # the experiment file is checked for it
    uplift = sources.compare(result, limit.over)
    verdict = by_mode(
        limit,
        uplift.difference,
        above=uplift.low > limit.value,
        below=uplift.high < limit.value,
    )
    more = ""
    if verdict == "inconclusive":
        more = texts_to_add(_texts_to_settle(limit, uplift), uplift.n)
    return Judged.of(
        limit,
        uplift.difference,
        verdict,
        f"{uplift.cell}: uplift {uplift.difference:+.3f} over {uplift.other} on the same "
        f"{uplift.n} texts (95 % interval {uplift.low:+.3f} to {uplift.high:+.3f}, "
        f"{uplift.p_in_words}), {in_words(verdict, limit)}{more}",
    )


def _texts_to_settle(limit: Limit, uplift: Uplift) -> int | None:
    """How many texts in all would tell an uplift from a limit."""
    if limit.value == 0:
        texts = uplift.texts_needed
    else:
        gap = uplift.difference - limit.value
        if gap == 0:
            return None
        # The interval shrinks with the root of the number of texts.
        end = uplift.low if gap > 0 else uplift.high
        texts = ceil(uplift.n * ((uplift.difference - end) / gap) ** 2)
    if texts is None or texts > _MAX_TEXTS:
        return None
    return max(texts, uplift.n + 1)
