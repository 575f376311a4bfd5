"""Whether probabilities can be believed, and which label the answers lean to."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from tunebench.reports.page import blocks
from tunebench.reports.page.charts import Dot, dot_chart, dot_keys, reliability_chart
from tunebench.reports.page.section import Blocks, Section, View

if TYPE_CHECKING:
    from tunebench.reports.cell_rows import CellRow
    from tunebench.reports.rows import About

_MOST_DIAGRAMS = 8
_MOST_ROWS = 12
_IN_A_BIN = 20  # texts, at least
_MOST_BINS = 8


class Lean(NamedTuple):
    """How often a cell gives a label, and how often that is right.

    Attributes:
        cell: the cell.
        label: the label.
        predicted: its share of the answers.
        true: its share of the texts.
    """

    cell: CellRow
    label: str
    predicted: float
    true: float

    @property
    def excess(self) -> float:
        """How much more often it is given than it is true."""
        return self.predicted - self.true


def _content(view: View) -> Blocks:
    cells = [cell for cell in view.cells if cell.probabilities]
    if not cells:
        return []
    best: dict[tuple[str, str, bool], CellRow] = {}
    for cell in sorted(cells, key=lambda cell: -cell.accuracy):
        best.setdefault((cell.model, cell.decision_rule, cell.train_size > 0), cell)
    shown = sorted(best.values(), key=lambda cell: -cell.accuracy)[:_MOST_DIAGRAMS]
    diagrams = [
        _diagram(view, cell, number)
        for number, cell in enumerate(shown, 1)
        if len(reliability(cell, view.about)) > 1
    ]
    said = blocks.paragraph(
        "How sure a cell is of its answer, and how often it is right: each point is a group of "
        "texts of equal number, and on the dashed line both agree. Shown is the most accurate cell "
        "of each model and decision rule, prompted and fine-tuned."
    )
    both = blocks.group("split", said, blocks.group("diagrams", *diagrams))
    return [*([both] if diagrams else []), *_leans(view, cells)]


def reliability(cell: CellRow, about: About) -> list[tuple[float, float]]:
    """The mean probability of the answers and the share that is right, in bins of equal count."""
    known = sorted(
        (row[said], float(said == label))
        for row, said, label in zip(
            cell.probabilities or (), cell.predictions, about.label_ids, strict=True
        )
        if row is not None and said is not None
    )
    bins = min(_MOST_BINS, len(known) // _IN_A_BIN)
    cuts = [round(i * len(known) / bins) for i in range(bins + 1)] if bins else []
    found = [known[low:high] for low, high in itertools.pairwise(cuts)]
    return [
        (sum(stated for stated, _ in part) / len(part), sum(right for _, right in part) / len(part))
        for part in found
    ]


def _diagram(view: View, cell: CellRow, number: int) -> Markup:
    figures = {"calibration error": cell.calibration_error, "AUC": cell.auc}
    said = ", ".join(f"{name} {value:.3f}" for name, value in figures.items() if value is not None)
    points = reliability(cell, view.about)
    drawing = reliability_chart(points).svg(
        f"{view.id}-calibration-chart{number}",
        f"Reliability of {cell.cell}",
        "From low to high probability, probability and share right: "
        + "; ".join(f"{stated:.2f}, {share:.2f}" for stated, share in points),
        "axis",
    )
    caption = Markup("{} <small>{}</small>").format(cell.cell, said)
    return blocks.figure(drawing, caption=caption)


def leans(cell: CellRow, about: About) -> list[Lean]:
    """The lean of a cell for each label."""
    return [
        Lean(
            cell,
            name,
            cell.predictions.count(label) / cell.n,
            about.label_ids.count(label) / cell.n,
        )
        for label, name in enumerate(about.labels)
    ]


def _leans(view: View, cells: list[CellRow]) -> list[Markup]:
    rows = [lean for cell in cells for lean in leans(cell, view.about)]
    most = [max(leans(cell, view.about), key=lambda lean: lean.excess) for cell in cells]
    shown = sorted(most, key=lambda lean: -lean.excess)[:_MOST_ROWS]
    dots = [
        Dot(
            f"{lean.cell.cell}: {lean.label}",
            "fine-tuned" if lean.cell.train_size else "prompt",
            lean.excess,
            min(0, lean.excess),
            max(0, lean.excess),
        )
        for lean in shown
    ]
    limits = (min(0, *(dot.value for dot in dots)), max(0.1, *(dot.value for dot in dots)))
    title = "share predicted minus share true"
    chart = dot_chart(dots, title=title, form="+.2f", limits=limits, line=0)
    drawing = chart.svg(
        f"{view.id}-calibration-leans",
        "The label that each cell gives too often",
        f"{len(dots)} cells. The table beside it has all values.",
        "rows",
    )
    columns: list[blocks.Column[Lean]] = [
        blocks.words("cell", lambda one: one.cell.cell),
        blocks.words("label", lambda one: one.label),
        blocks.numbers("share predicted", ".3f", lambda one: one.predicted),
        blocks.numbers("share true", ".3f", lambda one: one.true),
        blocks.numbers("lean", "+.3f", lambda one: one.excess),
    ]
    text = [
        Markup("<h{0}>The lean to a label</h{0}>").format(view.level + 1),
        blocks.paragraph(
            "For each cell with probabilities, the label that it gives too often: 0 is as often "
            "as it is true. A lean costs accuracy, and calibration removes it."
        ),
        blocks.legend(dot_keys(dots)),
        *blocks.bounded(len(shown), len(cells), "that lean most", "cells"),
        blocks.folded(
            "The same as a table",
            blocks.table(f"{view.id}-calibration-table", "Lean by label", columns, rows),
        ),
    ]
    return [blocks.group("split", blocks.group("text", *text), blocks.figure(drawing))]


SECTION = Section("calibration", "Calibration", _content)
