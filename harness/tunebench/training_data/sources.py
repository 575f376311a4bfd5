"""Read a user's file of prompts and completions, whatever its format, into `Rows`.

Every value is a text: a number or a list is refused, since which text it should become (``1``,
``1.0``, ``true``?) is the author's to say. An empty value, null and NaN are the empty text, which
the preparation drops. In tables nothing else is empty: the words ``NA`` and ``None`` are texts.
"""

from __future__ import annotations

import codecs
import json
import math
from typing import TYPE_CHECKING, Any, TextIO

from tunebench.errors import DatasetError
from tunebench.training_data.chat_rows import append_chat
from tunebench.training_data.rows import NoUtf8Error, Rows, utf8
from tunebench.training_data.tables import read_sheet, read_table

if TYPE_CHECKING:
    from pathlib import Path

_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def read_rows(path: Path, *, encoding: str = "utf-8", delimiter: str | None = None) -> Rows:
    """Read a file by its ending: .jsonl, .json, .csv, .tsv, .txt or .xlsx.

    Args:
        path: the file.
        encoding: of all but .xlsx.
        delimiter: between the columns of a table; by default a comma (.csv) or a tab (.tsv).

    Returns:
        One row a record, in the file's order.

    Raises:
        DatasetError: the file cannot be read, is empty or holds something else; the message
            names the line.
    """
    ending = path.suffix.lower()
    rows = Rows()
    if ending not in (".jsonl", ".json", ".csv", ".tsv", ".txt", ".xlsx"):
        raise DatasetError(
            f"{path}: files that end with {ending or 'nothing'!r} are not read: give a .jsonl, "
            ".json, .csv, .tsv, .txt or .xlsx file."
        )
    try:
        if ending == ".xlsx":
            read_sheet(path, rows)
        else:
            _refuse_utf16(path, encoding)
            # What is not UTF-8 becomes half a surrogate pair here, and is refused with its line.
            newline = {".txt": None, ".csv": "", ".tsv": ""}.get(ending, "\n")
            errors = "surrogateescape" if codecs.lookup(encoding).name == "utf-8" else "strict"
            with path.open(encoding=encoding, errors=errors, newline=newline) as file:
                if file.read(1) != "\ufeff":
                    file.seek(0)
                _read_text(path, ending, file, rows, delimiter)
    except NoUtf8Error as error:
        raise DatasetError(
            f"{path}, line {error.line}: {error.character!a} is no character of UTF-8 (a byte of "
            "another encoding, or half a surrogate pair): save the file as UTF-8 or give its "
            "--encoding."
        ) from None
    except OSError as error:
        raise DatasetError(
            f"{path}: the file cannot be read ({error.strerror}): check its path."
        ) from error
    except (UnicodeDecodeError, LookupError) as error:
        raise DatasetError(
            f"{path}: the file is not in the encoding {encoding!r} ({error}): give the right one "
            "with --encoding."
        ) from error
    if not rows:
        raise DatasetError(f"{path}: the file holds no rows: give one that does.")
    rows.forget_sharing()
    return rows


def _read_text(path: Path, ending: str, file: TextIO, rows: Rows, delimiter: str | None) -> None:
    if ending == ".jsonl":
        _read_lines(path, file, rows)
    elif ending == ".json":
        _read_json(path, file, rows)
    elif ending == ".txt":
        rows.note("a text file becomes JSONL, each line a completion")
        for number, line in enumerate(file, 1):
            rows.append(b"", utf8(line.removesuffix("\n"), number), number)
    else:
        read_table(path, file, rows, delimiter or ("," if ending == ".csv" else "\t"))


def _refuse_utf16(path: Path, encoding: str) -> None:
    with path.open("rb") as file:
        start = file.read(2)
    if start in _UTF16 and "16" not in encoding and "32" not in encoding:
        raise DatasetError(
            f"{path}: the file is in UTF-16: save it as UTF-8 or give --encoding utf-16."
        )


def _read_lines(path: Path, file: TextIO, rows: Rows) -> None:
    decoder = json.JSONDecoder()
    start, decode, append = decoder.raw_decode, decoder.decode, rows.append
    for number, line in enumerate(file, 1):
        if line.isspace():
            continue
        try:
            try:
                row, end = start(line)  # in less time than decode, which looks for white space
            except ValueError:
                row, end = None, 0
            if line[end:] != "\n":
                row = decode(line)
        except (ValueError, RecursionError) as error:
            why = getattr(error, "msg", "nested too deeply")
            raise DatasetError(
                f"{path}, line {number}: this is not JSON ({why}): fix the line or take it out."
            ) from None
        if type(row) is dict and len(row) == 2:
            prompt, completion = row.get("prompt"), row.get("completion")
            if type(prompt) is str and type(completion) is str and rows.chat is None:
                append(utf8(prompt, number), utf8(completion, number), number)
                continue
        _append_object(path, row, line, number, rows)


def _read_json(path: Path, file: TextIO, rows: Rows) -> None:
    text = file.read()
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        if getattr(error, "msg", "") == "Extra data":  # one record a line, under another name
            rows.note("the file holds JSONL and is given that ending")
            file.seek(0)
            _read_lines(path, file, rows)
            return
        where = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        why = getattr(error, "msg", "nested too deeply")
        raise DatasetError(f"{path}{where}: this is not JSON ({why}): fix it.") from None
    rows.note("JSON becomes JSONL")
    if isinstance(document, dict) and all(isinstance(c, dict) for c in document.values()):
        # As data frames are written: an object a column, its values by row name.
        names = {name: None for column in document.values() for name in column}
        document = [{c: values.get(n) for c, values in document.items()} for n in names]
    elif isinstance(document, dict):
        document = [document]
    if not isinstance(document, list):
        raise DatasetError(f"{path}: this is no list of records: write one.")
    for number, row in enumerate(document, 1):
        _append_object(path, row, json.dumps(row, ensure_ascii=False), number, rows)


def _append_object(path: Path, row: Any, line: str, number: int, rows: Rows) -> None:
    """Add a record that is not simply two texts, or refuse it."""
    if not isinstance(row, dict):
        raise DatasetError(
            f"{path}, line {number}: this is not a JSON object: write "
            '{"prompt": "…", "completion": "…"}.'
        )
    if "messages" in row or rows.chat is not None:
        append_chat(path, row, line, number, rows)
        return
    values = []
    for column in ("prompt", "completion"):
        name = column
        if column not in row:
            names = [key for key in row if key.strip().lower() == column]
            if len(names) != 1:
                raise DatasetError(
                    f"{path}, line {number}: there is no key {column!r} among "
                    f"{', '.join(map(repr, row)) or 'none'}: name it so."
                )
            name = names[0]
            rows.note(f"the key {name!r} becomes {column!r}")
        value = row[name]
        if value is None or (isinstance(value, float) and math.isnan(value)):
            value = ""
        if not isinstance(value, str):
            raise DatasetError(
                f"{path}, line {number}: the {column} is {json.dumps(value)[:40]}, not a text: put "
                "it in quotes."
            )
        values.append(utf8(value, number))
    if len(row) > 2:
        rows.note("keys other than 'prompt' and 'completion' are left out")
    rows.append(values[0], values[1], number)
