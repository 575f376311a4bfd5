"""Values of a table: what is a text, and how numbers are written."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from tunebench.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

# A JSON object: its place, itself and its JSON.
Record = tuple[int, dict[str, Any], str]


class _Written(float):
    """A number of a JSON file, which is printed as it is written there."""

    def __new__(cls, text: str) -> _Written:
        number = super().__new__(cls, text)
        number.text = text
        return number

    text: str

    def __str__(self) -> str:
        return self.text


decode = json.JSONDecoder(parse_float=_Written).decode


def not_json(error: Exception, where: str, hint: str) -> DatasetError:
    """The error for text that is not JSON, made of what the decoder raised."""
    why = getattr(error, "msg", "nested too deeply")
    return DatasetError(f"this is not JSON ({why})", where=where, hint=hint)


def written(cell: Any) -> str | None:
    """A number, true or false as files show it; None for another value."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, int) or (isinstance(cell, float) and math.isfinite(cell)):
        return str(cell)
    return None


def is_utf8(text: str) -> bool:
    """Whether a text has no half of a surrogate pair."""
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def not_utf8(where: str, line: str, encoding: str | None) -> DatasetError:
    """The error for a line whose bytes are not UTF-8."""
    saved_in = "UTF-16" if line[:2] in ("\udcff\udcfe", "\udcfe\udcff") else "WINDOWS-1252"
    hint = f"convert the file, as with `iconv -f {saved_in} -t UTF-8` if that is what it was saved"
    hint += " in, or " + ("give its --encoding" if encoding else "save it as UTF-8")
    return DatasetError("this is not UTF-8", where=where, hint=hint)


def unreadable(path: Path, error: OSError) -> DatasetError:
    """The error for a file that the system does not give."""
    problem = f"the file cannot be read ({error.strerror or error})"
    return DatasetError(problem, where=path, hint="check its path")
