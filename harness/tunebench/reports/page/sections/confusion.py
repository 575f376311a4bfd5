"""The confusion matrix of every cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from tunebench.reports.page import blocks
from tunebench.reports.page.section import Blocks, Section, View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunebench.reports.cell_rows import CellRow
    from tunebench.reports.rows import About

_MOST_MATRICES = 60


def _content(view: View) -> Blocks:
    if not view.cells:
        return []
    shown = [
        _matrix(f"{view.id}-confusion-matrix{number}", cell, view.about)
        for number, cell in enumerate(view.cells[:_MOST_MATRICES], 1)
    ]
    content = [
        blocks.paragraph(
            "Rows are the true labels, columns the answers. The darker a count, the larger its "
            "share of its row."
        ),
        blocks.group("matrices", *shown),
    ]
    if len(shown) < len(view.cells):
        text = f"These are the first {len(shown)} of {len(view.cells):,} matrices; "
        note = Markup("{}<code>results.json</code> has all.").format(text)
        content.append(blocks.paragraph(note, "note"))
    return content


def _matrix(name: str, cell: CellRow, about: About) -> Markup:
    head = Markup("").join(
        Markup('<th scope="col" class="n">{}</th>').format(label)
        for label in (*about.labels, "no label")
    )
    count = Markup('<td class="n s{}">{}</td>')
    body = Markup("\n").join(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            label, Markup("").join(count.format(_shade(number, row), number) for number in row)
        )
        for label, row in zip(about.labels, _counted(cell, about), strict=True)
    )
    return Markup(
        '<div class="scroll" role="group" tabindex="0" aria-labelledby="{0}">\n'
        '<table class="matrix">\n<caption id="{0}">{1}</caption>\n'
        '<thead><tr><th scope="col">true \\ answer</th>{2}</tr></thead>\n'
        "<tbody>\n{3}\n</tbody>\n</table>\n</div>"
    ).format(name, cell.cell, head, body)


def _counted(cell: CellRow, about: About) -> list[list[int]]:
    matrix = [[0] * (len(about.labels) + 1) for _ in about.labels]
    for label, said in zip(about.label_ids, cell.predictions, strict=True):
        matrix[label][len(about.labels) if said is None else said] += 1
    return matrix


def _shade(count: int, row: Sequence[int]) -> int:
    """The shade of a count, 0 to 9, by its share of its row."""
    return round(9 * count / max(1, sum(row)))


SECTION = Section("confusion", "Confusion matrices", _content, folded=True)
