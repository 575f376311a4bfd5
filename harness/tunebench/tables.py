"""Text columns of a user's .csv, .tsv, .jsonl, .parquet or .xlsx file, with the place of each row.

What cannot be read as it was meant is an error that names the place; nothing is guessed or dropped.
"""

from __future__ import annotations

import codecs
import csv
import importlib
import json
import re
import sys
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from tunebench.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

_DELIMITERS = (",", ";", "\t", "|")
_SEP_LINE = re.compile(r'"?sep=(.)"?\s*')  # of spreadsheet programs
_LONGEST_HEADER = 100  # lines
_decode = json.JSONDecoder().decode


@dataclass(frozen=True)
class Wanted:
    """The columns to read, and how to find them.

    Attributes:
        columns: their names.
        hint: what to do about a missing column, from its name and the names that are there.
        fold: whether case and the white space around a name are ignored.
        numbers: columns that may hold whole numbers, which are read as they are written.
        longest: the most characters that a cell may have.
    """

    columns: tuple[str, ...]
    hint: Callable[[str, Sequence[str]], str]
    fold: bool = False
    numbers: tuple[str, ...] = ()
    longest: int = sys.maxsize

    def find(self, names: Sequence[str], where: object) -> list[str]:
        """The names of the columns among those of a file or a record.

        Raises:
            DatasetError: a column is missing, or several have its name.
        """
        found = []
        for column in self.columns:
            same = [name for name in names if name == column]
            if self.fold and not same:
                same = [name for name in names if name.strip().lower() == column]
            if not same:
                shown = ", ".join(repr(name[:40]) for name in names[:20]) or "none"
                problem = f"there is no column {column!r} among {shown}"
                raise DatasetError(problem, where=f"{where}", hint=self.hint(column, names))
            if len(same) > 1:
                problem = f"{len(same)} columns are called {column!r}"
                raise DatasetError(problem, where=f"{where}", hint="rename all but one")
            found += same
        return found

    def text(self, cell: Any, column: str, where: str) -> str:
        """A cell as a text; null and NaN are the empty one.

        Raises:
            DatasetError: it is not a text, or too long.
        """
        if cell is None or cell != cell:
            return ""
        if type(cell) is int and column in self.numbers:
            return str(cell)
        if not isinstance(cell, str):
            problem = f"holds {json.dumps(cell, default=str)[:40]}, not a text"
            hint = "put it in quotes"
        elif not _is_utf8(cell):
            problem, hint = "holds half a surrogate pair, which is not a character", "fix it"
        elif len(cell) > self.longest:
            problem = f"has a cell of {len(cell):,} characters, and {self.longest:,} are the most"
            hint = "shorten it, or close its quote"
        else:
            return cell
        raise DatasetError(f"column {column!r} {problem}", where=where, hint=hint)


@dataclass
class Table:
    """The wanted columns of a file.

    Attributes:
        path: the file.
        wanted: the columns.
        unit: what `places` counts: ``line``, ``row`` or ``record``.
        columns: the texts of each column; "" for an empty cell.
        places: where each row begins, from 1 on.
        renamed: the names in the file that are not those wanted, and what they stand for.
        others: whether there are other columns.
    """

    path: Path
    wanted: Wanted
    unit: str = "line"
    columns: list[list[str]] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)
    others: bool = False

    def __post_init__(self) -> None:
        self.columns = [[] for _ in self.wanted.columns]

    def at(self, place: int) -> str:
        """A place as errors name it."""
        return f"{self.path}, {self.unit} {place}"

    def find(self, names: Sequence[str], where: object) -> list[str]:
        """As `Wanted.find`, keeping what was found."""
        found = self.wanted.find(names, where)
        pairs = zip(found, self.wanted.columns, strict=True)
        self.renamed.update({name: column for name, column in pairs if name != column})
        self.others |= len(names) > len(found)
        return found

    def append(self, place: int, cells: Iterable[Any]) -> None:
        """Check the cells of a row and add it."""
        longest = self.wanted.longest
        for column, texts, cell in zip(self.wanted.columns, self.columns, cells, strict=True):
            if type(cell) is str and cell.isascii() and len(cell) <= longest:
                texts.append(cell)
            else:
                texts.append(self.wanted.text(cell, column, self.at(place)))
        self.places.append(place)

    def add_records(self, records: Iterable[tuple[int, dict[str, Any]]]) -> None:
        """Add JSON objects, each with its place; their keys are the columns."""
        found: dict[tuple[str, ...], list[str]] = {}
        for place, record in records:
            keys = tuple(record)
            if keys not in found:
                found[keys] = self.find(keys, self.at(place))
            self.append(place, [record[name] for name in found[keys]])


def read_table(
    path: Path, wanted: Wanted, *, encoding: str | None = None, delimiter: str | None = None
) -> Table:
    """Read columns of a file, by its ending.

    Args:
        path: a ``.csv``, ``.tsv``, ``.jsonl``, ``.parquet`` or ``.xlsx`` file.
        wanted: the columns.
        encoding: of a text file, as given with ``--encoding``; None, where there is no such
            option, is UTF-8.
        delimiter: between the columns of a ``.csv`` or ``.tsv`` file. If None, a first line such
            as ``sep=;`` names it; else it is the one with which all wanted columns are named.

    Raises:
        DatasetError: the file cannot be read, lacks a column, or a row is broken.
    """
    table = Table(path, wanted)
    ending = path.suffix.lower()
    if ending == ".parquet":
        _read_parquet(table)
    elif ending == ".xlsx":
        _read_sheet(table)
    elif ending == ".jsonl":
        objects = json_lines(path, wanted, lines(path, encoding, "\n"))
        table.add_records((place, record) for place, record, _ in objects)
    else:
        _read_separated(table, lines(path, encoding, ""), delimiter)
    return table


def check_ending(path: Path, endings: Sequence[str]) -> None:
    """Refuse a file whose name has another ending.

    Raises:
        DatasetError: it has.
    """
    ending = path.suffix.lower()
    if ending not in endings:
        raise DatasetError(
            f"files that end with {ending or 'nothing'!r} are not read",
            where=path,
            hint=f"give a {', '.join(endings[:-1])} or {endings[-1]} file",
        )


def lines(path: Path, encoding: str | None, newline: str | None) -> Iterator[str]:
    """The lines of a text file without its byte order mark.

    Args:
        path: the file.
        encoding: as of `read_table`.
        newline: as of `open`.

    Raises:
        DatasetError: the file cannot be read, or is in another encoding.
    """
    name = encoding or "utf-8"
    try:
        # What is not UTF-8 becomes half a surrogate pair here, and is refused with its line.
        errors = "surrogateescape" if codecs.lookup(name).name == "utf-8" else "strict"
        with path.open(encoding=name, errors=errors, newline=newline) as file:
            for number, line in enumerate(file, 1):
                if not _is_utf8(line):
                    raise _not_utf8(f"{path}, line {number}", line, encoding)
                yield line.removeprefix("\ufeff") if number == 1 else line
    except OSError as error:
        raise _unreadable(path, error) from error
    except (UnicodeError, LookupError) as error:
        problem = f"the file is not in the encoding {name!r} ({error})"
        hint = "give the right one with --encoding"
        raise DatasetError(problem, where=path, hint=hint) from error


def _is_utf8(text: str) -> bool:
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def _not_utf8(where: str, line: str, encoding: str | None) -> DatasetError:
    saved_in = "UTF-16" if line[:2] in ("\udcff\udcfe", "\udcfe\udcff") else "WINDOWS-1252"
    hint = f"convert the file, as with `iconv -f {saved_in} -t UTF-8` if that is what it was saved"
    hint += " in, or " + ("give its --encoding" if encoding else "save it as UTF-8")
    return DatasetError("this is not UTF-8", where=where, hint=hint)


def _unreadable(path: Path, error: OSError) -> DatasetError:
    problem = f"the file cannot be read ({error.strerror or error})"
    return DatasetError(problem, where=path, hint="check its path")


def json_lines(
    path: Path, wanted: Wanted, content: Iterable[str]
) -> Iterator[tuple[int, dict[str, Any], str]]:
    """The JSON objects of a ``.jsonl`` file, each with its line number and its line.

    Raises:
        DatasetError: a line is not a JSON object.
    """
    for number, line in enumerate(content, 1):
        if not line.isspace():
            where = f"{path}, line {number}"
            try:
                record = _decode(line)
            except (ValueError, RecursionError) as error:
                raise not_json(error, where, "fix the line") from None
            check_object(record, wanted, where)
            yield number, record, line


def not_json(error: Exception, where: str, hint: str) -> DatasetError:
    """The error for text that is not JSON, made of what the decoder raised."""
    why = getattr(error, "msg", "nested too deeply")
    return DatasetError(f"this is not JSON ({why})", where=where, hint=hint)


def check_object(record: Any, wanted: Wanted, where: str) -> None:
    """Refuse a JSON value that is not an object."""
    if not isinstance(record, dict):
        hint = f"write one with the keys {' and '.join(map(repr, wanted.columns))}"
        raise DatasetError("this is not a JSON object", where=where, hint=hint)


def _read_separated(table: Table, content: Iterator[str], delimiter: str | None) -> None:
    # The limit of the csv module holds for the whole process and knows no place: ours does.
    before = csv.field_size_limit(sys.maxsize)
    head = list(islice(content, _LONGEST_HEADER))
    sep = _SEP_LINE.fullmatch(head[0]) if head else None
    skipped = 1 if sep else 0
    start = skipped + 1
    try:
        delimiter = delimiter or (sep[1] if sep else _delimiter(table, head))
        reader = csv.reader(chain(head[skipped:], content), delimiter=delimiter, strict=True)
        header = next(reader, [])
        if not any(header):
            problem = "the file is empty or begins with an empty line"
            hint = "give one whose first line names the columns"
            raise DatasetError(problem, where=table.path, hint=hint)
        found = table.find(header, table.at(start))
        texts = [
            (header.index(name), texts) for name, texts in zip(found, table.columns, strict=True)
        ]
        start = reader.line_num + skipped + 1
        for row in reader:
            if len(row) == len(header):
                if max(map(len, row)) > table.wanted.longest:
                    for name, cell in zip(header, row, strict=True):
                        table.wanted.text(cell, name, table.at(start))
                for position, column in texts:
                    column.append(row[position])
                table.places.append(start)
            elif row:
                values = "is 1 value" if len(row) == 1 else f"are {len(row)} values"
                problem = f"there {values} under {len(header)} column names"
                hint = "put quotes around a value that holds the delimiter or a quote"
                raise DatasetError(problem, where=table.at(start), hint=hint)
            start = reader.line_num + skipped + 1
    except csv.Error as error:
        problem = f"the row that begins here is broken ({error})"
        raise DatasetError(problem, where=table.at(start), hint="fix its quotes") from None
    finally:
        csv.field_size_limit(before)


def _delimiter(table: Table, head: Sequence[str]) -> str:
    """The delimiter with which all wanted columns are named; else the one with most names."""
    usual = "\t" if table.path.suffix.lower() == ".tsv" else ","
    counts: dict[str, int] = {}
    for delimiter in (usual, *_DELIMITERS):
        names = next(csv.reader(head, delimiter=delimiter), [])
        try:
            table.wanted.find(names, "")
        except DatasetError:
            counts.setdefault(delimiter, len(names))
        else:
            return delimiter
    return max(counts, key=lambda delimiter: counts[delimiter])


def _read_parquet(table: Table) -> None:
    pa, pq = _needed(table, "pyarrow", "parquet"), _needed(table, "pyarrow.parquet", "parquet")
    try:
        file = pq.ParquetFile(table.path)
        found = table.find(file.schema_arrow.names, table.path)
        columns = file.read(found)
    except pa.ArrowException as error:
        why = " ".join(str(error).split())[:200]
        problem = f"this is not a sound Parquet file ({why})"
        raise DatasetError(problem, where=table.path, hint="write it again") from None
    except OSError as error:
        raise _unreadable(table.path, error) from None
    table.unit = "row"
    cells = zip(*(columns[name].to_pylist() for name in found), strict=True)
    for place, row in enumerate(cells, 1):
        table.append(place, row)


def _read_sheet(table: Table) -> None:
    """Read the first sheet of a workbook."""
    openpyxl = _needed(table, "openpyxl", "xlsx")
    try:
        book = openpyxl.load_workbook(table.path, read_only=True, data_only=True)
    except OSError as error:
        raise _unreadable(table.path, error) from error
    except Exception as error:  # what readers of ZIP and XML raise
        problem = f"this is not a workbook ({error})"
        raise DatasetError(problem, where=table.path, hint="save the sheet as CSV") from error
    rows = book.worksheets[0].iter_rows(values_only=True)
    names = [str(cell or "") for cell in next(rows, ())]
    table.unit = "row"
    found = [names.index(name) for name in table.find(names, table.at(1))]
    for place, row in enumerate(rows, 2):
        table.append(place, [row[position] for position in found])
    book.close()


def _needed(table: Table, module: str, extra: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise DatasetError(
            f"reading .{extra} takes {module}",
            where=table.path,
            hint=f"run: pip install 'tunebench[{extra}]'",
        ) from None
