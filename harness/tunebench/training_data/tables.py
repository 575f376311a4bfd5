"""Read tables, .csv, .tsv and .xlsx, into `Rows`."""

from __future__ import annotations

import csv
import importlib
import sys
from typing import TYPE_CHECKING, Any, TextIO

from tunebench.errors import DatasetError
from tunebench.training_data.rows import utf8

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tunebench.training_data.rows import Rows

_COLUMNS = ("prompt", "completion")
_DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "an upright line"}


def read_table(path: Path, file: TextIO, rows: Rows, delimiter: str) -> None:
    """Read separated values under a line of column names.

    Raises:
        DatasetError: a column is missing, or a line is broken.
    """
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    rows.note("a table becomes JSONL")
    try:
        header = next(reader, [])
        prompt, completion = _positions(path, header, rows, delimiter)
        start = reader.line_num + 1
        for row in reader:
            if row:
                if len(row) != len(header):
                    raise DatasetError(
                        f"{path}, line {start}: there are {len(row)} values under {len(header)} "
                        "column names: put quotes around a value that holds the delimiter."
                    )
                rows.append(utf8(row[prompt], start), utf8(row[completion], start), start)
            start = reader.line_num + 1
    except csv.Error as error:
        raise DatasetError(
            f"{path}, line {reader.line_num}: the table is broken ({error}): fix the quotes."
        ) from error


def read_sheet(path: Path, rows: Rows) -> None:
    """Read the first sheet of a workbook.

    Raises:
        DatasetError: openpyxl is not there, a column is missing, or a cell is not text.
    """
    try:
        openpyxl = importlib.import_module("openpyxl")
    except ImportError:
        raise DatasetError(
            f"{path}: reading .xlsx takes openpyxl: install it or save the sheet as CSV."
        ) from None
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except OSError:
        raise
    except Exception as error:
        raise DatasetError(
            f"{path}: this is no workbook ({error}): save the sheet as CSV."
        ) from error
    rows.note("the first sheet becomes JSONL")
    lines: Iterable[Sequence[Any]] = book.worksheets[0].iter_rows(values_only=True)
    cells = iter(lines)
    header = [str(cell or "") for cell in next(cells, ())]
    positions = _positions(path, header, rows, None)
    for number, row in enumerate(cells, 2):
        values = ["" if row[i] is None else row[i] for i in positions]
        for value in values:
            if not isinstance(value, str):
                raise DatasetError(
                    f"{path}, line {number}: the cell holds {value!r}, not text: make it so."
                )
        rows.append(utf8(values[0], number), utf8(values[1], number), number)
    book.close()


def _positions(
    path: Path, header: Sequence[str], rows: Rows, delimiter: str | None
) -> tuple[int, int]:
    """Where the prompt and the completion stand, by the column names."""
    if not any(header):
        raise DatasetError(f"{path}: the file is empty: give one with rows.")
    names = [name.strip().lower() for name in header]
    found = []
    for column in _COLUMNS:
        matches = [i for i, name in enumerate(header) if name == column] or [
            i for i, name in enumerate(names) if name == column
        ]
        if len(matches) != 1:
            raise DatasetError(_missing(path, header, column, len(matches), delimiter))
        if header[matches[0]] != column:
            rows.note(f"the column {header[matches[0]]!r} becomes {column!r}")
        found.append(matches[0])
    if len(header) > 2:
        rows.note("columns other than 'prompt' and 'completion' are left out")
    return found[0], found[1]


def _missing(
    path: Path, header: Sequence[str], column: str, matches: int, delimiter: str | None
) -> str:
    if matches:
        return f"{path}, line 1: {matches} columns are called {column!r}: keep one."
    if len(header) == 1 and delimiter:
        for other, name in _DELIMITERS.items():
            if column in [part.strip('" ').lower() for part in header[0].split(other)]:
                return (
                    f"{path}, line 1: the columns are set apart by {name}, not by "
                    f"{_DELIMITERS.get(delimiter, repr(delimiter))}: give --delimiter {other!r}."
                )
    columns = ", ".join(map(repr, header))[:200]
    return f"{path}, line 1: there is no column {column!r} among {columns}: name it so."
