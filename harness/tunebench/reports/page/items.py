"""Every text with the answer of every cell: as a table, and as data for the page's script."""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunebench.reports.page.sections import short

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Row = Mapping[str, Any]

# What the table holds without a script; the script has all.
MOST_ANSWERS = 12_000
_ROWS, _COLUMNS = 100, 24
# What the script has. A page of more than this would be slow to open.
MOST_IN_SCRIPT = 3_000_000
MOST_MATRICES = 60
_DIGITS = string.digits + string.ascii_letters
_PREFIX = 8


@dataclass(frozen=True)
class Answer:
    """What a cell answered to one text.

    Attributes:
        text: the label, or that there is none.
        kind: right, wrong or none.
    """

    text: str
    kind: str


def items_view(
    experiment: Row, cells: Sequence[Row], texts: Mapping[str, str] | None
) -> dict[str, Any] | None:
    """The table of the items and the script's data; None where the results hold no answers."""
    items, truth = experiment.get("items") or [], experiment.get("label_ids") or []
    told = [cell for cell in cells if len(cell.get("predictions") or ()) == len(items)]
    if not items or len(truth) != len(items) or not told:
        return None
    labels = [str(label) for label in experiment.get("labels") or ()]
    rows, columns = len(items), len(told)
    if rows * columns > MOST_ANSWERS:
        rows, columns = min(rows, _ROWS), min(columns, _COLUMNS)
    kept = min(len(items), max(1, MOST_IN_SCRIPT // len(told)))
    hashes: list[list[str]] = []
    data = {
        "labels": labels,
        "items": items[:kept],
        "truth": _packed(truth[:kept], labels),
        "cells": [
            {
                "name": cell["cell"],
                "model": cell["model"],
                "short": short(cell),
                "answers": _packed(cell["predictions"][:kept], labels),
                "prompts": _place(hashes, _prompts(cell, len(items))[:kept]),
            }
            for cell in told
        ],
        "hashes": hashes,
        "texts": None if texts is None else [texts.get(item, "") for item in items[:kept]],
    }
    hashed = next((cell for cell in told if _prompts(cell, len(items))), None)
    prompts = _prompts(hashed, len(items)) if hashed else []
    return {
        "groups": _groups(told[:columns]),
        "columns": [{"name": cell["cell"], "short": short(cell)} for cell in told[:columns]],
        "hashed": hashed["cell"] if hashed else None,
        "rows": [
            {
                "item": items[i],
                "prompt": prompts[i] if prompts else None,
                "label": label_name(truth[i], labels),
                "text": None if texts is None else texts.get(items[i], ""),
                "right": sum(cell["predictions"][i] == truth[i] for cell in told),
                "answers": [
                    _answer(cell["predictions"][i], truth[i], labels) for cell in told[:columns]
                ],
            }
            for i in range(rows)
        ],
        "labels": labels,
        "cells": [cell["cell"] for cell in told],
        "total": len(items),
        "kept": kept,
        "left_out": len(cells) - len(told),
        "bounded": rows < len(items) or columns < len(told),
        "data": data,
    }


def confusion_views(experiment: Row, cells: Sequence[Row]) -> dict[str, Any] | None:
    """The confusion matrix of each cell whose answers are known; None where none is."""
    labels = [str(label) for label in experiment.get("labels") or ()]
    truth = experiment.get("label_ids") or []
    views = []
    for cell in cells:
        matrix = cell.get("confusion") or _counted(cell.get("predictions"), truth, len(labels))
        if not labels or not matrix or len(matrix) != len(labels):
            continue
        views.append(
            {
                "cell": cell["cell"],
                "rows": [
                    {"label": label, "counts": [(count, _shade(count, row)) for count in row]}
                    for label, row in zip(labels, matrix, strict=True)
                ],
            }
        )
    if not views:
        return None
    return {"labels": labels, "matrices": views[:MOST_MATRICES], "total": len(views)}


def label_name(label: int | None, labels: Sequence[str]) -> str:
    """A label by its id."""
    if label is None:
        return "no label"
    return labels[label] if 0 <= label < len(labels) else str(label)


def _answer(prediction: int | None, truth: int, labels: Sequence[str]) -> Answer:
    if prediction is None:
        return Answer("no label", "none")
    return Answer(label_name(prediction, labels), "right" if prediction == truth else "wrong")


def _packed(ids: Sequence[int | None], labels: Sequence[str]) -> str | list[int]:
    """One character an answer where the labels are few enough; -1 or a dash for none."""
    if len(labels) <= len(_DIGITS) and all(i is None or 0 <= i < len(_DIGITS) for i in ids):
        return "".join("-" if i is None else _DIGITS[i] for i in ids)
    return [-1 if i is None else i for i in ids]


def _prompts(cell: Row, n: int) -> list[str]:
    hashes = cell.get("prompt_sha256") or []
    return [str(text)[:_PREFIX] for text in hashes] if len(hashes) == n else []


def _place(known: list[list[str]], hashes: list[str]) -> int | None:
    """Where a list stands among those known; cells that ask the same prompts share one."""
    if not hashes:
        return None
    if hashes not in known:
        known.append(hashes)
    return known.index(hashes)


def _groups(cells: Sequence[Row]) -> list[tuple[str, int]]:
    """Runs of cells of one model."""
    groups: list[tuple[str, int]] = []
    for cell in cells:
        if groups and groups[-1][0] == cell["model"]:
            groups[-1] = (cell["model"], groups[-1][1] + 1)
        else:
            groups.append((cell["model"], 1))
    return groups


def _counted(
    predictions: Sequence[int | None] | None, truth: Sequence[int], labels: int
) -> list[list[int]] | None:
    if not predictions or len(predictions) != len(truth):
        return None
    matrix = [[0] * (labels + 1) for _ in range(labels)]
    for label, prediction in zip(truth, predictions, strict=True):
        if not 0 <= label < labels:
            return None
        known = prediction is not None and 0 <= prediction < labels
        matrix[label][prediction if known and prediction is not None else labels] += 1
    return matrix


def _shade(count: int, row: Sequence[int]) -> int:
    """How dark a count is shown, 0 to 9, by its share of its row."""
    return round(9 * count / max(1, sum(row)))
