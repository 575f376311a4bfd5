"""All cells and rivals, the checks of the cells, and the cells that are left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebench.reports.page import blocks
from tunebench.reports.page.section import Blocks, Section, View, rival_name

if TYPE_CHECKING:
    from markupsafe import Markup

    from tunebench.reports.cell_rows import CellRow, Gate, RivalRow
    from tunebench.reports.rows import Skipped


def _content(view: View) -> Blocks:
    content = []
    if view.cells:
        content += [_cells(view), *_readings(view)]
    if view.rivals:
        columns: list[blocks.Column[RivalRow]] = [
            ("rival", False, rival_name),
            blocks.numbers("texts", "", lambda row: row.n),
            blocks.numbers("right", "", lambda row: row.correct),
            blocks.numbers("accuracy", ".3f", lambda row: row.accuracy),
            ("95 % interval", True, lambda row: blocks.interval(row.ci_low, row.ci_high)),
        ]
        content.append(blocks.table(f"{view.id}-cells-rivals", "Rivals", columns, view.rivals))
    if checks := [(cell.cell, gate) for cell in view.cells for gate in cell.gates or ()]:
        content.append(blocks.folded("The checks of the cells", _checks(view, checks)))
    if view.about.skipped:
        content += [
            blocks.paragraph("Left out of the matrix:"),
            blocks.bullets(map(_skip, view.about.skipped)),
        ]
    return content


def _cells(view: View) -> Markup:
    columns: list[blocks.Column[CellRow]] = [
        blocks.words("cell", lambda c: c.cell),
        blocks.words("rule", lambda c: c.decision_rule),
        blocks.numbers("texts", "", lambda c: c.n),
        blocks.numbers("right", "", lambda c: c.correct),
        blocks.numbers("no label", "", lambda c: c.unread),
        blocks.numbers("accuracy", ".3f", lambda c: c.accuracy),
        ("95 % interval", True, lambda c: blocks.interval(c.ci_low, c.ci_high)),
        blocks.numbers("AUC", ".3f", lambda c: c.auc),
        blocks.numbers("balanced accuracy", ".3f", lambda c: c.balanced_accuracy),
        blocks.numbers("macro F1", ".3f", lambda c: c.macro_f1),
        blocks.numbers("Matthews", ".3f", lambda c: c.matthews),
        blocks.numbers("Brier score", ".3f", lambda c: c.brier),
        blocks.numbers("calibration error", ".3f", lambda c: c.calibration_error),
        blocks.numbers("threshold", ".3f", lambda c: c.min_accuracy),
        blocks.words("verdict", lambda c: c.verdict),
        blocks.numbers("tokens in", ",", lambda c: c.prompt_tokens),
        blocks.numbers("tokens out", ",", lambda c: c.completion_tokens),
        blocks.numbers("ms a request", ",.0f", lambda c: c.latency_ms_median),
    ]
    return blocks.table(f"{view.id}-cells-table", "All cells", columns, view.cells)


def _readings(view: View) -> list[Markup]:
    readings = dict.fromkeys(reading for cell in view.cells for reading in cell.readings or ())
    # Where every answer was read by the first rule there is nothing to tell.
    if not set(readings) - {"exact", "likeliest"}:
        return []
    columns: list[blocks.Column[CellRow]] = [blocks.words("cell", lambda c: c.cell)]
    columns += [_reading(name) for name in readings]
    name, caption = f"{view.id}-cells-readings", "How the answers of every cell were read"
    table = blocks.table(name, caption, columns, view.cells)
    return [blocks.folded("How answers were read", table)]


def _reading(name: str) -> blocks.Column[CellRow]:
    return blocks.numbers(name, "", lambda cell: (cell.readings or {}).get(name, 0))


def _checks(view: View, checks: list[tuple[str, Gate]]) -> Markup:
    columns: list[blocks.Column[tuple[str, Gate]]] = [
        blocks.words("cell", lambda check: check[0]),
        blocks.words("check", lambda check: check[1].gate),
        blocks.numbers("value", ".4g", lambda check: check[1].value),
        blocks.numbers("limit", ".4g", lambda check: check[1].limit),
        blocks.words("mode", lambda check: check[1].mode),
        blocks.words("verdict", lambda check: check[1].verdict),
        blocks.words("in words", lambda check: check[1].sentence),
    ]
    return blocks.table(f"{view.id}-cells-checks", "Checks of the cells", columns, checks)


def _skip(skip: Skipped) -> str:
    """The cells that are left out, and why."""
    cells = [skip.model or "every model"]
    if skip.train_size:
        cells.append(f"{skip.train_size:,} training rows")
    elif skip.shots is not None:
        cells.append(f"{skip.shots} shots")
    if skip.decision_rule:
        cells.append(skip.decision_rule)
    return ", ".join(cells) + (f": {skip.reason}" if skip.reason else "")


SECTION = Section("cells", "All cells", _content, folded=True)
