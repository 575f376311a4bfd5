"""Bodies of requests. What is not supported is refused by name, never ignored."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from tunebench.server.http_errors import wrong_parameter

MAX_PROMPTS = 2048


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
    if not prompts or not all(prompts):
        raise ValueError("is empty; give at least one character or token")
    if len(prompts) > MAX_PROMPTS:
        raise ValueError(f"holds {len(prompts)} prompts, more than {MAX_PROMPTS}")
    if strings:
        _check_unicode("".join(prompts))
    return prompts


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check_unicode(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("holds half of a surrogate pair, which is not a character") from error
    return text


def _as_list(stop: Any) -> Any:
    return [stop] if isinstance(stop, str) else [] if stop is None else stop


def _refuse_stream(stream: bool | None) -> None:
    if stream:
        raise ValueError("is not supported by this server; leave it out and read the whole answer")


def _check_content(content: Any) -> str:
    if isinstance(content, str):
        return _check_unicode(content)
    if not isinstance(content, list) or not all(map(_is_text_part, content)):
        raise ValueError("must be a text or a list of parts {'type': 'text', 'text': …}")
    return _check_unicode("".join(part["text"] for part in content))


def _is_text_part(part: Any) -> bool:
    match part:
        case {"type": "text", "text": str(), **others}:
            return not others
    return False


Text = Annotated[str, AfterValidator(_check_unicode)]
_TokenId = Annotated[str, Field(pattern="^[0-9]{1,9}$")]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    model: str


class _Generation(_Request):
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: Annotated[
        list[Annotated[str, Field(min_length=1)]], BeforeValidator(_as_list), Field(max_length=4)
    ] = []
    logit_bias: Annotated[
        dict[_TokenId, Annotated[float, Field(ge=-100, le=100)]],
        BeforeValidator(lambda bias: {} if bias is None else bias),
    ] = {}
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    stream: Annotated[bool | None, AfterValidator(_refuse_stream)] = None
    user: str | None = None


class CompletionRequest(_Generation):
    """Body of ``POST /v1/completions``."""

    prompt: Annotated[Any, AfterValidator(_check_prompt)]
    max_tokens: Annotated[int, Field(ge=0)] | None = None
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None
    echo: bool | None = None

    @model_validator(mode="after")
    def _check_max_tokens(self) -> Self:
        if self.max_tokens == 0 and not self.echo:
            raise wrong_parameter("max_tokens", "is 0, which only works with echo; give 1 or more")
        return self


class Message(BaseModel):
    """One message of a conversation."""

    model_config = ConfigDict(extra="forbid", strict=True)

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[Any, AfterValidator(_check_content)]


class ChatRequest(_Generation):
    """Body of ``POST /v1/chat/completions``."""

    messages: Annotated[list[Message], Field(min_length=1)]
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None

    @model_validator(mode="after")
    def _check_top_logprobs(self) -> Self:
        if self.top_logprobs is not None and not self.logprobs:
            raise wrong_parameter("top_logprobs", "is given without logprobs; set it to true")
        return self


class EmbeddingRequest(_Request):
    """Body of ``POST /v1/embeddings``."""

    input: Annotated[Any, AfterValidator(_check_prompt)]
    encoding_format: Literal["float", "base64"] = "float"
    user: str | None = None


class TokenizeRequest(_Request):
    """Body of ``POST /tokenize``, as vLLM's.

    ``add_special_tokens`` is false by default (vLLM: true): most ids are for ``logit_bias``, where
    `` Positive`` continues a prompt and has no beginning-of-sequence token before it. When true,
    the ids are those that ``/v1/completions`` makes of the prompt.
    """

    prompt: Text | None = None
    messages: Annotated[list[Message], Field(min_length=1)] | None = None
    add_special_tokens: bool = False
    add_generation_prompt: bool = True

    @model_validator(mode="after")
    def _check_prompt_or_messages(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise wrong_parameter("prompt", "or messages must be given, and not both")
        return self
