"""Forecasts: the accuracy to expect with more training rows, from ``results.json``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tunebench.statistics import NoForecast, forecast_doubling

if TYPE_CHECKING:
    from collections.abc import Mapping


def data_needs_of(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A forecast, or the reason for none, for each fine-tuned model and decision rule.

    Args:
        document: of ``results.json``, version 2.

    Returns:
        Rows with ``experiment``, ``model``, ``decision_rule``, ``sentence`` and, if there is a
        forecast, its numbers; in the order of the cells.
    """
    series: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for row in document["cells"]:
        if row["train_size"]:
            key = (row["experiment"], row["model"], row["decision_rule"])
            series.setdefault(key, []).append(row)
    return [_need(key, rows) for key, rows in series.items()]


def _need(key: tuple[str, str, str], rows: list[Mapping[str, Any]]) -> dict[str, Any]:
    names = dict(zip(("experiment", "model", "decision_rule"), key, strict=True))
    sizes = [row["train_size"] for row in rows]
    correct, n = [row["correct"] for row in rows], [row["n"] for row in rows]
    found = forecast_doubling(sizes, correct, n, seed=0)
    title = f"{names['model']}, {names['decision_rule']}"
    if isinstance(found, NoForecast):
        return names | {"sentence": f"{title}: {found.reason}."}
    sentence = (
        f"{title}: with {found.next_size:,} rows the accuracy to expect is "
        f"{found.expected_accuracy:.3f} (95 % interval {found.low:.3f} to {found.high:.3f}), if "
        "the error falls with a power of the training size."
    )
    return names | asdict(found) | {"sentence": sentence}
