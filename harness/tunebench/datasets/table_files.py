"""A user's own file: ``.csv``, ``.tsv``, ``.jsonl`` or ``.parquet``, read as texts and labels.

What cannot be read as it was meant is refused in a sentence; nothing is guessed at or dropped.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunebench.errors import DatasetError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ENDINGS = (".csv", ".tsv", ".jsonl", ".parquet")
LONGEST = 1_000_000  # characters of a cell: no prompt carries more, an unclosed quote soon does
_DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True)
class Table:
    """The texts and labels of a file, as they stand there.

    Attributes:
        path: the file.
        texts: one a row; empty where the cell is.
        labels: one a row; empty where the cell is.
        places: where each row begins: its line, or in a Parquet file its row, from 1 on.
        unit: what `places` counts: ``line`` or ``row``.
    """

    path: Path
    texts: list[str]
    labels: list[str]
    places: list[int]
    unit: str = "line"


def read_table(path: Path, text_column: str, label_column: str) -> Table:
    """Read two columns of a file, by its ending.

    Args:
        path: the file, UTF-8 but for ``.parquet``. Columns of a ``.csv`` are set apart by commas,
            or by semicolons or tabs where the first line names both columns that way.
        text_column: the column of the texts.
        label_column: the column of the labels; whole numbers are taken as they are written.

    Raises:
        DatasetError: the file cannot be read, lacks a column, or a row is broken; the message
            names the line.
    """
    if text_column == label_column:
        raise DatasetError(
            f"{path}: text_column and label_column are both {text_column!r}; name two columns."
        )
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise DatasetError(
            f"{path}: files that end with {ending or 'nothing'!r} are not read; give a "
            f"{', '.join(ENDINGS[:-1])} or {ENDINGS[-1]} file."
        )
    try:
        if ending == ".parquet":
            return _read_parquet(path, text_column, label_column)
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(
            f"{path}: the file cannot be read ({error.strerror or error}); check its path."
        ) from None
    read = _read_lines if ending == ".jsonl" else _read_separated
    return read(path, _decoded(path, data), text_column, label_column)


def _decoded(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        other = "UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "WINDOWS-1252"
        raise DatasetError(
            f"{path}, line {line}: this is not UTF-8; convert the file, as with `iconv -f {other} "
            f"-t UTF-8` if that is what it was saved in, or save it as UTF-8."
        ) from None


def _read_separated(path: Path, content: str, text_column: str, label_column: str) -> Table:
    table = Table(path, [], [], [])
    # The limit of the csv module holds for the whole process and knows no place: ours does.
    before = csv.field_size_limit(sys.maxsize)
    try:
        delimiter = _delimiter(path, content, (text_column, label_column))
        reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
        header = next(reader, [])
        text_at, label_at = _positions(path, header, text_column, label_column)
        width, start = len(header), reader.line_num + 1
        try:
            for row in reader:
                if len(row) == width:
                    if max(map(len, row)) > LONGEST:
                        _refuse_long(path, start, dict(zip(header, row, strict=True)))
                    table.texts.append(row[text_at])
                    table.labels.append(row[label_at])
                    table.places.append(start)
                elif row:
                    raise DatasetError(
                        f"{path}, line {start}: there {_values(len(row))} under {width} column "
                        "names; put quotes around a value that holds the delimiter or a quote."
                    )
                start = reader.line_num + 1
        except csv.Error as error:
            raise DatasetError(
                f"{path}, line {start}: the row that begins here is broken ({error}); fix its "
                "quotes."
            ) from None
    finally:
        csv.field_size_limit(before)
    return table


def _values(count: int) -> str:
    return "is 1 value" if count == 1 else f"are {count} values"


def _delimiter(path: Path, content: str, columns: Sequence[str]) -> str:
    """The delimiter that makes the first line hold both columns.

    If none does, the one that finds most columns there, of which the error then tells.
    """
    usual = "\t" if path.suffix.lower() == ".tsv" else ","
    found: dict[str, int] = {}
    for delimiter in (usual, *_DELIMITERS):
        begin = io.StringIO(content[:100_000], newline="")
        header = next(csv.reader(begin, delimiter=delimiter), [])
        if set(columns) <= set(header):
            return delimiter
        found.setdefault(delimiter, len(header))
    return max(found, key=lambda delimiter: found[delimiter])


def _positions(
    path: Path, header: Sequence[str], text_column: str, label_column: str
) -> tuple[int, int]:
    if not header:
        raise DatasetError(
            f"{path}: the file is empty or begins with an empty line; give one whose first line "
            "names the columns."
        )
    found = []
    for key, column in (("text_column", text_column), ("label_column", label_column)):
        if header.count(column) != 1:
            raise DatasetError(f"{path}: {_no_column(key, column, header)}")
        found.append(header.index(column))
    return found[0], found[1]


def _no_column(key: str, column: str, columns: Sequence[str]) -> str:
    if column in columns:
        return f"{columns.count(column)} columns are called {column!r}; rename all but one."
    shown = ", ".join(repr(name[:40]) for name in columns[:20])
    near = nearest(column, columns)
    fix = f"set {key} = {json.dumps(near)}" if near else f"set {key} to one of them"
    return f"there is no column {column!r} among {shown}; {fix} in [task], or fix the file."


def _refuse_long(path: Path, start: int, row: dict[str, str], unit: str = "line") -> None:
    column, cell = max(row.items(), key=lambda pair: len(pair[1]))
    raise DatasetError(
        f"{path}, {unit} {start}: the cell of column {column!r} has {len(cell):,} characters, and "
        f"{LONGEST:,} are the most; shorten it, or close its quote."
    )


def _read_lines(path: Path, content: str, text_column: str, label_column: str) -> Table:
    table = Table(path, [], [], [])
    decode = json.JSONDecoder().decode
    for number, line in enumerate(content.split("\n"), 1):
        if not line or line.isspace():
            continue
        at = f"{path}, line {number}: "
        try:
            row = decode(line)
        except (ValueError, RecursionError) as error:
            why = getattr(error, "msg", "nested too deeply")
            raise DatasetError(f"{at}this is not JSON ({why}); fix the line.") from None
        if not isinstance(row, dict):
            raise DatasetError(
                f"{at}this is not a JSON object; write one with the keys {text_column!r} and "
                f"{label_column!r}."
            )
        if text_column not in row or label_column not in row:
            _positions_in_object(at, row, text_column, label_column)
        text = _cell(at, text_column, row[text_column])
        label = _cell(at, label_column, row[label_column], number=True)
        if len(text) > LONGEST:
            _refuse_long(path, number, {text_column: text})
        table.texts.append(text)
        table.labels.append(label)
        table.places.append(number)
    return table


def _positions_in_object(at: str, row: dict[str, Any], text_column: str, label_column: str) -> None:
    for key, column in (("text_column", text_column), ("label_column", label_column)):
        if column not in row:
            raise DatasetError(f"{at}{_no_column(key, column, list(row))}")


def _cell(at: str, column: str, value: Any, *, number: bool = False) -> str:
    """A cell as a text; None is the empty one."""
    if value is None:
        return ""
    if number and type(value) is int:
        return str(value)
    if not isinstance(value, str):
        raise DatasetError(
            f"{at}column {column!r} holds {json.dumps(value, default=str)[:40]}, not a text; put "
            "it in quotes."
        )
    try:
        value.encode()
    except UnicodeEncodeError:
        raise DatasetError(
            f"{at}column {column!r} holds half a surrogate pair, which is no character; fix it."
        ) from None
    return value


def _read_parquet(path: Path, text_column: str, label_column: str) -> Table:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise DatasetError(
            f"{path}: reading .parquet takes pyarrow; run: pip install 'tunebench[parquet]'"
        ) from None
    try:
        file = pq.ParquetFile(path)
        _positions(path, file.schema_arrow.names, text_column, label_column)
        columns = file.read([text_column, label_column])
    except pa.ArrowException as error:
        why = " ".join(str(error).split())[:200]
        raise DatasetError(
            f"{path}: this is no sound Parquet file ({why}); write it again."
        ) from None
    texts, labels = (columns[name].to_pylist() for name in (text_column, label_column))
    table = Table(path, [], [], list(range(1, len(texts) + 1)), "row")
    for number, text, label in zip(table.places, texts, labels, strict=True):
        at = f"{path}, row {number}: "
        table.texts.append(_cell(at, text_column, text))
        table.labels.append(_cell(at, label_column, label, number=True))
        if len(table.texts[-1]) > LONGEST:
            _refuse_long(path, number, {text_column: table.texts[-1]}, "row")
    return table
