"""The confusion matrix of every cell, other scores, and how answers were read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from tunebench.reports.page import blocks
from tunebench.reports.page.section import Blocks, Section, View

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_MATRICES = 60
_SCORES = {
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "matthews": "Matthews correlation",
    "brier": "Brier score",
    "calibration_error": "calibration error",
}


def _content(view: View) -> Blocks:
    content = _matrices(view)
    known = [key for key in _SCORES if any(cell.get(key) is not None for cell in view.cells)]
    if known:
        columns = [
            blocks.column("cell", "cell"),
            *(blocks.column(_SCORES[key], key, ".3f") for key in known),
        ]
        name, caption = f"{view.id}-confusion-scores", "Other scores of every cell"
        content.append(
            blocks.folded("Other scores", blocks.table(name, caption, columns, view.cells))
        )
    readings = {reading: None for cell in view.cells for reading in cell.get("readings") or ()}
    # Where every answer was read by the first rule there is nothing to tell.
    if set(readings) - {"exact", "likeliest"}:
        columns = [blocks.column("cell", "cell"), *map(_reading, readings)]
        name, caption = f"{view.id}-confusion-readings", "How the answers of every cell were read"
        content.append(
            blocks.folded("How answers were read", blocks.table(name, caption, columns, view.cells))
        )
    return content


def _reading(name: str) -> blocks.Column:
    return name, True, lambda row: blocks.written((row.get("readings") or {}).get(name, 0))


def _matrices(view: View) -> list[Markup]:
    labels = [str(label) for label in view.experiment.get("labels") or ()]
    truth = view.experiment.get("label_ids") or []
    found = []
    for cell in view.cells:
        matrix = cell.get("confusion") or _counted(cell.get("predictions"), truth, len(labels))
        if labels and matrix and len(matrix) == len(labels):
            found.append((cell["cell"], matrix))
    if not found:
        return []
    shown = [
        _matrix(f"{view.id}-confusion-matrix{number}", cell, labels, matrix)
        for number, (cell, matrix) in enumerate(found[:_MOST_MATRICES], 1)
    ]
    content = [
        blocks.paragraph(
            "Rows are the true labels, columns the answers. The darker a count, the larger its "
            "share of its row."
        ),
        Markup('<div class="matrices">\n{}\n</div>').format(Markup("\n").join(shown)),
    ]
    if len(shown) < len(found):
        text = f"These are the first {len(shown)} of {len(found):,} matrices; "
        note = Markup("{}<code>results.json</code> has all.").format(text)
        content.append(blocks.paragraph(note, "note"))
    return content


def _matrix(name: str, cell: str, labels: Sequence[str], matrix: Sequence[Sequence[int]]) -> Markup:
    head = Markup("").join(
        Markup('<th scope="col" class="n">{}</th>').format(label) for label in (*labels, "no label")
    )
    count = Markup('<td class="n s{}">{}</td>')
    body = Markup("\n").join(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            label, Markup("").join(count.format(_shade(number, row), number) for number in row)
        )
        for label, row in zip(labels, matrix, strict=True)
    )
    return Markup(
        '<div class="scroll" role="group" tabindex="0" aria-labelledby="{0}">\n'
        '<table class="matrix">\n<caption id="{0}">{1}</caption>\n'
        '<thead><tr><th scope="col">true \\ answer</th>{2}</tr></thead>\n'
        "<tbody>\n{3}\n</tbody>\n</table>\n</div>"
    ).format(name, cell, head, body)


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
    """The shade of a count, 0 to 9, by its share of its row."""
    return round(9 * count / max(1, sum(row)))


SECTION = Section("confusion", "Confusion", _content)
