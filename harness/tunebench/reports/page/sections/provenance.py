"""The recordings that the numbers come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebench.reports.page.blocks import column, paragraph, table, written
from tunebench.reports.page.section import Row, Section, View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup


def _content(view: View) -> Sequence[Markup]:
    if not view.cells:
        return [paragraph("The results have no cell.")]
    columns = [
        column("cell", "cell"),
        column("cassette", "cassette"),
        column("recorded", "recorded_at"),
        column("server", "server"),
        ("model asked", False, lambda row: row.get("fine_tuned_model") or row["model"]),
        column("job", "job"),
        column("trained tokens", "trained_tokens", ","),
        ("training minutes", True, _minutes),
    ]
    return [
        paragraph("Every number above comes from a recorded answer. These are the recordings."),
        table(f"{view.id}-provenance-table", "Cassette of every cell", columns, view.cells),
    ]


def _minutes(row: Row) -> str:
    seconds = row.get("training_seconds")
    return written(None if seconds is None else seconds / 60, ".1f")


SECTION = Section("provenance", "Provenance", _content)
