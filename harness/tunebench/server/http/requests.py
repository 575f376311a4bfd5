"""Bodies of requests.

What would change an answer and is not supported is refused by name, never ignored; clients that
send it with the value that asks for nothing are served. Every optional field may be null.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from tunebench.server.http.messages import Empty, Message, Text, check_unicode, only
from tunebench.server.http.schemas import ResponseFormat, WithoutEffect
from tunebench.server.http.tools import ChatTool, ChatToolChoice, mode_or
from tunebench.server.http_errors import wrong_parameter

MAX_PROMPTS = 2048
MAX_TOKENS = 500_000


def _check_prompt(prompt: Any) -> list[str] | list[list[int]]:
    """A prompt in any of its four forms, as a list of prompts."""
    prompts: list[Any] = prompt if isinstance(prompt, list) else [prompt]
    if prompts and _is_id(prompts[0]):
        prompts = [prompts]
    strings = all(isinstance(one, str) for one in prompts)
    if not strings and not all(isinstance(one, list) and all(map(_is_id, one)) for one in prompts):
        raise ValueError(
            "must be a string, a list of strings, a list of token ids or a list of such lists"
        )
    if not prompts:
        raise ValueError("holds no prompt; give at least one")
    if len(prompts) > MAX_PROMPTS:
        raise ValueError(f"holds {len(prompts)} prompts, more than {MAX_PROMPTS}")
    if strings:
        check_unicode("".join(prompts))
    return prompts


def _check_input(given: Any) -> list[str] | list[list[int]]:
    """Texts of embeddings, in the same forms; none is empty."""
    texts = _check_prompt(given)
    if not all(texts):
        raise ValueError("is empty; give at least one character or token")
    return texts


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _as_list(stop: Any) -> Any:
    return [stop] if isinstance(stop, str) else [] if stop is None else stop


def _forms(least: int) -> list[dict[str, Any]]:
    """The JSON schemas of a prompt in its four forms, with a least number of characters or ids."""
    text = {"type": "string", "minLength": least}
    ids = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": max(1, least)}
    return [
        text,
        {"type": "array", "items": text, "minItems": 1, "maxItems": MAX_PROMPTS},
        ids,
        {"type": "array", "items": ids, "minItems": 1, "maxItems": MAX_PROMPTS},
    ]


_NULL: dict[str, Any] = {"type": "null"}
_ID = "^[0-9]{1,9}$"
_Bias = dict[Annotated[str, Field(pattern=_ID)], Annotated[float, Field(ge=-100, le=100)]]
_BIAS: dict[str, Any] = {
    "type": ["object", "null"],
    "patternProperties": {_ID: {"type": "number", "minimum": -100, "maximum": 100}},
    "additionalProperties": False,
}
_Stop = Annotated[str, Field(min_length=1)]
_Stops = Annotated[list[_Stop], Field(max_length=4)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    model: str


class StreamOptions(BaseModel):
    """What a stream holds beside the choices."""

    model_config = ConfigDict(extra="forbid", strict=True)

    include_usage: bool | None = None
    include_obfuscation: bool | None = None
    continuous_usage_stats: bool | None = None  # vLLM's, which its benchmarks send


class _TextFormat(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    type: Annotated[str, only("text")]


class _Neutral(_Request, WithoutEffect):
    """Fields of OpenAI's that are accepted with their neutral values only."""

    parallel_tool_calls: bool | None = None

    frequency_penalty: Annotated[float | None, only(0)] = None
    presence_penalty: Annotated[float | None, only(0)] = None
    store: Annotated[bool | None, only(False)] = None
    response_format: _TextFormat | None = None
    modalities: Annotated[list[str] | None, only(["text"])] = None
    tools: Empty = None
    tool_choice: Annotated[Any, only("none", "auto")] = None
    functions: Empty = None
    function_call: Annotated[Any, only("none", "auto")] = None
    reasoning_effort: Annotated[str | None, only("none")] = None
    verbosity: Annotated[str | None, only("medium")] = None

    audio: None = None
    moderation: None = None
    prediction: None = None
    web_search_options: None = None


class _Generation(_Neutral):
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: Annotated[_Stops, BeforeValidator(_as_list, _Stop | _Stops | None)] = []
    logit_bias: Annotated[
        _Bias,
        BeforeValidator(lambda bias: {} if bias is None else bias),
        WithJsonSchema(_BIAS),
    ] = {}
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    ignore_eos: bool | None = None  # vLLM's, which its benchmarks send
    stream: bool | None = None
    stream_options: StreamOptions | None = None


class CompletionRequest(_Generation):
    """Body of ``POST /v1/completions``; null is the empty prompt."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                {
                    "anyOf": [
                        {"properties": {"max_tokens": {"anyOf": [{"minimum": 1}, _NULL]}}},
                        {"properties": {"echo": {"const": True}}, "required": ["echo"]},
                    ]
                },
                {
                    # Any number that n has, too, which a schema cannot say.
                    "anyOf": [
                        {"properties": {"best_of": _NULL}},
                        {"properties": {"best_of": {"const": 1}, "n": {"enum": [1, None]}}},
                    ]
                },
            ]
        }
    )

    prompt: Annotated[
        Any,
        BeforeValidator(lambda given: "" if given is None else given),
        AfterValidator(_check_prompt),
        WithJsonSchema({"anyOf": [*_forms(0), {"type": "null"}]}),
    ]
    max_tokens: Annotated[int, Field(ge=0)] | None = None
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    echo: bool | None = None
    best_of: int | None = None
    suffix: Annotated[str | None, only("")] = None

    @model_validator(mode="after")
    def _check_best_of(self) -> Self:
        if self.best_of not in (None, self.n or 1):
            raise wrong_parameter(
                "best_of", "is not supported here, except as the same number as n; leave it out"
            )
        return self

    @model_validator(mode="after")
    def _check_max_tokens(self) -> Self:
        if self.max_tokens == 0 and not self.echo:
            raise wrong_parameter("max_tokens", "is 0, which only works with echo; give 1 or more")
        return self


class ChatRequest(_Generation):
    """Body of ``POST /v1/chat/completions``."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"properties": {"top_logprobs": {"enum": [0, None]}}},
                {"properties": {"logprobs": {"const": True}}, "required": ["logprobs"]},
            ]
        }
    )

    messages: Annotated[list[Message], Field(min_length=1)]
    response_format: ResponseFormat | None = None  # type: ignore[assignment]
    tools: list[ChatTool] | None = None
    tool_choice: Annotated[ChatToolChoice, mode_or(ChatToolChoice)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None

    @model_validator(mode="after")
    def _check_top_logprobs(self) -> Self:
        if self.top_logprobs and not self.logprobs:
            raise wrong_parameter("top_logprobs", "is given without logprobs; set it to true")
        return self


class EmbeddingRequest(_Request):
    """Body of ``POST /v1/embeddings``."""

    input: Annotated[Any, AfterValidator(_check_input), WithJsonSchema({"anyOf": _forms(1)})]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Field(ge=1)] | None = None
    user: str | None = None


class TokenizeRequest(_Request):
    """Body of ``POST /tokenize``, as vLLM's; the model may be left out if there is only one.

    ``add_special_tokens`` is false by default (vLLM: true): most ids are for ``logit_bias``, where
    `` Positive`` continues a prompt and has no beginning-of-sequence token before it. When true,
    the ids are those that ``/v1/completions`` makes of the prompt.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"properties": {"prompt": {"type": "string"}}, "required": ["prompt"]},
                {"properties": {"messages": {"type": "array"}}, "required": ["messages"]},
            ]
        }
    )

    model: str | None = None  # type: ignore[assignment]
    prompt: Text | None = None
    messages: Annotated[list[Message], Field(min_length=1)] | None = None
    add_special_tokens: bool | None = None
    add_generation_prompt: bool | None = None

    @model_validator(mode="after")
    def _check_prompt_or_messages(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise wrong_parameter("prompt", "or messages must be given, and not both")
        return self


class DetokenizeRequest(_Request):
    """Body of ``POST /detokenize``, as vLLM's."""

    model: str | None = None  # type: ignore[assignment]
    tokens: Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=MAX_TOKENS)]
