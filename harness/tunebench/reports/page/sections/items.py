"""Every text with the answer of every cell: a table, and data for the page's script."""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from tunebench.reports.page import blocks
from tunebench.reports.page.section import Blocks, Row, Rows, Section, View, rival_name, short
from tunebench.reports.page.templates import template

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# The table without a script has this many answers, or else so many rows and columns.
_MOST_ANSWERS = 12_000
_ROWS, _COLUMNS = 100, 24
# The script has this many. A page with more would be slow to open.
_MOST_IN_SCRIPT = 3_000_000
_DIGITS = string.digits + string.ascii_letters
_PREFIX = 8


@dataclass(frozen=True)
class Answer:
    """The answer of a cell to one text.

    Attributes:
        text: the label, or ``no label``.
        kind: ``right``, ``wrong`` or ``none``.
    """

    text: str
    kind: str


def _content(view: View) -> Blocks:
    rivals = [{**row, "cell": rival_name(row)} for row in view.rivals if row.get("predictions")]
    items = _items(view.experiment, [*view.cells, *rivals], view.texts)
    if items is None:
        return [blocks.paragraph("The results have no answers by item.")]
    return [Markup(template("sections/items.html").render(x=view, t=items))]


def _items(experiment: Row, cells: Rows, texts: Mapping[str, str] | None) -> dict[str, Any] | None:
    """The values of items.html; None if the results have no answers."""
    items, truth = experiment.get("items") or [], experiment.get("label_ids") or []
    answered = [cell for cell in cells if len(cell.get("predictions") or ()) == len(items)]
    if not items or len(truth) != len(items) or not answered:
        return None
    labels = [str(label) for label in experiment.get("labels") or ()]
    rows, columns = len(items), len(answered)
    if rows * columns > _MOST_ANSWERS:
        rows, columns = min(rows, _ROWS), min(columns, _COLUMNS)
    kept = min(len(items), max(1, _MOST_IN_SCRIPT // len(answered)))
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
            for cell in answered
        ],
        "hashes": hashes,
        "texts": None if texts is None else [texts.get(item, "") for item in items[:kept]],
    }
    hashed = next((cell for cell in answered if _prompts(cell, len(items))), None)
    prompts = _prompts(hashed, len(items)) if hashed else []
    return {
        "groups": _groups(answered[:columns]),
        "columns": [{"name": cell["cell"], "short": short(cell)} for cell in answered[:columns]],
        "hashed": hashed["cell"] if hashed else None,
        "rows": [
            {
                "item": items[i],
                "prompt": prompts[i] if prompts else None,
                "label": _label_name(truth[i], labels),
                "text": None if texts is None else texts.get(items[i], ""),
                "right": sum(cell["predictions"][i] == truth[i] for cell in answered),
                "answers": [
                    _answer(cell["predictions"][i], truth[i], labels) for cell in answered[:columns]
                ],
            }
            for i in range(rows)
        ],
        "labels": labels,
        "cells": [cell["cell"] for cell in answered],
        "total": len(items),
        "kept": kept,
        "left_out": len(cells) - len(answered),
        "bounded": rows < len(items) or columns < len(answered),
        "data": data,
    }


def _label_name(label: int | None, labels: Sequence[str]) -> str:
    """The name of a label; None where an answer states none."""
    if label is None:
        return "no label"
    return labels[label] if 0 <= label < len(labels) else str(label)


def _answer(prediction: int | None, truth: int, labels: Sequence[str]) -> Answer:
    if prediction is None:
        return Answer("no label", "none")
    return Answer(_label_name(prediction, labels), "right" if prediction == truth else "wrong")


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


def _groups(cells: Rows) -> list[tuple[str, int]]:
    """Runs of cells of one model."""
    groups: list[tuple[str, int]] = []
    for cell in cells:
        if groups and groups[-1][0] == cell["model"]:
            groups[-1] = (cell["model"], groups[-1][1] + 1)
        else:
            groups.append((cell["model"], 1))
    return groups


SECTION = Section("items", "Items", _content)
