"""The answer of an experiment: fine-tune or not, on how many rows, how sure.

It is read from the document of ``results.json`` alone. The best prompted cell, of any model and
either decision rule, stands for prompting, and is chosen by the very texts that decide, which
favours it. For fine-tuning stands the smallest training size that more rows are not seen to beat.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tunebench.statistics import holm, mcnemar_mid_p, paired_bootstrap, texts_needed

Decision = Literal["fine-tune", "prompt", "undecided"]
Row = Mapping[str, Any]

_LEVEL = 0.05
# Below it a p-value is told as such.
_SMALLEST_P = 0.001


@dataclass(frozen=True)
class Comparison:
    """One row's answers against another's on the same texts.

    Attributes:
        n: how many texts.
        only_first: right by the first only.
        only_other: right by the other only.
        low: lower end of the uplift's 95 % interval.
        high: its upper end.
        p: McNemar's mid-p value.
    """

    n: int
    only_first: int
    only_other: int
    low: float
    high: float
    p: float

    @classmethod
    def of(cls, first: Row, other: Row, labels: Sequence[int]) -> Comparison:
        """Compare two rows with predictions in the order of the labels."""
        right = [p == label for p, label in zip(first["predictions"], labels, strict=True)]
        other_right = [p == label for p, label in zip(other["predictions"], labels, strict=True)]
        pairs = list(zip(right, other_right, strict=True))
        only_first, only_other = pairs.count((True, False)), pairs.count((False, True))
        low, high = paired_bootstrap(right, other_right, seed=0)
        p = mcnemar_mid_p(only_first, only_other)
        return cls(len(labels), only_first, only_other, low, high, p)

    @property
    def gained(self) -> int:
        """How many more texts the first got right."""
        return self.only_first - self.only_other

    def told(self) -> str:
        """The uplift in texts, its interval and its p-value."""
        low, high = (f"{round(end * 100):+d}" for end in (self.low, self.high))
        return (
            f"{self.gained / self.n * 100:+.0f} points (95 % interval {low} to {high}, "
            f"mid-p {_p(self.p)})"
        )


def answers_of(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The answers of all experiments with fine-tuned and with prompted cells.

    Args:
        document: of ``results.json``, version 2.

    Returns:
        For each experiment ``experiment``, ``decision``, ``sentence`` and ``evidence``, a list of
        sentences.
    """
    found = []
    for experiment in document["experiments"]:
        rows = [row for row in document["cells"] if row["experiment"] == experiment["name"]]
        prompted = [row for row in rows if not row["train_size"]]
        tuned = [row for row in rows if row["train_size"]]
        if prompted and tuned:
            yardsticks = [
                row
                for row in document.get("baselines") or ()
                if row["experiment"] == experiment["name"] and row.get("predictions")
            ]
            found.append(_answer(experiment, prompted, tuned, yardsticks))
    return found


def _answer(
    experiment: Row, prompted: Sequence[Row], tuned: Sequence[Row], yardsticks: Sequence[Row]
) -> dict[str, Any]:
    labels = experiment["label_ids"]
    prompt = max(prompted, key=lambda row: row["correct"])
    best = max(tuned, key=lambda row: (row["correct"], -row["train_size"]))
    chosen, larger = _smallest(best, tuned, labels)
    against = Comparison.of(chosen, prompt, labels)
    # What decides is one of as many comparisons as there are fine-tuned cells.
    family = [Comparison.of(row, prompt, labels).p for row in tuned]
    p = holm(family)[list(tuned).index(chosen)]
    decision = _decision(against, p)
    return {
        "experiment": experiment["name"],
        "decision": decision,
        "cell": chosen["cell"],
        "over": prompt["cell"],
        "sentence": _sentence(decision, chosen, prompt, against, p),
        "evidence": [
            *_size_evidence(chosen, larger, labels),
            *_yardstick_evidence(chosen, yardsticks, labels),
            *_noise_evidence(experiment, prompted, against),
        ],
    }


def _smallest(
    best: Row, tuned: Sequence[Row], labels: Sequence[int]
) -> tuple[Row, tuple[Row, Comparison] | None]:
    """The smallest size of the best cell's model and rule that the best is not seen to beat."""
    same = [
        row
        for row in tuned
        if (row["model"], row["decision_rule"]) == (best["model"], best["decision_rule"])
    ]
    for row in sorted(same, key=lambda row: row["train_size"]):
        comparison = Comparison.of(best, row, labels)
        if row is best:
            return row, None
        if comparison.p >= _LEVEL:
            return row, (best, comparison)
    return best, None


def _decision(against: Comparison, p: float) -> Decision:
    if p >= _LEVEL or against.low <= 0 <= against.high:
        return "undecided"
    return "fine-tune" if against.gained > 0 else "prompt"


def _sentence(decision: Decision, chosen: Row, prompt: Row, against: Comparison, p: float) -> str:
    right = f"{chosen['correct']} of {chosen['n']} right"
    other = f"the best prompt, {_named(prompt)}, gets {prompt['correct']}"
    equal = "= " if p >= _SMALLEST_P else ""
    after = f"p {equal}{_p(p)} after Holm's correction"
    if decision == "fine-tune":
        return (
            f"Fine-tune: {_named(chosen)} gets {right}; {other}. That is {against.told()}, {after}."
        )
    if decision == "prompt":
        return (
            f"Do not fine-tune: {_named(chosen)} gets {right}, and {other}. That is "
            f"{against.told()}, {after}."
        )
    needed = texts_needed(against.only_first / against.n, against.only_other / against.n)
    more = (
        "no number of texts would show a difference that is not there"
        if needed is None
        else f"to see such a difference would take about {needed:,} texts"
    )
    return (
        f"Undecided: {_named(chosen)} gets {right}, and {other}. That is {against.told()}, "
        f"{after}; {more}."
    )


def _size_evidence(
    chosen: Row, larger: tuple[Row, Comparison] | None, labels: Sequence[int]
) -> list[str]:
    if larger is None:
        return []
    best, comparison = larger
    return [
        f"More training rows are not seen to help: {_named(best)} gets {best['correct']}, "
        f"{comparison.told()} over {chosen['train_size']:,} rows on {len(labels)} texts."
    ]


def _yardstick_evidence(chosen: Row, yardsticks: Sequence[Row], labels: Sequence[int]) -> list[str]:
    found = []
    for row in yardsticks:
        if row["train_size"] == chosen["train_size"]:
            comparison = Comparison.of(chosen, row, labels)
            found.append(
                f"The yardstick {row['model']} on the same {row['train_size']:,} rows, which needs "
                f"no language model at all, gets {row['correct']}: fine-tuning "
                f"{_shown(comparison)}, {comparison.told()}."
            )
    return found


def _shown(comparison: Comparison) -> str:
    if comparison.p >= _LEVEL:
        return "is not shown to beat it"
    return "beats it" if comparison.gained > 0 else "is beaten by it"


def _noise_evidence(experiment: Row, prompted: Sequence[Row], against: Comparison) -> list[str]:
    rate = experiment["majority_rate"]
    below = sum(row["ci_low"] <= rate for row in prompted)
    return [
        f"Always giving the most frequent label gets {rate:.2f}; {below} of the {len(prompted)} "
        "prompted cells are not shown to be better than that.",
        f"All of this rests on {against.n:,} texts, of which "
        f"{against.only_first + against.only_other} tell the two apart.",
    ]


def _named(row: Row) -> str:
    """A cell in words."""
    if row["train_size"]:
        how = f"fine-tuned on {row['train_size']:,} rows"
    elif row["shots"]:
        how = f"with {row['shots']} worked example" + ("s" if row["shots"] > 1 else "")
    else:
        how = "without a worked example"
    rule = "" if row["decision_rule"] == "text" else ", read by the likeliest label"
    return f"{row['model']} {how}{rule}"


def _p(p: float) -> str:
    return f"{p:.2g}" if p >= _SMALLEST_P else f"< {_SMALLEST_P}"
