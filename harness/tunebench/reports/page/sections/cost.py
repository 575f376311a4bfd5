"""Accuracy against cost, or against tokens if no price is known."""

from __future__ import annotations

from tunebench.reports.page import blocks
from tunebench.reports.page.charts import Point, spent_chart, unbeaten
from tunebench.reports.page.section import Block, Blocks, Row, Rows, Section, View

_MOST_MODELS = 8
_MOST_POINTS = 200


def _priced(view: View) -> list[Row]:
    known = (cell for cell in view.cells if cell.get("cost_per_1000") is not None)
    return [{**cell, "spent": cell["cost_per_1000"]} for cell in known]


def _cost(view: View) -> Blocks:
    rows = _priced(view)
    sentences = [blocks.paragraph(sentence) for sentence in view.sentences("break_evens")]
    if not rows:
        return sentences
    currency = next((row["currency"] for row in rows if row.get("currency")), None)
    title = f"cost of 1,000 answers{f', {currency}' if currency else ''}"
    return [*sentences, *_content(view, rows, title)]


def _tokens(view: View) -> Blocks:
    if _priced(view):
        return []
    rows: list[Row] = [
        {**cell, "spent": (cell["prompt_tokens"] + cell["completion_tokens"]) / cell["n"]}
        for cell in view.cells
        if cell.get("prompt_tokens") is not None and cell.get("completion_tokens") is not None
    ]
    if not rows:
        return []
    said = "The results have no prices. The axis is the tokens of an answer and its prompt."
    return [blocks.paragraph(said), *_content(view, rows, "tokens per answer")]


def _content(view: View, rows: Rows, title: str) -> list[Block]:
    models = list(dict.fromkeys(row["model"] for row in rows))[:_MOST_MODELS]
    of_models = [row for row in rows if row["model"] in models]
    shown = blocks.some(of_models, _MOST_POINTS, lambda row: -row["accuracy"])
    columns = [
        blocks.column("cell", "cell"),
        blocks.column(title, "spent", ",.4g"),
        blocks.column("accuracy", "accuracy", ".3f"),
    ]
    if any(row.get("training_cost") is not None for row in rows):
        columns.append(blocks.column("training cost", "training_cost", ",.4g"))
    caption = f"Accuracy and {title}"
    return [
        blocks.paragraph(
            "Filled marks are fine-tuned cells, hollow ones prompted. A cell is named if no other "
            "is more accurate at the same cost or less."
        ),
        blocks.figure(_chart(view, shown, title)),
        *blocks.bounded(shown, rows, f"of the first {len(models)} models", "cells"),
        blocks.folded(
            "The same as a table", blocks.table(f"{view.id}-cost-table", caption, columns, rows)
        ),
    ]


def _chart(view: View, shown: Rows, title: str) -> Block:
    points = [Point.of(row, row["model"], row["spent"]) for row in shown]
    best = ", ".join(point.label for point in unbeaten(points)[-3:])
    return spent_chart(points, title).svg(
        f"{view.id}-cost-chart",
        f"Accuracy against {title}",
        f"{len(points)} cells. The best that no other beats at the same cost or less: {best}. The "
        "table below has all values.",
    )


COST = Section("cost", "Accuracy against cost", _cost)
TOKENS = Section("tokens", "Accuracy against tokens", _tokens)
