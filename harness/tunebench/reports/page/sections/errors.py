"""Cells without a result."""

from __future__ import annotations

from tunebench.reports.page import blocks
from tunebench.reports.page.section import Block, Blocks, Rows, Section, View


def _content(view: View) -> Blocks:
    if not view.parts["errors"]:
        return []
    return [blocks.paragraph("These cells have no result."), errors(view.parts["errors"])]


def errors(entries: Rows) -> Block:
    """Cells with their errors."""
    pairs = [
        (blocks.written(entry.get("cell")), blocks.written(entry.get("error"))) for entry in entries
    ]
    return blocks.facts(pairs, "errors")


SECTION = Section("errors", "Errors", _content)
