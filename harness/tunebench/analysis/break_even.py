"""Break-even: after how many texts cheaper answers pay for the training; the price of accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebench.reports import BreakEven, checked, finite
from tunebench.statistics import break_even, cost_per_additional_correct

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunebench.reports import CellRow, Option

_A_POINT = 10  # further right answers of 1,000


def break_evens(rows: Sequence[CellRow]) -> list[BreakEven]:
    """Compare the costs of each fine-tuned cell with those of prompts of the same model.

    These are the one-shot cell of its own decision rule, and the model's best prompted cell of any
    rule; of two that are equally good, the cheaper one.
    """
    return [
        _entry(row, row.cost_per_1000, row.training_cost, over, over.cost_per_1000)
        for row in rows
        if row.train_size and row.cost_per_1000 is not None and row.training_cost is not None
        for over in _prompted_cells(row, rows)
        if over.cost_per_1000 is not None
    ]


def price_of_a_point(option: Option, over: Option) -> str:
    """What a point of accuracy costs with one option instead of another, a sentence.

    Empty where a price is not known, the currencies differ, or it is not more accurate.
    """
    cost, other = option.cost_per_1000, over.cost_per_1000
    if cost is None or other is None or option.currency != over.currency:
        return ""
    more = cost_per_additional_correct(cost - other, option.accuracy - over.accuracy)
    if more is None:
        return ""
    training = option.training_cost
    after = f", after {training:.3g} {option.currency} for the training" if training else ""
    if more <= 0:
        saved = f"{other - cost:.3g} {option.currency} less than" if more else "the same as"
        return f"1,000 answers cost {saved} {over.name}'s{after}."
    return (
        f"A point of accuracy over {over.name} costs {_A_POINT * more:.3g} {option.currency} for "
        f"1,000 answers{after}."
    )


def _prompted_cells(row: CellRow, rows: Sequence[CellRow]) -> list[CellRow]:
    rivals = [
        (other, other.cost_per_1000)
        for other in rows
        if (other.experiment, other.model) == (row.experiment, row.model)
        and not other.train_size
        and other.cost_per_1000 is not None
    ]
    one_shot = [
        other
        for other, _ in rivals
        if other.shots == 1 and other.decision_rule == row.decision_rule
    ]
    best = min(rivals, key=lambda one: (-one[0].accuracy, one[1]), default=None)
    return [*one_shot, *([best[0]] if best is not None and best[0] not in one_shot else [])]


def _entry(
    row: CellRow, tuned: float, training: float, over: CellRow, prompted: float
) -> BreakEven:
    currency = row.currency
    # Counted in whole texts, as rounding would make a difference of two shares.
    difference = (row.correct - over.correct) / row.n
    more = cost_per_additional_correct(tuned - prompted, difference)
    # A prompt that is calibrated is not free to set up either.
    calibration = (over.calibration and over.calibration.cost) or 0.0
    requests = break_even(max(training - calibration, 0.0), prompted / 1000, tuned / 1000)
    if requests is None:
        paid = (
            f"is never paid back by cheaper answers, as 1,000 of them cost {tuned:.4g} {currency} "
            f"and {over.cell}'s {prompted:.4g}"
        )
    else:
        paid = f"is paid back after {requests:,} texts by answers cheaper than {over.cell}'s"
    less = f" (less {calibration:.4g} for the calibration of {over.cell})" if calibration else ""
    gain = "" if more is None else f"; one more right answer costs {more:.4g} {currency}"
    fields = {
        "experiment": row.experiment,
        "cell": row.cell,
        "over": over.cell,
        "requests": requests,
        "training_cost": training,
        "cost_difference": tuned - prompted,
        "difference": difference,
        "cost_per_additional_correct": more,
        "currency": currency,
        "sentence": f"{row.cell}: its training, {training:.4g} {currency}{less}, {paid}{gain}.",
    }
    return checked(BreakEven, finite(fields))
