"""The answer of an experiment: fine-tune or not, on how many rows, how sure.

It is made of the document of ``results.json`` alone. The best prompted cell, of any model and
decision rule, stands for prompting; it is chosen on the same texts that decide, which favours it.
The smallest training size that more rows are not shown to beat stands for fine-tuning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from tunebench.analysis.comparison import Comparison
from tunebench.evaluation import RULES
from tunebench.statistics import holm

Decision = Literal["fine-tune", "prompt", "undecided"]
Row = Mapping[str, Any]

_LEVEL = 0.05
_SMALLEST_P = 0.001  # a smaller p-value is shown as such


def answers_of(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The answers of all experiments that have fine-tuned and prompted cells.

    Args:
        document: of ``results.json``, version 2.

    Returns:
        For each experiment ``experiment``, ``decision``, ``sentence`` and ``evidence``, a list of
        sentences.
    """
    found = []
    for experiment in document["experiments"]:
        rows, rivals = (
            [row for row in document.get(part) or () if row["experiment"] == experiment["name"]]
            for part in ("cells", "baselines")
        )
        prompted = [row for row in rows if not row["train_size"]]
        tuned = [row for row in rows if row["train_size"]]
        if prompted and tuned:
            found.append(_answer(experiment, prompted, tuned, rivals))
    return found


def _answer(
    experiment: Row, prompted: Sequence[Row], tuned: Sequence[Row], rivals: Sequence[Row]
) -> dict[str, Any]:
    prompt = max(prompted, key=lambda row: row["correct"])
    best = max(tuned, key=lambda row: (row["correct"], -row["train_size"]))
    chosen = _smallest(best, tuned, experiment)
    uplift = _compared(chosen, prompt, experiment)
    # The comparison that decides is one of as many as there are fine-tuned cells.
    family = [_compared(row, prompt, experiment).p for row in tuned]
    p = holm(family)[list(tuned).index(chosen)]
    decision = _decision(uplift, p)
    return {
        "experiment": experiment["name"],
        "decision": decision,
        "cell": chosen["cell"],
        "over": prompt["cell"],
        "sentence": _sentence(decision, chosen, prompt, uplift, p),
        "evidence": [
            *_size_evidence(chosen, best, experiment),
            *_rival_evidence(chosen, rivals, experiment),
            *_noise_evidence(experiment, prompted, uplift),
        ],
    }


def _compared(first: Row, other: Row, experiment: Row) -> Comparison:
    """The answers of one row compared with those of another."""
    right, other_right = (
        {
            item: prediction == label
            for item, prediction, label in zip(
                experiment["items"], row["predictions"], experiment["label_ids"], strict=True
            )
        }
        for row in (first, other)
    )
    return Comparison.paired(right, other_right)


def _smallest(best: Row, tuned: Sequence[Row], experiment: Row) -> Row:
    """The smallest size of the best cell's model and rule that the best is not shown to beat."""
    same = [
        row
        for row in tuned
        if (row["model"], row["decision_rule"]) == (best["model"], best["decision_rule"])
    ]
    by_size = sorted(same, key=lambda row: row["train_size"])
    return next(
        row for row in by_size if row is best or _compared(best, row, experiment).p >= _LEVEL
    )


def _decision(uplift: Comparison, p: float) -> Decision:
    if p >= _LEVEL or uplift.low <= 0 <= uplift.high:
        return "undecided"
    return "fine-tune" if uplift.difference > 0 else "prompt"


def _sentence(decision: Decision, chosen: Row, prompt: Row, uplift: Comparison, p: float) -> str:
    right = f"{_named(chosen)} gets {chosen['correct']} of {chosen['n']} right"
    other = f"the best prompt, {_named(prompt)}, gets {prompt['correct']}"
    equal = "= " if p >= _SMALLEST_P else ""
    gain = f"That is {_in_points(uplift)}, p {equal}{_shown_p(p)} after Holm's correction"
    if decision == "fine-tune":
        return f"Fine-tune: {right}; {other}. {gain}."
    if decision == "prompt":
        return f"Do not fine-tune: {right}, and {other}. {gain}."
    more = (
        "no number of texts would show a difference that is not there"
        if uplift.texts_needed is None
        else f"to see such a difference would take about {uplift.texts_needed:,} texts"
    )
    return f"Undecided: {right}, and {other}. {gain}; {more}."


def _size_evidence(chosen: Row, best: Row, experiment: Row) -> list[str]:
    if chosen is best:
        return []
    comparison = _compared(best, chosen, experiment)
    return [
        f"More training rows are not seen to help: {_named(best)} gets {best['correct']}, "
        f"{_in_points(comparison)} over {chosen['train_size']:,} rows on {comparison.n} texts."
    ]


def _rival_evidence(chosen: Row, rivals: Sequence[Row], experiment: Row) -> list[str]:
    """A comparison with the best rival of the same training size."""
    same = [
        row
        for row in rivals
        if row["train_size"] == chosen["train_size"] and row.get("predictions")
    ]
    if not same:
        return []
    rival = max(same, key=lambda row: row["correct"])
    comparison = _compared(chosen, rival, experiment)
    if comparison.p >= _LEVEL:
        shown = "is not shown to beat it"
    else:
        shown = "beats it" if comparison.difference > 0 else "is beaten by it"
    return [
        f"The best rival on the same {rival['train_size']:,} rows, {rival['model']}, gets "
        f"{rival['correct']}: fine-tuning {shown}, {_in_points(comparison)}."
    ]


def _noise_evidence(experiment: Row, prompted: Sequence[Row], uplift: Comparison) -> list[str]:
    rate = experiment["majority_rate"]
    below = sum(row["ci_low"] <= rate for row in prompted)
    return [
        f"Always giving the most frequent label gets {rate:.2f}; {below} of the {len(prompted)} "
        "prompted cells are not shown to be better than that.",
        f"All of this rests on {uplift.n:,} texts, of which "
        f"{uplift.only_first + uplift.only_other} tell the two apart.",
    ]


def _named(row: Row) -> str:
    """A cell in words."""
    if row["train_size"]:
        how = f"fine-tuned on {row['train_size']:,} rows"
    elif row["shots"]:
        how = f"with {row['shots']} worked example" + ("s" if row["shots"] > 1 else "")
    else:
        how = "without a worked example"
    rule = RULES[row["decision_rule"]].described
    return f"{row['model']} {how}" + (f", {rule}" if rule else "")


def _in_points(comparison: Comparison) -> str:
    """A difference in percentage points, with its interval and p-value."""
    low, high = (f"{round(end * 100):+d}" for end in (comparison.low, comparison.high))
    return (
        f"{comparison.difference * 100:+.0f} points (95 % interval {low} to {high}, "
        f"mid-p {_shown_p(comparison.p)})"
    )


def _shown_p(p: float) -> str:
    return f"{p:.2g}" if p >= _SMALLEST_P else f"< {_SMALLEST_P}"
