"""The uplift of every comparison, with its interval and tests."""

from __future__ import annotations

from typing import Any

from tunebench.reports.page import blocks
from tunebench.reports.page.charts import Estimate, interval_chart
from tunebench.reports.page.section import Block, Blocks, Row, Rows, Section, View, short

_MOST_LINES = 60
_KINDS = ("the interval excludes 0", "the interval includes 0")


def _content(view: View) -> Blocks:
    rows = view.parts["uplifts"]
    if not rows:
        return []
    shown = blocks.some(rows, _MOST_LINES, lambda row: -abs(row["difference"]))
    return [
        blocks.paragraph(
            "The accuracy of a cell minus that of another on the same texts. Mid-p is McNemar's "
            "test of one comparison; Holm's p is corrected for all comparisons of the experiment."
        ),
        blocks.figure(_chart(view, shown)),
        *blocks.bounded(shown, rows, "with the largest differences", "comparisons"),
        _table(view, rows),
    ]


def _chart(view: View, shown: Rows) -> Block:
    estimates = [
        Estimate(
            group=str(row.get("model") or row["cell"]),
            label=f"{short(row)} over {_over(row)}",
            kind=_KINDS[row["ci_low"] <= 0 <= row["ci_high"]],
            value=row["difference"],
            low=row["ci_low"],
            high=row["ci_high"],
        )
        for row in shown
    ]
    highest = max(0.1, *(max(abs(row["ci_low"]), abs(row["ci_high"])) for row in shown))
    lowest = min(-0.1, *(row["ci_low"] for row in shown))
    clear = sum(estimate.kind == _KINDS[0] for estimate in estimates)
    chart = interval_chart(
        estimates,
        _KINDS,
        title="uplift in accuracy, 95 % interval",
        form="+.3f",
        limits=(lowest - 0.02, highest + 0.02),
        line=(0, "no difference"),
    )
    return chart.svg(
        f"{view.id}-uplift-chart",
        "Uplift of each comparison with its 95 % interval",
        f"{len(shown)} lines. The interval excludes 0 in {clear} of them. The table below has "
        "all values.",
    )


def _table(view: View, rows: Rows) -> Block:
    columns: list[blocks.Column] = [
        blocks.column("cell", "cell"),
        ("over", False, _over),
        blocks.column("texts", "n", ""),
        blocks.column("uplift", "difference", "+.3f"),
        ("95 % interval", True, lambda row: blocks.interval(row, "+.3f")),
        blocks.column("only it right", "only_first", ""),
        blocks.column("only the other", "only_other", ""),
        ("mid-p", True, lambda row: _p_value(row.get("mid_p"))),
    ]
    if any(row.get("exact_p") is not None for row in rows):
        columns.append(("exact p", True, lambda row: _p_value(row.get("exact_p"))))
    columns.append(("Holm p", True, lambda row: _p_value(row.get("holm_p"))))
    if any(row.get("texts_needed") is not None for row in rows):
        columns.append(blocks.column("texts needed", "texts_needed", ","))
    caption = "Uplift of every comparison, on the same texts"
    return blocks.table(f"{view.id}-uplift-table", caption, columns, rows)


def _over(row: Row) -> str:
    """The other cell, without its model if that is the same."""
    same = row.get("over_model") == row.get("model")
    return str(row["over"]).removeprefix(f"{row.get('model')}-" if same else "")


def _p_value(value: Any) -> str:
    return (
        "<0.0001" if isinstance(value, float) and value < 0.0001 else blocks.written(value, ".4f")
    )


SECTION = Section("uplift", "Uplift", _content)
