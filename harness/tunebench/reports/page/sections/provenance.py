"""The recordings that the numbers come from."""

from __future__ import annotations

from tunebench.reports.about_lines import about_lines
from tunebench.reports.page import blocks
from tunebench.reports.page.section import Blocks, Row, Section, View


def _content(view: View) -> Blocks:
    if not view.cells:
        return [blocks.paragraph("The results have no cell.")]
    columns = [
        blocks.column("cell", "cell"),
        blocks.column("cassette", "cassette"),
        blocks.column("recorded", "recorded_at"),
        blocks.column("server", "server"),
        ("model asked", False, lambda row: row.get("fine_tuned_model") or row["model"]),
        blocks.column("job", "job"),
        blocks.column("trained tokens", "trained_tokens", ","),
        ("training minutes", True, _minutes),
    ]
    return [
        blocks.paragraph(
            "Every number above comes from a recorded answer. These are the recordings."
        ),
        *map(blocks.paragraph, about_lines(view.experiment)),
        blocks.table(f"{view.id}-provenance-table", "Cassette of every cell", columns, view.cells),
    ]


def _minutes(row: Row) -> str:
    seconds = row.get("training_seconds")
    return blocks.written(None if seconds is None else seconds / 60, ".1f")


SECTION = Section("provenance", "Provenance", _content)
