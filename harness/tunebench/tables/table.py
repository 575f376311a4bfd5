"""Tables: text columns of .csv, .jsonl, .parquet and other files, by row.

What cannot be read as it was meant is an error that names the place; nothing is guessed or dropped.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import json
import re
import sys
import zlib
from array import array
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from tunebench.errors import DatasetError
from tunebench.tables.binary import parquet_rows, sheet_rows
from tunebench.tables.strings import Strings
from tunebench.tables.values import decode, is_utf8, not_json, not_utf8, unreadable, written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from tunebench.tables.values import Record

_DELIMITERS = (",", ";", "\t", "|")
_SEP_LINE = re.compile(r'"?sep=(.)"?\s*')  # of spreadsheet programs
_LONGEST_HEADER = 100  # lines
_COMPRESSED = ".gz"


@dataclass
class Table:
    """Columns of a file, to be read with `read` or filled with `append` and `add_records`.

    Attributes:
        path: the file.
        columns: the names of the columns to read.
        hint: the hint for a missing column, from its name and the names that are there.
        fold: whether case and the white space around a name are ignored.
        numbers: columns that may hold numbers, true and false, which are read as they are written.
        longest: the most characters that a cell may have.
        texts: the texts of each column; "" for an empty cell, null and NaN. Of `numbers` equal
            ones are one object.
        places: where each row begins, counted from 1.
        unit: what `places` counts: ``line``, ``row`` or ``record``.
        renamed: names in the file that differ from the wanted ones, with those.
        names: the names of all columns in the file.
        notes: what of the file is not read, a sentence each.
    """

    path: Path
    columns: tuple[str, ...]
    hint: Callable[[str, Sequence[str]], str]
    fold: bool = False
    numbers: tuple[str, ...] = ()
    longest: int = sys.maxsize
    texts: list[Strings | list[str]] = field(init=False)
    places: array[int] = field(default_factory=lambda: array("q"))
    unit: str = "line"
    renamed: dict[str, str] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.texts = [[] if name in self.numbers else Strings() for name in self.columns]

    def check_ending(self, *endings: str) -> str:
        """The ending of the file's name, in small letters, which must be one of `endings`.

        That of a compressed file has two parts, as ``.csv.gz``.
        """
        ending = self.path.suffix.lower()
        if ending == _COMPRESSED:
            ending = self.path.with_suffix("").suffix.lower() + ending
        if ending not in endings:
            which = f"that end with {ending!r}" if ending else "without an ending"
            problem = f"files {which} are not read"
            hint = f"give a {', '.join(endings[:-1])} or {endings[-1]} file"
            raise DatasetError(problem, where=self.path, hint=hint)
        return ending

    def read(self, *, encoding: str | None = None, delimiter: str | None = None) -> None:
        """Read the file, by its ending.

        Args:
            encoding: of a text file, from the option ``--encoding``; None (UTF-8) for a caller
                without that option.
            delimiter: between the columns of a ``.csv`` or ``.tsv`` file. If None, a first line
                such as ``sep=;`` names it; else it is the one that finds all wanted columns.

        Raises:
            DatasetError: the file cannot be read, lacks a column, or a row is broken.
        """
        text = (".csv", ".tsv", ".jsonl")
        compressed = (f"{ending}{_COMPRESSED}" for ending in text)
        ending = self.check_ending(*text, ".parquet", ".xlsx", *compressed)
        ending = ending.removesuffix(_COMPRESSED)
        if self.path.exists() and not (self.path.is_file() or self.path.is_dir()):
            problem = "this is a device or a pipe, and not a file"
            raise DatasetError(problem, where=self.path, hint="save what it gives as a file")
        if ending in (".parquet", ".xlsx"):
            self.unit = "row"
            rows = (
                parquet_rows(self.path, self._found)
                if ending == ".parquet"
                else sheet_rows(self.path, self._found, self.notes)
            )
            for place, cells in rows:
                self.append(place, cells)
        elif ending == ".jsonl":
            self.add_records(self.json_lines(encoding))
        else:
            usual = "\t" if ending == ".tsv" else ","
            self._read_separated(self.lines(encoding, ""), delimiter, usual)

    def at(self, place: int) -> str:
        """A place as errors name it."""
        return f"{self.path}, {self.unit} {place}"

    def append(self, place: int, cells: Iterable[Any]) -> None:
        """Add a row; DatasetError if a cell is not a text."""
        for column, texts, cell in zip(self.columns, self.texts, cells, strict=True):
            if not (type(cell) is str and len(cell) <= self.longest and is_utf8(cell)):
                cell = self._text(cell, column, place)
            texts.append(sys.intern(cell) if column in self.numbers else cell)
        self.places.append(place)

    def add_records(self, records: Iterable[Record]) -> None:
        """Add JSON objects, whose keys are the columns."""
        found: dict[tuple[str, ...], list[str]] = {}
        for place, record, _ in records:
            keys = tuple(record)
            if keys not in found:
                found[keys] = self._found(keys, self.at(place))
            self.append(place, [record[name] for name in found[keys]])

    def lines(self, encoding: str | None, newline: str | None) -> Iterator[str]:
        """The lines of a text file without its byte order mark; `newline` is as of `open`."""
        name = encoding or "utf-8"
        try:
            # What is not UTF-8 becomes half a surrogate pair here, and is refused with its line.
            errors = "surrogateescape" if codecs.lookup(name).name == "utf-8" else "strict"
            opened = gzip.open if self.path.suffix.lower() == _COMPRESSED else open
            with opened(self.path, "rt", encoding=name, errors=errors, newline=newline) as file:
                for number, line in enumerate(file, 1):
                    if not is_utf8(line):
                        raise not_utf8(self.at(number), line, encoding)
                    yield line.removeprefix("\ufeff") if number == 1 else line
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            problem = f"this is not a sound gzip file ({error})"
            raise DatasetError(problem, where=self.path, hint="compress it again") from None
        except OSError as error:
            raise unreadable(self.path, error) from error
        except (UnicodeError, LookupError) as error:
            problem = f"the file is not in the encoding {name!r} ({error})"
            hint = "give the right one with --encoding"
            raise DatasetError(problem, where=self.path, hint=hint) from error

    def json_lines(self, encoding: str | None) -> Iterator[Record]:
        """The JSON objects of a text file, one a line."""
        for number, line in enumerate(self.lines(encoding, "\n"), 1):
            if not line.isspace():
                try:
                    record = decode(line)
                except (ValueError, RecursionError) as error:
                    raise not_json(error, self.at(number), "fix the line") from None
                yield number, self.checked_object(record, number), line

    def checked_object(self, record: Any, place: int) -> dict[str, Any]:
        """A JSON value that must be an object."""
        if isinstance(record, dict):
            return record
        named = " and ".join(map(repr, self.columns))
        hint = f"write one with the keys {named}" if named else "write one of keys and values"
        raise DatasetError("this is not a JSON object", where=self.at(place), hint=hint)

    def _found(self, names: Sequence[str], where: str) -> list[str]:
        """The names under which the columns are found."""
        self.names += [name for name in names if name not in self.names]
        found = []
        for column in self.columns:
            same = self._same(column, names)
            if not same:
                shown = ", ".join(repr(name[:40]) for name in names[:20]) or "none"
                problem = f"there is no column {column!r} among {shown}"
                raise DatasetError(problem, where=where, hint=self.hint(column, names))
            if len(same) > 1:
                problem = f"{len(same)} columns are called {column!r}"
                raise DatasetError(problem, where=where, hint="rename all but one")
            if same[0] != column:
                self.renamed[same[0]] = column
            found += same
        return found

    def _same(self, column: str, names: Sequence[str]) -> list[str]:
        same = [name for name in names if name == column]
        if self.fold and not same:
            same = [name for name in names if name.strip().lower() == column]
        return same

    def _text(self, cell: Any, column: str, place: int) -> str:
        if cell is None or cell != cell:
            return ""
        if column in self.numbers and (as_written := written(cell)) is not None:
            return as_written
        if not isinstance(cell, str):
            problem = f"holds {json.dumps(cell, default=str)[:40]}, not a text"
            hint = "put it in quotes" if self.unit == "line" else "make it a text"
        elif not is_utf8(cell):
            problem, hint = "holds half a surrogate pair, which is not a character", "fix it"
        elif len(cell) > self.longest:
            problem = f"has a cell of {len(cell):,} characters, and {self.longest:,} are the most"
            hint = "shorten it, or close its quote"
        else:
            return cell
        raise DatasetError(f"column {column!r} {problem}", where=self.at(place), hint=hint)

    def _read_separated(self, content: Iterator[str], delimiter: str | None, usual: str) -> None:
        if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
            problem = f"{delimiter!r} cannot separate columns"
            raise DatasetError(problem, where=self.path, hint="give one character")
        head = list(islice(content, _LONGEST_HEADER))
        sep = _SEP_LINE.fullmatch(head[0]) if head else None
        skipped = 1 if sep else 0
        start = skipped + 1
        # The limit of the csv module holds for the whole process and knows no place: ours does.
        before = csv.field_size_limit(sys.maxsize)
        try:
            delimiter = delimiter or (sep[1] if sep else self._delimiter(head, usual))
            reader = csv.reader(chain(head[skipped:], content), delimiter=delimiter, strict=True)
            header = next(reader, [])
            if not any(header):
                problem = "the file is empty or begins with an empty line"
                hint = "give one whose first line names the columns"
                raise DatasetError(problem, where=self.path, hint=hint)
            positions = [header.index(name) for name in self._found(header, self.at(start))]
            kept = [sys.intern if name in self.numbers else str for name in self.columns]
            wanted = list(zip(positions, self.texts, kept, strict=True))
            start = reader.line_num + skipped + 1
            for row in reader:
                if len(row) == len(header):
                    if max(map(len, row)) > self.longest:
                        for name, cell in zip(header, row, strict=True):
                            self._text(cell, name, start)
                    for position, texts, keep in wanted:
                        texts.append(keep(row[position]))
                    self.places.append(start)
                elif row:
                    values = "is 1 value" if len(row) == 1 else f"are {len(row)} values"
                    problem = f"there {values} under {len(header)} column names"
                    hint = "put quotes around a value that holds the delimiter or a quote"
                    raise DatasetError(problem, where=self.at(start), hint=hint)
                start = reader.line_num + skipped + 1
        except csv.Error as error:
            problem = f"the row that begins here is broken ({error})"
            raise DatasetError(problem, where=self.at(start), hint="fix its quotes") from None
        finally:
            csv.field_size_limit(before)

    def _delimiter(self, head: Sequence[str], usual: str) -> str:
        """The delimiter that finds each wanted column once, or else the most columns."""
        headers = {
            delimiter: next(csv.reader(head, delimiter=delimiter), [])
            for delimiter in (usual, *_DELIMITERS)
        }
        for delimiter, names in headers.items():
            fits = [len(self._same(column, names)) == 1 for column in self.columns]
            if fits and all(fits):
                return delimiter
        return max(headers, key=lambda delimiter: len(headers[delimiter]))
