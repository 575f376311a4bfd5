"""Accuracy by training size, and what more training data would give."""

from __future__ import annotations

from tunebench.reports.page import blocks
from tunebench.reports.page.charts import Point, sizes_chart
from tunebench.reports.page.section import Block, Blocks, Row, Rows, Section, View

_MOST_SERIES = 8


def _content(view: View) -> Blocks:
    content = [blocks.paragraph(sentence) for sentence in view.sentences("data_needs")]
    if not any(cell.get("train_size") for cell in view.cells):
        return content
    series = _series(view)
    names = list(series)
    shown = blocks.some(
        names, _MOST_SERIES, lambda name: -max(row["accuracy"] for row in series[name])
    )
    rows = [{**row, "series": name} for name, line in series.items() for row in line]
    columns = [
        blocks.column("series", "series"),
        blocks.column("training rows", "train_size", ","),
        blocks.column("accuracy", "accuracy", ".3f"),
        ("95 % interval", True, blocks.interval),
    ]
    caption = "Accuracy by training size"
    return [
        *content,
        blocks.paragraph(
            "A hollow mark at 0 rows is the best prompt of the same model under the same decision "
            "rule."
        ),
        blocks.figure(_chart(view, [row for row in rows if row["series"] in shown])),
        *blocks.bounded(shown, names, "that reach the highest accuracy", "lines"),
        blocks.folded(
            "The same as a table", blocks.table(f"{view.id}-sizes-table", caption, columns, rows)
        ),
    ]


def _series(view: View) -> dict[str, list[Row]]:
    """The rows of each line: a model under a decision rule from its best prompt on, or a rival."""
    series: dict[str, list[Row]] = {}
    for cell in view.cells:
        if cell.get("train_size"):
            parts = (cell["model"], cell.get("decision_rule"))
            series.setdefault(", ".join(str(part) for part in parts if part), []).append(cell)
    for line in series.values():
        rule = (line[0]["model"], line[0].get("decision_rule"))
        prompted = [
            cell
            for cell in view.cells
            if not cell.get("train_size") and (cell["model"], cell.get("decision_rule")) == rule
        ]
        if prompted:
            best = max(prompted, key=lambda cell: cell["accuracy"])
            line.insert(0, {**best, "train_size": 0})
    for row in view.rivals:
        series.setdefault(row["model"], []).append(row)
    return series


def _chart(view: View, rows: Rows) -> Block:
    lines = len({row["series"] for row in rows})
    sizes = len({row["train_size"] for row in rows if row["train_size"]})
    points = [Point.of(row, row["series"], row["train_size"]) for row in rows]
    return sizes_chart(points, view.majority).svg(
        f"{view.id}-sizes-chart",
        "Accuracy by training size",
        f"{lines} lines over {sizes} training sizes. The table below has all values.",
    )


SECTION = Section("sizes", "Accuracy by training size", _content)
