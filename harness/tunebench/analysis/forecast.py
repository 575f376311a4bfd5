"""Forecasts: the accuracy to expect with more training rows, from ``results.json``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from tunebench.reports import DataNeed, checked, finite
from tunebench.statistics import NoForecast, forecast_doubling

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tunebench.reports import CellRow


def data_needs_of(rows: Iterable[CellRow]) -> list[DataNeed]:
    """A forecast, or the reason for none, for each fine-tuned model and decision rule.

    They are in the order of the cells. The runs of one training size count one by one.
    """
    series: dict[tuple[str, str, str], list[CellRow]] = {}
    for row in rows:
        if row.train_size:
            key = (row.experiment, row.model, row.decision_rule)
            series.setdefault(key, []).append(row)
    return [_need(same) for same in series.values()]


def _need(rows: Sequence[CellRow]) -> DataNeed:
    first = rows[0]
    sizes = [row.train_size for row in rows]
    found = forecast_doubling(sizes, [row.correct for row in rows], [row.n for row in rows], seed=0)
    title = f"{first.model}, {first.decision_rule}"
    if isinstance(found, NoForecast):
        numbers, sentence = {}, f"{title}: {found.reason}."
    else:
        numbers = asdict(found)
        sentence = (
            f"{title}: with {found.next_size:,} rows the accuracy to expect is "
            f"{found.expected_accuracy:.3f} (95 % interval {found.low:.3f} to {found.high:.3f}), "
            "if the error falls with a power of the training size."
        )
    names = {
        "experiment": first.experiment,
        "model": first.model,
        "decision_rule": first.decision_rule,
        "sentence": sentence,
    }
    # A fit may end in infinity, for which JSON has no number.
    return checked(DataNeed, finite(numbers | names))
