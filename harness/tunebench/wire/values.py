"""Single values of a provider's JSON: lenient where providers differ, strict where it matters."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from tunebench.errors import hidden, printable, without_secrets

if TYPE_CHECKING:
    from collections.abc import Collection

_MAX_SHOWN = 60
_MAX_DEPTH_PARSED = 100
_MAX_COUNT = 1 << 53
MAX_NAME = 256
# Where the words of an error stand, by the habits of several frameworks, and how deep at the most.
_SAID_IN = ("message", "msg", "detail", "error", "error_description")
_MAX_DEPTH = 8


class Unusable(ValueError):  # noqa: N818 - an answer, not a failure of ours
    """An answer that cannot be used, and why: the end of a sentence, without its full stop."""

    @property
    def end(self) -> str:
        """With its full stop, unless it is a question."""
        return str(self) if str(self).endswith("?") else f"{self}."


def shown(value: Any) -> str:
    """A JSON value for a sentence: short, in one line."""
    try:
        # Keys are hidden before a part is cut off, which could leave the half of one.
        text = json.dumps(without_secrets(value), ensure_ascii=False)
    except (ValueError, TypeError, RecursionError):
        text = type(value).__name__
    text = printable(text[: 2 * _MAX_SHOWN])
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


def wrong(field: str, value: Any, wanted: str) -> Unusable:
    """The value of a field is another than it must be."""
    return Unusable(f"{field} is {shown(value)} and must be {wanted}")


def parsed(content: bytes) -> Any:
    """The JSON value of an answer.

    Raises:
        ValueError: it is not JSON, or nested too deeply to be an answer.
    """
    try:
        value = json.loads(content)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    # Whoever walks through the value later on may have less room for it than the parser had.
    if content.count(b"[") + content.count(b"{") > _MAX_DEPTH_PARSED:
        level = [value]
        for _ in range(_MAX_DEPTH_PARSED):
            level = [part for one in level for part in _parts(one)]
        if level:
            raise ValueError("nested too deeply")
    return value


def _parts(value: Any) -> Collection[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def integer(value: Any, field: str) -> int:
    """A whole number, which some providers write as a string or with a decimal point.

    Raises:
        Unusable: it is none.
    """
    number = finite(value)
    if number is None or not number.is_integer():
        raise wrong(field, value, "a whole number")
    return int(value) if isinstance(value, int) else int(number)


def finite(value: Any) -> float | None:
    """A finite number, which some providers write as a string; None where it is none."""
    if type(value) is float:  # as nearly all are
        return value if math.isfinite(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and len(value) > 40:  # longer than any number
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def numeric(value: Any) -> float | None:
    """A finite number that is there for information; None where it is none. A whole one stays."""
    found = finite(value)
    if found is None:
        return None
    if isinstance(value, str):
        return int(value) if value.strip().lstrip("+-").isdecimal() else found
    return value  # type: ignore[no-any-return]


def count(value: Any) -> int | None:
    """A number of tokens or seconds that is there for information; None where it is none."""
    found = finite(value)
    if found is None or not 0 <= found < _MAX_COUNT or not found.is_integer():
        return None
    return int(found)


def name(value: Any, field: str) -> str:
    """A name or an id: a string that is not empty, shorter than any text, safe to print.

    Raises:
        Unusable: it is none.
    """
    if not isinstance(value, str) or not value or len(value) > MAX_NAME:
        raise wrong(field, value, "a name")
    return printable(value)


def optional_name(value: Any) -> str:
    """A name that is there for information; an empty string where it is none."""
    if isinstance(value, str) and len(value) <= MAX_NAME:
        return printable(value)
    return ""


def words(value: Any, limit: int = 300) -> str:
    """What a provider says to people, in one short line; an empty string where it is not text."""
    for _ in range(_MAX_DEPTH):
        if isinstance(value, list):
            value = next((part for part in value if isinstance(part, str | dict)), "")
        elif isinstance(value, dict):
            value = next((value[key] for key in _SAID_IN if value.get(key)), "")
            value = value if isinstance(value, str | list | dict) else shown(value)
        else:
            break
    if not isinstance(value, str):
        return ""
    return printable(" ".join(hidden(value)[: 8 * limit].split()))[:limit]


def reported(error: Any) -> str:
    """The end of a sentence about an error that stands in an answer with a good status."""
    said = words(error).rstrip(".")
    return "the provider answered with an error" + (f": {said}" if said else f" ({shown(error)})")
