"""Break-even: after how many texts cheaper answers pay for the training, from ``results.json``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def break_evens(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Compare the costs of each fine-tuned cell with those of prompts of the same model.

    These are the one-shot cell of its own decision rule, and the model's best prompted cell of any
    rule; of two that are equally good, the cheaper one.

    Args:
        rows: ``cells`` of ``results.json``, without details.

    Returns:
        Entries of its ``break_evens``: ``experiment``, ``cell``, ``over``, ``requests`` of one
        text each after which the training is paid back (None for never), ``training_cost``,
        ``cost_difference`` (of 1,000 answers, the cell's minus the other's), ``difference`` (in
        accuracy), ``cost_per_additional_correct`` (None where it is not right more often),
        ``currency`` and ``sentence``.
    """
    rows = list(rows)
    return [
        _entry(row, over)
        for row in rows
        if row["train_size"] and None not in (row["cost_per_1000"], row["training_cost"])
        for over in _prompted_cells(row, rows)
    ]


def _prompted_cells(
    row: Mapping[str, Any], rows: list[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    rivals = [
        other
        for other in rows
        if (other["experiment"], other["model"]) == (row["experiment"], row["model"])
        and not other["train_size"]
        and other["cost_per_1000"] is not None
    ]
    one_shot = [
        other
        for other in rivals
        if other["shots"] == 1 and other["decision_rule"] == row["decision_rule"]
    ]
    best = min(rivals, key=lambda o: (-o["accuracy"], o["cost_per_1000"]), default=None)
    return [*one_shot, *([best] if best is not None and best not in one_shot else [])]


def _entry(row: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    from tunebench.statistics import break_even, cost_per_additional_correct

    training, currency = row["training_cost"], row["currency"]
    tuned, prompted = row["cost_per_1000"], over["cost_per_1000"]
    # Counted in whole texts, as rounding would make a difference of two shares.
    difference = (row["correct"] - over["correct"]) / row["n"]
    more = cost_per_additional_correct(tuned - prompted, difference)
    requests = break_even(training, prompted / 1000, tuned / 1000)
    if requests is None:
        paid = (
            f"is never paid back by cheaper answers, as 1,000 of them cost {tuned:.4g} {currency} "
            f"and {over['cell']}'s {prompted:.4g}"
        )
    else:
        paid = f"is paid back after {requests:,} texts by answers cheaper than {over['cell']}'s"
    gain = "" if more is None else f"; one more right answer costs {more:.4g} {currency}"
    return {
        "experiment": row["experiment"],
        "cell": row["cell"],
        "over": over["cell"],
        "requests": requests,
        "training_cost": training,
        "cost_difference": tuned - prompted,
        "difference": difference,
        "cost_per_additional_correct": more,
        "currency": currency,
        "sentence": f"{row['cell']}: its training, {training:.4g} {currency}, {paid}{gain}.",
    }
