"""The verdict on one limit, and what gates share."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunebench.analysis.uplift import Uplift
    from tunebench.evaluation import Result
    from tunebench.experiment import Limit

Verdict = Literal["pass", "fail", "inconclusive"]


@dataclass(frozen=True)
class Judged:
    """The verdict on one limit of a cell.

    Attributes:
        gate: the limit's key in ``[[threshold]]``, as ``min_accuracy``.
        value: what was measured: an accuracy, an uplift, a cost of 1,000 answers, a drop.
        limit: the limit.
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

    @classmethod
    def of(
        cls, limit: Limit, value: float, verdict: Verdict, sentence: str, mode: str | None = None
    ) -> Judged:
        """The verdict on a limit; the sentence is without its full stop."""
        return cls(limit.gate, value, limit.value, mode or limit.mode, verdict, f"{sentence}.")

    def row(self) -> dict[str, Any]:
        """It as an entry of a cell's ``gates`` in ``results.json``."""
        return asdict(self)


@dataclass(frozen=True)
class Sources:
    """Where gates find what a result alone does not have.

    Attributes:
        compare: compares the result with that of another cell of its experiment, given by id.
        recording: whether the run records; what the baseline lacks is then not an error.
    """

    compare: Callable[[Result, str], Uplift]
    recording: bool = False


def by_mode(limit: Limit, value: float, *, above: bool, below: bool) -> Verdict:
    """The verdict on a value that must be the limit or more.

    Args:
        limit: the limit; its mode decides.
        value: compared as it is by the mode ``point``.
        above: whether all of its interval is above the limit.
        below: whether all of it is below.
    """
    if limit.mode == "point":
        return "pass" if value >= limit.value else "fail"
    if above:
        return "pass"
    return "fail" if below else "inconclusive"


def in_words(verdict: Verdict, limit: Limit) -> str:
    """How a value or its interval lies to the limit."""
    what = "the interval " if limit.mode == "confident" else ""
    how = {"pass": "reaches", "fail": "is below", "inconclusive": "holds"}[verdict]
    if verdict == "pass" and limit.mode == "confident":
        how = "lies above"
    return f"{what}{how} {limit.gate} {limit.value:g}"


def texts_to_add(texts: int | None, n: int) -> str:
    """How many more texts than n would settle an open question."""
    if texts is None:
        return "; no number of texts would settle it as things stand"
    return f"; about {texts - n:,} more texts would settle it if the rates stay"
