"""Cells without a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebench.reports.page import blocks
from tunebench.reports.page.section import Blocks, Section, View

if TYPE_CHECKING:
    from markupsafe import Markup

    from tunebench.reports.answers import Failure


def _content(view: View) -> Blocks:
    if not view.results.errors:
        return []
    return [blocks.paragraph("These cells have no result."), listed(view.results.errors)]


def listed(errors: list[Failure]) -> Markup:
    """Cells with their errors."""
    pairs = [(blocks.written(one.cell), blocks.written(one.error)) for one in errors]
    return blocks.facts(pairs, "errors")


SECTION = Section("errors", "Errors", _content)
