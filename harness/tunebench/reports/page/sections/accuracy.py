"""The accuracy of every cell, with its interval, its checks, and the cells that are left out."""

from __future__ import annotations

from tunebench.reports.page import blocks
from tunebench.reports.page.charts import Estimate, interval_chart
from tunebench.reports.page.section import (
    Block,
    Blocks,
    Row,
    Rows,
    Section,
    View,
    rival_name,
    short,
)

_MOST_LINES = 60
_KINDS = ("fine-tuned", "prompted", "rival")


def _content(view: View) -> Blocks:
    rows = [*view.cells, *view.rivals]
    if not rows:
        return []
    shown = blocks.some(rows, _MOST_LINES, lambda row: -row["accuracy"])
    content = [
        blocks.paragraph(
            "Each mark is the share of texts that a cell answered right, its line the 95 % "
            "interval (Wilson). An answer without a label counts as wrong. The dashed line is the "
            "accuracy of the most frequent label."
        ),
        blocks.figure(_chart(view, rows, shown)),
        *blocks.bounded(shown, rows, "of highest accuracy", "cells and rivals"),
        _table(view, rows),
    ]
    if checks := [gate | {"cell": c["cell"]} for c in view.cells for gate in c.get("gates") or ()]:
        content.append(blocks.folded("The checks of the cells", _checks(view, checks)))
    if skipped := view.experiment.get("skipped"):
        content += [
            blocks.paragraph("Left out of the matrix:"),
            blocks.bullets(map(_skip, skipped)),
        ]
    return content


def _chart(view: View, rows: Rows, shown: Rows) -> Block:
    models = list(dict.fromkeys(row["model"] for row in shown))
    chart = interval_chart(
        [
            Estimate(
                group=row["model"] if "cell" in row else "rivals",
                label=_name(row) if "cell" not in row else short(row),
                kind=_KINDS[_kind(row)],
                value=row["accuracy"],
                low=row["ci_low"],
                high=row["ci_high"],
            )
            for row in sorted(shown, key=lambda r: ("cell" not in r, models.index(r["model"])))
        ],
        _KINDS,
        title="accuracy, 95 % interval",
        form=".3f",
        limits=(-0.01, 1.01),
        line=None if view.majority is None else (view.majority, "majority label"),
    )
    best = max(rows, key=lambda row: row["accuracy"])
    return chart.svg(
        f"{view.id}-accuracy-chart",
        "Accuracy of each cell with its 95 % interval",
        f"{len(shown)} lines. The highest accuracy is {best['accuracy']:.3f}, of {_name(best)}. "
        "The table below has all values.",
    )


def _table(view: View, rows: Rows) -> Block:
    columns = [
        ("cell", False, _name),
        blocks.column("rule", "decision_rule"),
        blocks.column("texts", "n", ""),
        blocks.column("right", "correct", ""),
        blocks.column("no label", "unread", ""),
        blocks.column("accuracy", "accuracy", ".3f"),
        ("95 % interval", True, blocks.interval),
        blocks.column("threshold", "min_accuracy", ".3f"),
        blocks.column("verdict", "verdict"),
        blocks.column("tokens in", "prompt_tokens", ","),
        blocks.column("tokens out", "completion_tokens", ","),
        blocks.column("ms a request", "latency_ms_median", ",.0f"),
    ]
    return blocks.table(f"{view.id}-accuracy-table", "Accuracy of every cell", columns, rows)


def _checks(view: View, checks: Rows) -> Block:
    columns = [
        blocks.column("cell", "cell"),
        blocks.column("check", "gate"),
        blocks.column("value", "value", ".4g"),
        blocks.column("limit", "limit", ".4g"),
        blocks.column("mode", "mode"),
        blocks.column("verdict", "verdict"),
        blocks.column("in words", "sentence"),
    ]
    return blocks.table(f"{view.id}-accuracy-checks", "Checks of the cells", columns, checks)


def _name(row: Row) -> str:
    return row.get("cell") or rival_name(row)


def _kind(row: Row) -> int:
    if "cell" not in row:
        return 2
    return 0 if row.get("train_size") else 1


def _skip(skip: Row) -> str:
    """The cells that are left out, and why."""
    size, shots = skip.get("train_size"), skip.get("shots")
    cells = [str(skip.get("model") or "every model")]
    if size:
        cells.append(f"{size:,} training rows")
    elif shots is not None:
        cells.append(f"{shots} shots")
    if skip.get("decision_rule"):
        cells.append(str(skip["decision_rule"]))
    return ", ".join(cells) + (f": {skip['reason']}" if skip.get("reason") else "")


SECTION = Section("accuracy", "Accuracy", _content)
