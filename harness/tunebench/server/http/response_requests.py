"""Bodies of requests to ``/v1/responses``, for text and calls of functions."""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    ConfigDict,
    Field,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from tunebench.server.http.messages import Empty, Message, Text, check_unicode, only
from tunebench.server.http.schemas import Strict, TextFormat, WithoutEffect
from tunebench.server.http.tools import ResponseTool, ResponseToolChoice, mode_or
from tunebench.server.http_errors import wrong_parameter


class _Part(Strict):
    type: Literal["input_text", "output_text"]
    text: Text
    annotations: Empty = None
    logprobs: Empty = None
    parsed: Any = None  # of the openai package


def _as_parts(content: Any, read: ValidatorFunctionWrapHandler) -> Any:
    if isinstance(content, str):
        return [_Part.model_construct(type="input_text", text=check_unicode(content))]
    if not isinstance(content, list):
        raise ValueError("must be a text or a list of parts {'type': 'input_text', 'text': …}")
    return read(content)


_Content = Annotated[list[_Part], WrapValidator(_as_parts, Text | list[_Part])] | None

_NEEDED = {
    "message": {"role", "content"},
    "function_call": {"call_id", "name", "arguments"},
    "function_call_output": {"call_id", "output"},
}


_FIELDS = ("role", "content", "call_id", "name", "arguments", "output")


def _item_of(kind: str, needed: set[str]) -> dict[str, Any]:
    """The JSON schema of what an item of a type has; the type may be left out of a message."""
    present = {"not": {"type": "null"}}
    fields = {name: present if name in needed else {"type": "null"} for name in _FIELDS}
    required = sorted(needed) if kind == "message" else ["type", *sorted(needed)]
    return {"properties": {"type": {"const": kind}, **fields}, "required": required}


class InputItem(Strict):
    """A message, a call that the model has made, or the result of one."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [_item_of(kind, needed) for kind, needed in _NEEDED.items()]}
    )

    type: Literal["message", "function_call", "function_call_output"] = "message"
    id: str | None = None
    status: str | None = None
    phase: str | None = None

    role: Literal["system", "developer", "user", "assistant"] | None = None
    content: _Content = None

    call_id: Text | None = None
    name: Text | None = None
    arguments: Text | None = None
    parsed_arguments: Any = None  # of the openai package
    output: _Content = None

    # What the openai package writes in a call.
    async_: None = None
    caller: None = None
    namespace: None = None

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        needed = _NEEDED[self.type]
        for field in _FIELDS:
            given = getattr(self, field) is not None
            if field in needed and not given:
                raise wrong_parameter(field, "is missing in an item of this type")
            if field not in needed and given:
                raise wrong_parameter(field, "does not belong to an item of this type")
        return self

    def call(self) -> dict[str, Any]:
        """The call as one of a chat's message."""
        function = {"name": self.name, "arguments": self.arguments}
        return {"id": self.call_id, "function": function}

    def message(self) -> dict[str, Any]:
        """The item as a chat's message."""
        if self.type == "function_call":
            return {"role": "assistant", "content": None, "tool_calls": [self.call()]}
        text = "".join(part.text for part in self.content or self.output or [])
        if self.type == "function_call_output":
            return {"role": "tool", "content": text, "tool_call_id": self.call_id}
        return {"role": self.role, "content": text}


_Items = Annotated[list[InputItem], Field(min_length=1)]


def _as_items(given: Any, read: ValidatorFunctionWrapHandler) -> Any:
    if isinstance(given, str):
        part = _Part.model_construct(type="input_text", text=check_unicode(given))
        return [InputItem.model_construct(role="user", content=[part])]
    if not isinstance(given, list):
        raise ValueError("must be a text or a list of messages")
    return read(given)


class _TextSettings(Strict):
    format: TextFormat | None = None
    verbosity: Annotated[str | None, only("medium")] = None


class _StreamOptions(Strict):
    include_obfuscation: bool | None = None


class _Reasoning(Strict):
    """Without effect, since no model here reasons before it answers."""

    effort: Annotated[str | None, only("none")] = None
    summary: str | None = None


class ResponseRequest(WithoutEffect):
    """Body of ``POST /v1/responses``; nothing is stored."""

    model: str
    input: Annotated[_Items, WrapValidator(_as_items, Text | _Items)]
    instructions: Text | None = None
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    text: _TextSettings | None = None
    tools: list[ResponseTool] | None = None
    tool_choice: Annotated[ResponseToolChoice, mode_or(ResponseToolChoice)] | None = None
    parallel_tool_calls: bool | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    ignore_eos: bool | None = None  # vLLM's, which its benchmarks send

    store: Annotated[bool | None, only(False)] = None
    background: Annotated[bool | None, only(False)] = None
    truncation: Annotated[str | None, only("disabled")] = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    include: list[Literal["reasoning.encrypted_content", "message.output_text.logprobs"]] | None = (
        None
    )
    previous_response_id: None = None
    conversation: None = None
    stop: None = None
    context_management: None = None
    prompt: None = None
    reasoning: _Reasoning | None = None
    max_tool_calls: None = None
    moderation: None = None
    access_programs: None = None
    background_options: None = None
    image: None = None

    def messages(self) -> list[Message]:
        """The instructions and the input as messages of a chat."""
        made: list[dict[str, Any]] = []
        if self.instructions is not None:
            made.append({"role": "system", "content": self.instructions})
        for item in self.input:
            # A text and the calls after it are one answer.
            if item.type == "function_call" and made and made[-1]["role"] == "assistant":
                made[-1].setdefault("tool_calls", []).append(item.call())
            else:
                made.append(item.message())
        return [Message.model_validate(message) for message in made]

    @property
    def with_logprobs(self) -> bool:
        """Whether the answer's text has its tokens' log-probabilities beside it."""
        return "message.output_text.logprobs" in (self.include or [])

    def wanted(self) -> dict[str, Any] | None:
        """The schema of the answer; None for a text."""
        return self.text.format.wanted() if self.text and self.text.format else None
