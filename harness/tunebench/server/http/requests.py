"""What a request may hold. Anything else is refused by name, never ignored."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

MAX_PROMPTS = 2048


def _check_prompt(prompt: Any) -> list[str] | list[list[int]]:
    """Any of the four shapes of a prompt, as a list of prompts."""
    prompts: list[Any] = prompt if isinstance(prompt, list) else [prompt]
    if prompts and _is_id(prompts[0]):
        prompts = [prompts]
    strings = all(isinstance(one, str) for one in prompts)
    if not strings and not all(isinstance(one, list) and all(map(_is_id, one)) for one in prompts):
        raise ValueError(
            "must be a string, a list of strings, a list of token ids or a list of such lists"
        )
    if not prompts or not all(prompts):
        raise ValueError("is empty: give at least one character or token")
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
        raise ValueError("holds half of a surrogate pair, which is no character") from error
    return text


def _as_list(stop: Any) -> Any:
    return [stop] if isinstance(stop, str) else [] if stop is None else stop


def _check_stop(stops: list[str]) -> list[str]:
    if len(stops) > 4:
        raise ValueError(f"holds {len(stops)} texts, more than 4")
    if not all(stops):
        raise ValueError("holds an empty text")
    return stops


def _as_dict(bias: Any) -> Any:
    return {} if bias is None else bias


def _check_bias(bias: dict[str, float]) -> dict[str, float]:
    for key, value in bias.items():
        if not (key.isascii() and key.isdigit() and len(key) < 10):
            raise ValueError(f"has the key {key[:40]!r}, which is no token id")
        if not -100 <= value <= 100:
            raise ValueError(f"gives token {key} a bias of {value:g}, outside -100 to 100")
    return bias


def _refuse_stream(stream: bool | None) -> None:
    if stream:
        raise ValueError("is not supported by this server; leave it out and read the whole answer")


def _check_content(content: str | list[dict[str, str]]) -> str:
    if isinstance(content, str):
        return _check_unicode(content)
    if not all(set(part) == {"type", "text"} and part["type"] == "text" for part in content):
        raise ValueError("may hold parts of the form {'type': 'text', 'text': …} only")
    return _check_unicode("".join(part["text"] for part in content))


Text = Annotated[str, AfterValidator(_check_unicode)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    model: str


class _Generation(_Request):
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: Annotated[list[str], BeforeValidator(_as_list), AfterValidator(_check_stop)] = []
    logit_bias: Annotated[
        dict[str, float], BeforeValidator(_as_dict), AfterValidator(_check_bias)
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
    def _something_is_asked(self) -> Self:
        if self.max_tokens == 0 and not self.echo:
            raise ValueError("max_tokens is 0, which only makes sense with echo; ask for 1 or more")
        return self


class Message(BaseModel):
    """One message of a conversation."""

    model_config = ConfigDict(extra="forbid", strict=True)

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str | list[dict[str, str]], AfterValidator(_check_content)]


class ChatRequest(_Generation):
    """Body of ``POST /v1/chat/completions``."""

    messages: Annotated[list[Message], Field(min_length=1)]
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None

    @model_validator(mode="after")
    def _logprobs_are_wanted(self) -> Self:
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs is given without logprobs; set logprobs to true")
        return self


class TokenizeRequest(_Request):
    """Body of ``POST /tokenize``, in vLLM's shape.

    ``add_special_tokens`` is false unless given (vLLM: true): ids are mostly wanted for
    ``logit_bias``, where `` Positive`` continues a prompt and no beginning-of-sequence token
    belongs before it. With it the ids are those that ``/v1/completions`` makes of the prompt.
    """

    prompt: Text | None = None
    messages: Annotated[list[Message], Field(min_length=1)] | None = None
    add_special_tokens: bool = False
    add_generation_prompt: bool = True

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("prompt or messages must be given, and not both")
        return self
