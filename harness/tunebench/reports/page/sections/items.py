"""Errors by item: a table, and data for the page's script, which filters all items."""

from __future__ import annotations

import string
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from tunebench.reports.page import blocks
from tunebench.reports.page.section import Blocks, Section, View, rival_name
from tunebench.reports.page.templates import template

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunebench.reports.cell_rows import CellRow

# The table without a script has this many answers, or else so many rows and columns.
_MOST_ANSWERS = 12_000
_ROWS, _COLUMNS = 100, 24
# The script has this many. A page with more would be slow to open.
_MOST_IN_SCRIPT = 3_000_000
# Of more items the page has a sample: every second, third, ... of them.
_MOST_ITEMS = 50_000
_DIGITS = string.digits + string.ascii_letters


@dataclass(frozen=True)
class Column:
    """The answers of a cell or a rival.

    Attributes:
        name: the cell's or the rival's.
        model: its model.
        answers: label ids by item; None where an answer states none.
        percents: how probable each answer is, in per cent, where that is known.
    """

    name: str
    model: str
    answers: Sequence[int | None]
    percents: Sequence[int | None] | None = None

    def every(self, nth: int) -> Column:
        """The answers to every second, third, ... item."""
        percents = None if self.percents is None else self.percents[::nth]
        return replace(self, answers=self.answers[::nth], percents=percents)

    @property
    def short(self) -> str:
        """Its name without its model's."""
        return self.name.removeprefix(f"{self.model}-").removeprefix(f"{self.model}, ")


def _content(view: View) -> Blocks:
    columns = [
        Column(cell.cell, cell.model, cell.predictions, _percents(cell)) for cell in view.cells
    ]
    columns += [
        Column(rival_name(row), row.model, row.predictions)
        for row in view.rivals
        if row.predictions
    ]
    if not columns or not view.about.items:
        return [blocks.paragraph("The results have no answers by item.")] if view.cells else []
    return [Markup(template("sections/items.html").render(x=view, t=_values(view, columns)))]


def _values(view: View, columns: list[Column]) -> dict[str, Any]:
    """The values of items.html."""
    about, texts, total = view.about, view.texts, len(view.about.items)
    every = -(-total // _MOST_ITEMS)
    about = about.model_copy(
        update={
            "items": about.items[::every],
            "label_ids": about.label_ids[::every],
            "places": about.places and about.places[::every],
        }
    )
    columns = [column.every(every) for column in columns]
    places = about.places or []
    start = _start(view, columns)
    rows = [
        i
        for i, label in enumerate(about.label_ids)
        if not start or columns[start[0]].answers[i] not in (label, None)
    ]
    shown, found = [columns[i] for i in start] or columns, len(rows)
    if len(rows) * len(shown) > _MOST_ANSWERS:
        rows, shown = rows[:_ROWS], shown[:_COLUMNS]
    kept = min(len(about.items), max(1, _MOST_IN_SCRIPT // len(columns)))
    data = {
        "labels": about.labels,
        "items": about.items[:kept],
        "places": places[:kept] or None,
        "truth": _packed(about.label_ids[:kept], about.labels),
        "cells": [
            {
                "name": column.name,
                "model": column.model,
                "short": column.short,
                "answers": _packed(column.answers[:kept], about.labels),
                "percents": None if column.percents is None else column.percents[:kept],
            }
            for column in columns
        ],
        "start": start,
        "texts": None if texts is None else [texts.get(item, "") for item in about.items[:kept]],
    }
    return {
        "groups": [(model, len(list(of))) for model, of in groupby(shown, lambda c: c.model)],
        "columns": shown,
        "start": start,
        "rows": [
            {
                "item": about.items[i],
                "place": places[i] if places else "",
                "label": about.labels[label],
                "text": (texts or {}).get(about.items[i], ""),
                "right": sum(column.answers[i] == label for column in columns),
                "answers": [_answer(column, i, label, about.labels) for column in shown],
            }
            for i, label in ((i, about.label_ids[i]) for i in rows)
        ],
        "labels": about.labels,
        "cells": [column.name for column in columns],
        "total": len(about.items),
        "found": found,
        "kept": kept,
        "every": every,
        "asked": total,
        "bounded": len(rows) < found or len(shown) < len(start or columns),
        "data": data,
    }


def _start(view: View, columns: list[Column]) -> list[int]:
    """The columns of the options that decide, then of the best of each kind; none if unknown."""
    if view.answer is None:
        return []
    named = {option.name: option for option in view.options}
    decide = [named[name] for name in (view.answer.chosen, view.answer.rival) if name in named]
    best = {option.kind: option for option in reversed(view.options)}
    names = dict.fromkeys(
        name
        for option in (*decide, *best.values())
        for name in option.cells or [f"{option.model}, {option.train_size} rows"]
    )
    known = {column.name: number for number, column in enumerate(columns)}
    return [known[name] for name in names if name in known]


def _answer(column: Column, item: int, truth: int, labels: Sequence[str]) -> tuple[str, str]:
    """Whether an answer is right, wrong or none, and the answer with its probability."""
    said = column.answers[item]
    if said is None:
        return "none", "no label"
    percent = column.percents[item] if column.percents else None
    probability = "" if percent is None else f" {percent / 100:.2f}"
    return ("right" if said == truth else "wrong"), labels[said] + probability


def _percents(cell: CellRow) -> list[int | None] | None:
    if cell.probabilities is None:
        return None
    return [
        None if row is None or said is None else round(100 * row[said])
        for row, said in zip(cell.probabilities, cell.predictions, strict=True)
    ]


def _packed(ids: Sequence[int | None], labels: Sequence[str]) -> str | list[int]:
    """One character an answer where the labels are few enough; -1 or a dash for none."""
    if len(labels) <= len(_DIGITS):
        return "".join("-" if i is None else _DIGITS[i] for i in ids)
    return [-1 if i is None else i for i in ids]


SECTION = Section("items", "Errors by item", _content)
