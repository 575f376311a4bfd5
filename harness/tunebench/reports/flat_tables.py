"""Results as flat tables: one row a cell, without its lists."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LISTS = (
    "readings",
    "overrides",
    "gates",
    "calibration",
    "confusion",
    "predictions",
    "probabilities",
    "prompt_sha256",
)


def tidy(cell: Mapping[str, Any]) -> dict[str, Any]:
    """A cell of ``results.json`` without its lists, for tables."""
    return {name: value for name, value in cell.items() if name not in _LISTS}


def csv_table(cells: Sequence[Mapping[str, Any]]) -> str:
    """The cells as CSV."""
    file = io.StringIO()
    if cells:
        rows = [tidy(cell) for cell in cells]
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return file.getvalue()
