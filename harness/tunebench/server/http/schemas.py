"""JSON schemas of requests: the form of an answer, and of a function's arguments."""

import json
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from tunebench.server.http.messages import Text
from tunebench.server.http_errors import wrong_parameter

# Within them a schema takes llguidance less than a second on one core, outside Python's lock.
_MAX_BYTES = 64 << 10
_MAX_VALUES = 4_000
_MAX_DEPTH = 20
_MAX_MULTIPLE = 1_000
_MAX_PATTERNS = 16


def check_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema; ValueError for one that is too large to compile."""
    try:
        size = len(json.dumps(schema, allow_nan=False))
    except ValueError as error:
        raise ValueError("holds NaN or an infinity, which JSON does not have") from error
    if size > _MAX_BYTES:
        raise ValueError(f"is larger than {_MAX_BYTES:,} bytes; simplify it")
    level: list[Any] = [schema]
    count = patterns = 0
    joined = False
    for _ in range(_MAX_DEPTH):
        count += len(level)
        if count > _MAX_VALUES:
            raise ValueError(f"holds more than {_MAX_VALUES:,} values; simplify it")
        for one in filter(lambda value: isinstance(value, dict), level):
            _check_multiple(one)
            patterns += ("pattern" in one) + len(_inside(one.get("patternProperties")))
            joined = joined or "allOf" in one or "$ref" in one
        level = [inner for one in level for inner in _inside(one)]
    if level:
        raise ValueError(f"is nested deeper than {_MAX_DEPTH} levels; simplify it")
    if joined and patterns > _MAX_PATTERNS:
        # The intersection of 20 patterns takes seconds, and each one more doubles it.
        raise ValueError(
            f"holds allOf or $ref and more than {_MAX_PATTERNS} patterns; leave some out"
        )
    return schema


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _check_multiple(value: dict[str, Any]) -> None:
    # Its grammar has a state for every remainder.
    step = value.get("multipleOf")
    if isinstance(step, int | float) and not 1 / _MAX_MULTIPLE <= step <= _MAX_MULTIPLE:
        raise ValueError(
            f"holds a multipleOf that is not between {1 / _MAX_MULTIPLE} and {_MAX_MULTIPLE}"
        )


Schema = Annotated[dict[str, Any], AfterValidator(check_schema)]
Name = Annotated[str, Field(pattern="^[a-zA-Z0-9_-]{1,64}$")]


class Strict(BaseModel):
    """A part of a body that refuses what it does not know."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class WithoutEffect(Strict):
    """Fields of OpenAI's that are accepted with any value and change nothing here."""

    metadata: dict[str, str] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    prompt_cache_retention: str | None = None


class _JsonSchema(Strict):
    name: Name
    description: Text | None = None
    schema_: Schema | None = Field(None, alias="schema")
    strict: bool | None = None


class ResponseFormat(Strict):
    """``response_format`` of a chat."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {
                    "properties": {
                        "type": {"const": "json_schema"},
                        "json_schema": {"type": "object"},
                    },
                    "required": ["json_schema"],
                },
                {
                    "properties": {
                        "type": {"enum": ["text", "json_object"]},
                        "json_schema": {"type": "null"},
                    }
                },
            ]
        }
    )

    type: Literal["text", "json_object", "json_schema"]
    json_schema: _JsonSchema | None = None

    @model_validator(mode="after")
    def _check_json_schema(self) -> Self:
        if (self.json_schema is None) == (self.type == "json_schema"):
            raise wrong_parameter("json_schema", "must be given with the type json_schema only")
        return self

    def wanted(self) -> dict[str, Any] | None:
        """The schema of the answer; None for a text."""
        return _wanted(self.type, self.json_schema.schema_ if self.json_schema else None)


class TextFormat(Strict):
    """``text.format`` of a response."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {
                    "properties": {
                        "type": {"const": "json_schema"},
                        "name": {"type": "string"},
                        "schema": {"type": "object"},
                    },
                    "required": ["type", "name", "schema"],
                },
                {
                    "properties": {
                        "type": {"enum": ["text", "json_object"]},
                        "name": {"type": "null"},
                        "schema": {"type": "null"},
                    }
                },
            ]
        }
    )

    type: Literal["text", "json_object", "json_schema"] = "text"
    name: Name | None = None
    description: Text | None = None
    schema_: Schema | None = Field(None, alias="schema")
    strict: bool | None = None

    @model_validator(mode="after")
    def _check_schema(self) -> Self:
        for part, value in (("name", self.name), ("schema", self.schema_)):
            if (value is None) == (self.type == "json_schema"):
                raise wrong_parameter(part, "must be given with the type json_schema only")
        return self

    def wanted(self) -> dict[str, Any] | None:
        """The schema of the answer; None for a text."""
        return _wanted(self.type, self.schema_)


def _wanted(kind: str, schema: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if kind == "text" else {"type": "object"} if schema is None else schema
