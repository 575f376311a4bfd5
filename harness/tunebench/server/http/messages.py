"""Messages of a conversation, as clients send them.

An assistant's message may be an earlier answer, of this server or another, as the client received
it: the fields that are empty in it are accepted empty.
"""

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

from tunebench.server.http_errors import wrong_parameter


def check_unicode(text: str) -> str:
    """The text; ValueError for half of a surrogate pair, which cannot be encoded."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("holds half of a surrogate pair, which is not a character") from error
    return text


@dataclass(frozen=True)
class _Only:
    neutral: tuple[Any, ...]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        inner = handler(schema)
        may_be_null = not inner or {"type": "null"} in inner.get("anyOf", ())
        return {"enum": [*self.neutral, *([None] if may_be_null else [])]}

    def _check(self, value: Any) -> Any:
        if value is not None and value not in self.neutral:
            shown = " or ".join(map(json.dumps, self.neutral))
            raise ValueError(f"is not supported here, except as {shown}; leave it out")
        return value


def only(*neutral: Any) -> _Only:
    """Accept null and the values that ask for nothing, for what is not supported."""
    return _Only(neutral)


Text = Annotated[str, AfterValidator(check_unicode)]
Empty = Annotated[list[Any] | None, only([])]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    type: Literal["text"]
    text: Text
    prompt_cache_breakpoint: dict[str, Any] | None = None


def _as_parts(content: Any, read: ValidatorFunctionWrapHandler) -> Any:
    if isinstance(content, str):
        return [_Part.model_construct(type="text", text=check_unicode(content))]
    if not isinstance(content, list):
        raise ValueError("must be a text or a list of parts {'type': 'text', 'text': …}")
    return read(content)


class _CalledFunction(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: Text
    arguments: Text
    parsed_arguments: Any = None  # of the openai package


class _ToolCall(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    id: Text
    type: Literal["function"] = "function"
    function: _CalledFunction
    index: int | None = None


_SAID = {"type": ["string", "array"]}
_NULL: dict[str, Any] = {"type": "null"}
_BY_ROLE: list[Any] = [
    {"properties": {"role": {"const": "assistant"}, "tool_call_id": _NULL}},
    {
        "properties": {
            "role": {"const": "tool"},
            "content": _SAID,
            "tool_call_id": {"type": "string"},
            "tool_calls": {"maxItems": 0},
        },
        "required": ["content", "tool_call_id"],
    },
    {
        "properties": {
            "role": {"enum": ["system", "developer", "user"]},
            "content": _SAID,
            "tool_call_id": _NULL,
            "tool_calls": {"maxItems": 0},
        },
        "required": ["content"],
    },
]


class Message(BaseModel):
    """One message of a conversation."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"anyOf": _BY_ROLE})

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Annotated[list[_Part], WrapValidator(_as_parts, Text | list[_Part])] | None = None
    name: Text | None = None
    tool_call_id: Text | None = None

    # Of an assistant's answer. `parsed` is of the openai package, the rest is in the API.
    refusal: None = None
    audio: None = None
    function_call: None = None
    tool_calls: list[_ToolCall] | None = None
    annotations: Empty = None
    parsed: None = None

    @model_validator(mode="after")
    def _check_content(self) -> Self:
        if self.content is None and self.role != "assistant":
            raise wrong_parameter("content", "is missing; give a text")
        if self.role == "tool" and self.tool_call_id is None:
            raise wrong_parameter("tool_call_id", "is missing; give the id of the call")
        if self.tool_call_id is not None and self.role != "tool":
            raise wrong_parameter("tool_call_id", "is for messages of the role tool only")
        if self.tool_calls and self.role != "assistant":
            raise wrong_parameter("tool_calls", "are for messages of the role assistant only")
        return self

    def turn(self) -> dict[str, str]:
        """The message as chat templates take it."""
        said = {"role": self.role, "content": "".join(part.text for part in self.content or [])}
        return said if self.name is None else {**said, "name": self.name}
