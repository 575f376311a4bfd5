"""Where the numbers come from: versions, hashes, cassettes, servers and dates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebench.reports.of_texts import about_lines
from tunebench.reports.page import blocks
from tunebench.reports.page.section import Blocks, Section, View

if TYPE_CHECKING:
    from tunebench.reports.cell_rows import CellRow


def _content(view: View) -> Blocks:
    if not view.cells:
        return []
    columns: list[blocks.Column[CellRow]] = [
        blocks.words("cell", lambda c: c.cell),
        blocks.words("cassette", lambda c: c.cassette),
        blocks.words("recorded", lambda c: c.recorded_at),
        blocks.words("server", lambda c: c.server),
        blocks.words("model asked", lambda c: c.fine_tuned_model or c.model),
        blocks.words("job", lambda c: c.job),
        blocks.words("pinned by", lambda c: c.pinned),
        blocks.numbers("trained tokens", ",", lambda c: c.trained_tokens),
        blocks.numbers("training minutes", ".1f", _minutes),
    ]
    about, dates = view.about, [cell.recorded_at for cell in view.cells]
    found = {
        "tunebench": view.results.tunebench,
        "experiment": about.file,
        "SHA-256 of the experiment": about.sha256,
        "data set": about.dataset,
        "instruction": about.instruction,
        "seed of examples and held-out texts": blocks.written(about.seed),
        "recorded": f"{min(dates)} to {max(dates)}",
    }
    return [
        blocks.paragraph("Every number comes from a recorded answer. These are the recordings."),
        *map(blocks.paragraph, about_lines(about.groups, checked_against_data=True)),
        blocks.facts([(name, value) for name, value in found.items() if value]),
        blocks.table(f"{view.id}-provenance-table", "Cassette of every cell", columns, view.cells),
    ]


def _minutes(cell: CellRow) -> float | None:
    return None if cell.training_seconds is None else cell.training_seconds / 60


SECTION = Section("provenance", "Provenance", _content, folded=True)
