"""The columns of a user's file, where they are not named."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

from tunebench.datasets.table_files import read_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def column_names(path: Path) -> list[str]:
    """The names of a file's columns; in a ``.jsonl`` file, the keys of the first row.

    Raises:
        DatasetError: the file cannot be read.
    """
    if path.suffix.lower() == ".parquet":
        import pyarrow.parquet as pq

        return list(pq.ParquetFile(path).schema_arrow.names)
    first = path.read_text(encoding="utf-8-sig").partition("\n")[0]
    if path.suffix.lower() == ".jsonl":
        return list(json.loads(first))
    readings = [next(csv.reader(io.StringIO(first), delimiter=d), []) for d in (",", ";", "\t")]
    return max(readings, key=len)


def text_and_label(path: Path, columns: Sequence[str]) -> tuple[str, str]:
    """Which of two columns holds the texts, and which the labels: those of fewer different values.

    Raises:
        DatasetError: the file cannot be read.
    """
    first, second = columns
    table = read_table(path, first, second)
    return (first, second) if len(set(table.labels)) <= len(set(table.texts)) else (second, first)
