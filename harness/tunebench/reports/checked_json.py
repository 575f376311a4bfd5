"""JSON documents of this project: their field types, their parsing and their validation."""

from __future__ import annotations

import json
import math
import unicodedata
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    WrapSerializer,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from tunebench.tables import Values

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_SHOWN = 40
EXACTLY = 1e-9  # what the decimals of equal numbers may differ by
_LARGEST = 2**53  # whole numbers up to here are the same in every program that reads JSON


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise PydanticCustomError("text", "must be text that UTF-8 can hold") from None
    return text


def _plain(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise PydanticCustomError("name", "a name holds no control characters")
    return _encodable(text)


Text = Annotated[str, AfterValidator(_encodable)]
Line = Annotated[str, AfterValidator(_plain)]
Name = Annotated[str, Field(min_length=1), AfterValidator(_plain)]
if TYPE_CHECKING:
    Names = Sequence[str]
else:
    # `Values`, ids of a data set, are as good, and need no object for each id.
    Names = Annotated[
        list[Name],
        WrapValidator(lambda value, check: value if isinstance(value, Values) else check(value)),
        WrapSerializer(lambda value, dump: dump(list(value))),
    ]
Count = Annotated[int, Field(ge=0, le=_LARGEST)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Difference = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]


class Part(BaseModel):
    """An object of a document; unknown fields are ignored."""

    # Deferred: a replay that writes no results validates few of these.
    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="ignore",
        defer_build=True,
        json_schema_serialization_defaults_required=True,
    )


M = TypeVar("M", bound=BaseModel)


class WrongJson(ValueError):  # noqa: N818 - it never leaves the module that reads the file
    """What is wrong with a file's content, as a clause: the field, and what is wrong with it."""


def parsed(content: bytes) -> Any:
    """Parse JSON in which no name is there twice in an object.

    NaN and infinities, which the standard does not know, are for the fields' kinds to refuse.

    Raises:
        WrongJson: it is something else.
    """
    try:
        return json.loads(content, object_pairs_hook=_unique)
    except WrongJson:
        raise
    except (ValueError, RecursionError) as error:
        raise WrongJson(f"this is not JSON ({str(error).partition(';')[0]})") from None


def finite(value: Any) -> Any:
    """A JSON value with null in place of each number that is infinite or NaN."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    return value


def checked(model: type[M], value: Any) -> M:
    """Validate a value.

    Raises:
        WrongJson: a field is missing, has another type or contradicts another one.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise WrongJson(_clause(error)) from None


def wrong(field: str, problem: str) -> PydanticCustomError:
    """For a validator of a model: a field of it contradicts another one."""
    return PydanticCustomError("contradiction", "{problem}", {"field": field, "problem": problem})


def _clause(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    context = first.get("ctx") or {}
    loc = first["loc"]
    if first["type"] == "contradiction":
        parts = str(context["field"]).split(".")
        loc = (*loc, *(int(part) if part.isdigit() else part for part in parts))
    message = first["msg"][:1].lower() + first["msg"][1:]
    given = first["input"]
    shown = ""
    if isinstance(given, str | int | float | bool | None) and first["type"] != "contradiction":
        text = ascii(given)
        shown = f" (given: {text if len(text) <= _SHOWN else f'{text[:_SHOWN]}...'})"
    return f"{_place(loc)}: {message}{shown}"


def _place(loc: Iterable[int | str]) -> str:
    """``cells[3].accuracy``; names that are not identifiers are in brackets."""
    place = ""
    for part in loc:
        if isinstance(part, int):
            place += f"[{part}]"
        elif part.isidentifier():
            place += f".{part}" if place else part
        elif part != "[key]":  # pydantic's mark of a name that is wrong itself
            place += f"[{json.dumps(part)}]"
    return place or "the file"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise WrongJson(f"{json.dumps(twice)}: the name is there twice in one object")
    return found
