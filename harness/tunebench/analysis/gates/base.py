"""The verdict on one limit, and what gates share."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Literal

from tunebench.statistics import (
    clustered_interval,
    confusion_matrix,
    effective_texts,
    texts_to_settle,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tunebench.analysis.uplift import Uplift
    from tunebench.evaluation import Result
    from tunebench.experiment import Limit

Verdict = Literal["pass", "fail", "inconclusive"]


@dataclass(frozen=True)
class Judged:
    """The verdict on one limit of a cell.

    Attributes:
        gate: the limit's key in ``[[threshold]]``, as ``min_accuracy`` or ``min_recall.Spam``.
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
        return cls(limit.key, value, limit.value, mode or limit.mode, verdict, f"{sentence}.")

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
    return f"{what}{how} {limit.key} {limit.value:g}"


def texts_to_add(texts: int | None, n: int, which: str = "texts") -> str:
    """How many more texts than n would settle an open question."""
    if texts is None:
        return f"; no number of {which} would settle it as things stand"
    return f"; about {texts - n:,} more {which} would settle it if the rates stay"


def judge_share(
    limit: Limit, right: Sequence[bool], groups: Sequence[int] | None, which: str = "texts"
) -> tuple[float, Verdict, str]:
    """The share of what is right, the verdict on it, and the end of its sentence.

    Args:
        limit: the limit.
        right: for each text whether it counts; one or more.
        groups: for each its group; None where texts have none.
        which: the texts, for the sentence.
    """
    n, correct = len(right), sum(right)
    low, high = clustered_interval(right, groups)
    verdict = by_mode(limit, correct / n, above=low >= limit.value, below=high < limit.value)
    more = ""
    if verdict == "inconclusive":
        texts = texts_to_settle(correct, n, limit.value)
        if texts is not None:  # of texts in groups it takes more, as far as these are like others
            alone = n if groups is None else effective_texts(right, groups)
            texts = max(ceil(texts * n / alone), n + 1)
        more = texts_to_add(texts, n, which)
    said = f"(95 % interval {low:.3f} to {high:.3f}), {in_words(verdict, limit)}{more}"
    return correct / n, verdict, said


def judge_label(limit: Limit, result: Result, of: str) -> Judged | None:
    """Judge the recall or the precision of the limit's label by the result alone.

    Args:
        limit: the limit.
        result: the result.
        of: what the label is of, for a recall ``label``, for a precision ``prediction``.

    Returns:
        None if nothing has that label.
    """
    labels, predictions = result.judgements["label"].tolist(), result.predictions
    wanted = result.cell.experiment.task.labels.index(str(limit.label))
    has = labels if of == "label" else predictions
    chosen = [i for i, label in enumerate(has) if label == wanted]
    if not chosen:
        return None
    right = [labels[i] == predictions[i] for i in chosen]
    groups = None if result.groups is None else [result.groups[i] for i in chosen]
    name, which = ("recall", "texts") if of == "label" else ("precision", "answers")
    which = f"{which} {limit.label!r}"
    value, verdict, said = judge_share(limit, right, groups, which)
    return Judged.of(
        limit,
        value,
        verdict,
        f"{result.cell}: {name} of {limit.label!r} {value:.3f}, {sum(right)} of {len(right)} "
        f"{which} right {said}",
    )


def judge_score(limit: Limit, result: Result, name: str, value: float, n: int) -> Judged:
    """Judge a score of n texts that must be the limit or more, as it is."""
    verdict: Verdict = "pass" if value >= limit.value else "fail"
    said = f"{name} {value:.3f} of {n} texts, {in_words(verdict, limit)}"
    return Judged.of(limit, value, verdict, f"{result.cell}: {said}", mode="point")


def confusion_of(result: Result) -> list[list[int]]:
    """The confusion matrix of a result."""
    labels = result.judgements["label"].tolist()
    return confusion_matrix(labels, result.predictions, len(result.cell.experiment.task.labels))
