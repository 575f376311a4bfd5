"""The comparisons that tests made, each with its interval and tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebench.reports.page import blocks
from tunebench.reports.page.section import Blocks, Section, View

if TYPE_CHECKING:
    from tunebench.reports.rows import UpliftRow


def _content(view: View) -> Blocks:
    rows = view.results.uplifts
    if not rows:
        return []
    columns: list[blocks.Column[UpliftRow]] = [
        blocks.words("cell", lambda row: row.cell),
        blocks.words("over", lambda row: row.over),
        blocks.numbers("texts", "", lambda row: row.n),
        blocks.numbers("uplift", "+.3f", lambda row: row.difference),
        ("95 % interval", True, lambda row: blocks.interval(row.ci_low, row.ci_high, "+.3f")),
        blocks.numbers("only it right", "", lambda row: row.only_first),
        blocks.numbers("only the other", "", lambda row: row.only_other),
        ("p", True, lambda row: _p_value(row.p)),
        ("Holm p", True, lambda row: _p_value(row.holm_p)),
        ("exact p", True, lambda row: _p_value(row.exact_p)),
        blocks.numbers("texts needed", ",", lambda row: row.texts_needed),
    ]
    caption = "Uplift of every comparison, on the same texts"
    return [
        blocks.paragraph(
            "The accuracy of a cell minus that of another on the same texts. P is of McNemar's "
            "mid-p test or, where texts come in groups, of a t test over these; Holm's is "
            "corrected for all comparisons of the experiment."
        ),
        blocks.table(f"{view.id}-uplifts-table", caption, columns, rows),
    ]


def _p_value(value: float | None) -> str:
    return "<0.0001" if value is not None and value < 0.0001 else blocks.written(value, ".4f")


SECTION = Section("uplifts", "Comparisons", _content, folded=True)
