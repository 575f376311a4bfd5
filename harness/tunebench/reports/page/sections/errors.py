"""Cells without a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebench.reports.page.blocks import facts, paragraph, written
from tunebench.reports.page.section import Row, Section, View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup


def _content(view: View) -> Sequence[Markup]:
    if not view.parts["errors"]:
        return []
    return [paragraph("These cells have no result."), errors(view.parts["errors"])]


def errors(entries: Sequence[Row]) -> Markup:
    """Cells with their errors."""
    pairs = [(written(entry.get("cell")), written(entry.get("error"))) for entry in entries]
    return facts(pairs, "errors")


SECTION = Section("errors", "Errors", _content)
