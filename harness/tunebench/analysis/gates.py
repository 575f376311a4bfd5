"""Gates: a cell's result against its limits, a function a gate, and what each says.

A point is compared as it is. An interval can also leave the question open: then the verdict is
``inconclusive``, and the sentence says how many texts would settle it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Literal

from tunebench.statistics import texts_to_settle

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tunebench.analysis.regression import Regression
    from tunebench.analysis.uplift import Uplift
    from tunebench.evaluation import Result
    from tunebench.experiment import Limit

Verdict = Literal["pass", "fail", "inconclusive"]

# A drop counts where chance alone would show one as large less often than this.
LEVEL = 0.05
_MOST_TEXTS = 10_000_000


@dataclass(frozen=True)
class Judged:
    """What became of one limit of a cell.

    Attributes:
        gate: ``min_accuracy``, ``min_uplift``, ``max_cost`` or ``max_regression``.
        value: what was measured: an accuracy, an uplift, a cost of 1,000 answers, a drop.
        limit: what it must reach, or stay below.
        mode: ``point``, ``confident``, or ``paired`` for a regression, which has a test of its own.
        verdict: pass, fail or inconclusive.
        sentence: all that in words, with the cell's name.
    """

    gate: str
    value: float
    limit: float
    mode: str
    verdict: Verdict
    sentence: str

    def row(self) -> dict[str, Any]:
        """It as an entry of a cell's ``gates`` in ``results.json``."""
        return asdict(self)


def verdict_of(gates: Iterable[Judged]) -> Verdict | None:
    """Fail if any gate failed, else inconclusive if any is; None where nothing was judged."""
    verdicts = {gate.verdict for gate in gates}
    for verdict in ("fail", "inconclusive", "pass"):
        if verdict in verdicts:
            return verdict
    return None


def own_gates(result: Result) -> tuple[Judged, ...]:
    """The verdicts on the limits that a result decides alone: its accuracy and its cost."""
    judged: list[Judged] = []
    for limit in result.cell.limits:
        if limit.gate == "min_accuracy":
            judged.append(accuracy_gate(limit, result))
        elif limit.gate == "max_cost" and result.cost_per_1000 is not None:
            judged.append(cost_gate(limit, result, result.cost_per_1000))
    return tuple(judged)


def accuracy_gate(limit: Limit, result: Result) -> Judged:
    """The accuracy, or all of its Wilson interval, is the limit or above."""
    low, high = result.interval
    verdict = _verdict(limit, result.accuracy, low >= limit.value, high < limit.value)
    more = ""
    if verdict == "inconclusive":
        texts = texts_to_settle(result.correct, result.n, limit.value)
        more = _more(None if texts is None else max(texts, result.n + 1), result.n)
    return _judged(
        limit,
        result.accuracy,
        verdict,
        f"{result.cell}: accuracy {result.accuracy:.3f}, {result.correct} of {result.n} right "
        f"(95 % interval {low:.3f} to {high:.3f}), {_against(verdict, 'min_accuracy', limit)}"
        f"{more}",
    )


def uplift_gate(limit: Limit, uplift: Uplift) -> Judged:
    """The uplift is the limit or above; confident: all of its bootstrap interval is above."""
    verdict = _verdict(
        limit, uplift.difference, uplift.low > limit.value, uplift.high < limit.value
    )
    more = _more(_texts_for_uplift(limit, uplift), uplift.n) if verdict == "inconclusive" else ""
    return _judged(
        limit,
        uplift.difference,
        verdict,
        f"{uplift.cell}: uplift {uplift.difference:+.3f} over {uplift.other} on the same "
        f"{uplift.n} texts (95 % interval {uplift.low:+.3f} to {uplift.high:+.3f}, mid-p "
        f"{uplift.p:.2g}), {_against(verdict, 'min_uplift', limit)}{more}",
    )


def cost_gate(limit: Limit, result: Result, cost: float) -> Judged:
    """1,000 answers cost the limit or less."""
    verdict: Verdict = "pass" if cost <= limit.value else "fail"
    prices = result.prices
    currency = prices.currency if prices else ""
    return _judged(
        limit,
        cost,
        verdict,
        f"{result.cell}: 1,000 answers cost {cost:.4g} {currency}, "
        f"{'within' if verdict == 'pass' else 'above'} max_cost {limit.value:g}",
        mode="point",
    )


def regression_gate(limit: Limit, regression: Regression) -> Judged:
    """The accuracy fell no further below the baseline's than the limit, or only by chance.

    A drop above the limit fails where McNemar's mid-p value is below `LEVEL`, and is inconclusive
    else.
    """
    verdict: Verdict = "pass"
    if regression.drop > limit.value:
        verdict = "fail" if regression.p < LEVEL else "inconclusive"
    said = {
        "pass": f"within max_regression {limit.value:g}",
        "fail": f"above max_regression {limit.value:g}, and more than chance shows (below {LEVEL})",
        "inconclusive": f"above max_regression {limit.value:g}, but chance shows as much",
    }[verdict]
    return _judged(
        limit,
        regression.drop,
        verdict,
        f"{regression.cell}: accuracy {regression.accuracy:.3f} is {regression.drop:+.3f} below "
        f"the baseline's {regression.before:.3f} ({len(regression.lost)} texts lost, "
        f"{len(regression.gained)} gained, mid-p {regression.p:.2g}), {said}",
        mode="paired",
    )


def _judged(
    limit: Limit, value: float, verdict: Verdict, sentence: str, mode: str | None = None
) -> Judged:
    return Judged(limit.gate, value, limit.value, mode or limit.mode, verdict, f"{sentence}.")


def _verdict(limit: Limit, value: float, surely: bool, surely_not: bool) -> Verdict:
    if limit.mode == "point":
        return "pass" if value >= limit.value else "fail"
    if surely:
        return "pass"
    return "fail" if surely_not else "inconclusive"


def _against(verdict: Verdict, name: str, limit: Limit) -> str:
    what = "the interval " if limit.mode == "confident" else ""
    how = {"pass": "reaches", "fail": "is below", "inconclusive": "holds"}[verdict]
    if verdict == "pass" and limit.mode == "confident":
        how = "lies above"
    return f"{what}{how} {name} {limit.value:g}"


def _more(texts: int | None, n: int) -> str:
    if texts is None:
        return "; no number of texts would settle it as things stand"
    return f"; about {texts - n:,} more texts would settle it if the rates stay"


def _texts_for_uplift(limit: Limit, uplift: Uplift) -> int | None:
    """How many texts in all would settle an uplift against a limit."""
    if limit.value == 0:
        texts = uplift.texts_needed
    else:
        gap = uplift.difference - limit.value
        if gap == 0:
            return None
        # The interval shrinks with the root of the number of texts.
        end = uplift.low if gap > 0 else uplift.high
        texts = ceil(uplift.n * ((uplift.difference - end) / gap) ** 2)
    if texts is None or texts > _MOST_TEXTS:
        return None
    return max(texts, uplift.n + 1)
