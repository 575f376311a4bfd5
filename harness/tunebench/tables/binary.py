"""Rows of .parquet and .xlsx files, read by the libraries of the extras of these names."""

from __future__ import annotations

import importlib
from contextlib import closing
from typing import TYPE_CHECKING, Any

from tunebench.errors import DatasetError, TunebenchError
from tunebench.tables.values import unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    Found = Callable[[Sequence[str], str], list[str]]  # the columns to read, among all names


def parquet_rows(path: Path, found: Found) -> Iterator[tuple[int, Sequence[Any]]]:
    """The place and the cells of each row.

    Raises:
        DatasetError: the file cannot be read, or pyarrow is not installed.
    """
    pa, pq = _needed("pyarrow", path), _needed("pyarrow.parquet", path)
    try:
        file = pq.ParquetFile(path)
        names = found(file.schema_arrow.names, str(path))
        columns = file.read(names)
    except pa.ArrowException as error:
        why = " ".join(str(error).split())[:200]
        problem = f"this is not a sound Parquet file ({why})"
        raise DatasetError(problem, where=path, hint="write it again") from None
    except OSError as error:
        raise unreadable(path, error) from None
    yield from enumerate(zip(*(_values(columns[name]) for name in names), strict=True), 1)


def sheet_rows(path: Path, found: Found, notes: list[str]) -> Iterator[tuple[int, Sequence[Any]]]:
    """The place and the cells of each row of the first sheet that is not empty.

    If there are more sheets, that is added to `notes`.

    Raises:
        DatasetError: the file cannot be read, or openpyxl is not installed.
    """
    openpyxl = _needed("openpyxl", path)
    try:
        with closing(openpyxl.load_workbook(path, read_only=True, data_only=True)) as book:
            first, *others = book.worksheets
            if others:
                count = len(book.worksheets)
                notes.append(f"Of {count} sheets the first, {first.title!r}, is read.")
            rows = first.iter_rows(values_only=True)
            header = ["" if cell is None else str(cell) for cell in next(rows, ())]
            if not any(header):
                problem, hint = "the first row is empty", "put the names of the columns there"
                raise DatasetError(problem, where=path, hint=hint)
            positions = [header.index(name) for name in found(header, f"{path}, row 1")]
            for place, cells in enumerate(rows, 2):
                if any(cell is not None for cell in cells):
                    # A row may end with its last value.
                    yield place, [cells[i] if i < len(cells) else None for i in positions]
    except TunebenchError:
        raise
    except OSError as error:
        raise unreadable(path, error) from error
    except Exception as error:  # what readers of ZIP and XML raise
        problem = f"this is not a workbook ({' '.join(str(error).split())[:200]})"
        raise DatasetError(problem, where=path, hint="save the sheet as CSV") from error


def _values(column: Any) -> list[Any]:
    """The values of a column of a Parquet file."""
    values: list[Any] = column.to_pylist()
    if str(column.type) in ("float", "halffloat"):
        import numpy as np

        # The shortest number that is the same: 0.1, and not 0.10000000149011612.
        kind = np.float32 if str(column.type) == "float" else np.float16
        return [None if value is None else float(str(kind(value))) for value in values]
    return values


def _needed(module: str, path: Path) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        ending = path.suffix.lower()
        hint = f"run: pip install 'tunebench[{ending[1:]}]'"
        raise DatasetError(f"reading {ending} takes {module}", where=path, hint=hint) from None
