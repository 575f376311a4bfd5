"""Results as flat tables: one row a cell, with the fields that are one value each."""

from __future__ import annotations

import csv
import io
from functools import cache
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from tunebench.reports.cell_rows import CellRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tunebench.reports.checked_json import Part


@cache
def columns(row: type[Part] = CellRow) -> dict[str, type]:
    """The fields of a row of ``results.json`` that are text or a number, with their types."""
    found = {name: set(_types(field.annotation)) for name, field in row.model_fields.items()}
    # A whole number may stand where the type says number.
    return {
        name: float if float in types else types.pop()
        for name, types in found.items()
        if types <= {str, int, float}
    }


def _types(annotation: Any) -> Iterator[type]:
    """The types of the values that are not null."""
    if get_origin(annotation) is Literal:
        yield from map(type, get_args(annotation))
    elif get_origin(annotation) in (list, dict):
        yield get_origin(annotation)
    elif inner := get_args(annotation):
        # The further arguments of Annotated are no types.
        for one in inner[:1] if hasattr(annotation, "__metadata__") else inner:
            yield from _types(one)
    elif annotation is not NoneType:
        yield annotation


def tidy(cell: Mapping[str, Any]) -> dict[str, Any]:
    """A cell of ``results.json`` without its lists, for tables."""
    return {name: cell[name] for name in columns() if name in cell}


def csv_table(cells: Sequence[Mapping[str, Any]]) -> str:
    """The cells as CSV."""
    file = io.StringIO()
    if cells:
        rows = [tidy(cell) for cell in cells]
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return file.getvalue()
