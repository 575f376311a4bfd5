"""Single values of a provider's JSON: lenient where providers differ, strict where it matters."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tunebench.errors import hidden, printable, without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MAX_SHOWN = 60
_MAX_DEPTH_PARSED = 100
_MAX_COUNT = 1 << 53
_MAX_NAME = 256
MAX_ENTRIES = 100
_LATEST_SECOND = 1e11  # the year 5138; a greater number counts milliseconds
# Where several frameworks put the words of an error, and how deep at most.
_MESSAGE_FIELDS = ("message", "msg", "detail", "error", "error_description")
_MAX_DEPTH = 8


class Unusable(ValueError):  # noqa: N818 - an answer, not a failure of ours
    """An answer that cannot be used; `problem` and `hint` are those of a `TunebenchError`."""

    def __init__(self, problem: str, *, hint: str | None = None) -> None:
        super().__init__(problem if hint is None else f"{problem}; {hint}")
        self.problem = problem
        self.hint = hint


def wrong(field: str, value: Any, wanted: str, hint: str | None = None) -> Unusable:
    """The error of a field with a wrong value."""
    return Unusable(f"{field} is {shown(value)} and must be {wanted}", hint=hint)


def reported(error: Any) -> Unusable:
    """The error that an answer with a good status reports."""
    said = words(error).rstrip(".")
    end = f": {said}" if said else f" ({shown(error)})"
    return Unusable(f"the provider answered with an error{end}")


def shown(value: Any) -> str:
    """A JSON value for a sentence: short, in one line."""
    try:
        # Keys are hidden before the text is cut, which could leave the half of one.
        text = json.dumps(without_secrets(value), ensure_ascii=False)
    except (ValueError, TypeError, RecursionError):
        text = type(value).__name__
    text = printable(text[: 2 * _MAX_SHOWN])
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


def words(value: Any, limit: int = 300) -> str:
    """What a provider says to people, in one short line; an empty string where it is not text."""
    for _ in range(_MAX_DEPTH):
        if isinstance(value, list):
            value = next((part for part in value if isinstance(part, str | dict)), "")
        elif isinstance(value, dict):
            value = next((value[key] for key in _MESSAGE_FIELDS if value.get(key)), "")
            value = value if isinstance(value, str | list | dict) else shown(value)
        else:
            break
    if not isinstance(value, str):
        return ""
    return printable(" ".join(hidden(value)[: 8 * limit].split()))[:limit]


def parsed(content: bytes) -> Any:
    """The JSON value of an answer.

    Raises:
        ValueError: it is not JSON, or nested too deeply to be an answer.
    """
    try:
        value = json.loads(content)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    # Code that walks through the value later may have less stack left than the parser had.
    if content.count(b"[") + content.count(b"{") > _MAX_DEPTH_PARSED:
        level = [value]
        for _ in range(_MAX_DEPTH_PARSED):
            deeper: list[Any] = []
            for one in level:
                if isinstance(one, dict):
                    deeper += one.values()
                elif isinstance(one, list):
                    deeper += one
            level = deeper
        if level:
            raise ValueError("nested too deeply")
    return value


def within(value: Any, *path: str | int) -> Any:
    """What stands at a path of keys and positions in a JSON value; None if nothing does."""
    for step in path:
        kind: Any = dict if isinstance(step, str) else list
        if not isinstance(value, kind):
            return None
        try:
            value = value[step]
        except LookupError:
            return None
    return value


def in_order(entries: list[Any], field: str, one: str, of: str) -> list[dict[str, Any]]:
    """The objects of a list in the order of their ``index``; an only one needs none.

    Args:
        entries: as many as were asked for.
        field: the name of the list.
        one: what an entry is, in a word.
        of: what each belongs to.
    """
    expected = len(entries)
    ordered: dict[int, dict[str, Any]] = {}
    for position, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise wrong(f"{field}[{position}]", entry, "an object")
        index = entry.get("index")
        if index is None and expected == 1:
            index = 0
        if type(index) is not int or not 0 <= index < expected:
            wanted = "0" if expected == 1 else f"a whole number from 0 to {expected - 1}"
            raise wrong(f"{field}[{position}].index", index, wanted)
        if index in ordered:
            raise Unusable(
                f"{field}[{position}].index is {index}, which another {one} has, too, so it is "
                f"not known which {of} it answers"
            )
        ordered[index] = entry
    return [ordered[index] for index in range(expected)]


def mapping(value: Any) -> dict[str, Any]:
    """A JSON object; an empty one for any other value."""
    return value if isinstance(value, dict) else {}


def by_word(meanings: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Meanings by word, from the words of each meaning."""
    return {word: meaning for meaning, words_ in meanings.items() for word in words_}


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
    """As `finite`, for information; a whole number stays one."""
    found = finite(value)
    if found is None:
        return None
    if isinstance(value, str):
        return int(value) if value.strip().lstrip("+-").isdecimal() else found
    return value  # type: ignore[no-any-return]


def count(value: Any) -> int | None:
    """A number of tokens or seconds, for information; None where it is none."""
    found = finite(value)
    if found is None or not 0 <= found < _MAX_COUNT or not found.is_integer():
        return None
    return int(found)


def numbers(values: Any) -> dict[str, float]:
    """The numbers in a JSON object, by name."""
    found = {printable(key): numeric(value) for key, value in entries_of(values)}
    return {key: value for key, value in found.items() if value is not None}


def entries_of(values: Any) -> list[tuple[str, Any]]:
    """The first names and values of a JSON object; none of any other value."""
    return list(mapping(values).items())[:MAX_ENTRIES]


def moment(value: Any) -> int | None:
    """A point in time in seconds since 1970, which some providers write as a date."""
    found = numeric(value)
    if found is None and isinstance(value, str) and len(value) <= _MAX_NAME:
        try:
            date = datetime.fromisoformat(value.strip())
            found = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            return None
    if found is None or not 1 <= found < 1000 * _LATEST_SECOND:
        return None
    return int(found if found < _LATEST_SECOND else found / 1000)


def name(value: Any, field: str) -> str:
    """A name: a string that is not empty, shorter than any text, made safe to print."""
    if not (found := optional_name(value)):
        raise wrong(field, value, "a name")
    return found


def optional_name(value: Any) -> str:
    """A name, for information; an empty string where it is none."""
    return printable(value) if isinstance(value, str) and len(value) <= _MAX_NAME else ""


def exact_name(value: Any) -> str:
    """A name that is sent back unchanged; an empty string where it is none."""
    return value if optional_name(value) == value else ""


def id_(value: Any, field: str) -> str:
    """An id, which becomes a part of a path."""
    found = optional_id(value)
    if not found or found in (".", ".."):
        raise wrong(field, value, "an id")
    return found


def optional_id(value: Any) -> str:
    """An id, which some providers write as a number; an empty string where it is none."""
    return exact_name(str(value) if type(value) is int else value)
