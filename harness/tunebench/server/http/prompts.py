"""Token ids and sampling parameters of a request, and whether the model takes them."""

from collections.abc import Sequence
from typing import Any

from tunebench.errors import DatasetError
from tunebench.server.http import tool_calls
from tunebench.server.http.messages import Message
from tunebench.server.http.requests import ChatRequest, CompletionRequest, TokenizeRequest
from tunebench.server.http.response_requests import ResponseRequest
from tunebench.server.http.responses import Echo
from tunebench.server.http.tools import Calling
from tunebench.server.http_errors import ApiError
from tunebench.server.inference.embeddings import EmbeddingModel
from tunebench.server.inference.language_model import LanguageModel, chat_text
from tunebench.server.inference.long_texts import beginning
from tunebench.server.inference.sampling import SamplingParameters

_CHAT_TOKENS = 512  # of a chat answer without max_tokens: OpenAI's own bound is the context


def completion_parameters(body: CompletionRequest) -> SamplingParameters:
    """Sampling parameters of a completion, with OpenAI's defaults."""
    return _parameters(
        body,
        max_tokens=16 if body.max_tokens is None else body.max_tokens,
        top_logprobs=body.logprobs,
        prompt_logprobs=bool(body.echo) and body.logprobs is not None,
    )


def chat_parameters(body: ChatRequest, room: int) -> SamplingParameters:
    """Sampling parameters of a chat answer; ``room`` tokens of the context are free."""
    return _parameters(
        body,
        max_tokens=body.max_completion_tokens or body.max_tokens or max(1, min(_CHAT_TOKENS, room)),
        top_logprobs=(body.top_logprobs or 0) if body.logprobs else None,
    )


def response_parameters(body: ResponseRequest, room: int) -> SamplingParameters:
    """Sampling parameters of a response; ``room`` tokens of the context are free."""
    return SamplingParameters(
        max_tokens=body.max_output_tokens or max(1, min(_CHAT_TOKENS, room)),
        temperature=1.0 if body.temperature is None else body.temperature,
        top_p=1.0 if body.top_p is None else body.top_p,
        top_logprobs=(body.top_logprobs or 0) if body.with_logprobs else None,
        ignore_end=bool(body.ignore_eos),
    )


def _parameters(body: CompletionRequest | ChatRequest, **others: Any) -> SamplingParameters:
    return SamplingParameters(
        temperature=1.0 if body.temperature is None else body.temperature,
        top_p=1.0 if body.top_p is None else body.top_p,
        seed=body.seed,
        stop=tuple(body.stop),
        logit_bias=tuple((int(token_id), value) for token_id, value in body.logit_bias.items()),
        n=body.n or 1,
        ignore_end=bool(body.ignore_eos),
        **others,
    )


def prompt_ids(model: LanguageModel, prompts: list[str] | list[list[int]]) -> list[list[int]]:
    """Token ids of every prompt; a text gets the tokens that the tokenizer adds.

    An empty prompt is the beginning of a text, as OpenAI's is.
    """
    found = [
        (text_ids(model, prompt, special=True) if isinstance(prompt, str) else prompt)
        or [_first_token(model)]
        for prompt in prompts
    ]
    for ids in found:
        check_ids(model, ids, "prompt")
    return found


def _first_token(model: LanguageModel) -> int:
    """The token that begins a text or, where there is none, separates texts."""
    for token_id in (model.tokenizer.bos_token_id, model.tokenizer.eos_token_id):
        if token_id is not None:
            return int(token_id)
    raise ApiError(
        400,
        f"The prompt is empty, and {model.name} has no token that begins a text; give at least one "
        "character.",
        param="prompt",
    )


def text_ids(model: LanguageModel, text: str, *, special: bool, param: str = "prompt") -> list[int]:
    """Token ids of a text, with or without the tokens that the tokenizer adds around it.

    400 if the text is far longer than the context.
    """

    def encoded(part: str) -> list[int]:
        ids: list[int] = model.tokenizer(part, add_special_tokens=special)["input_ids"]
        return ids

    most = model.max_length
    if len(beginning(text, most, lambda part: len(encoded(part)) > 2 * most)) < len(text):
        raise ApiError(
            400,
            f"The parameter {param} has far more tokens than the {most} of {model.name}'s context; "
            "shorten it.",
            param=param,
            code="context_length_exceeded",
        )
    return encoded(text)


def chat_ids(
    model: LanguageModel,
    messages: Sequence[Message],
    prompted: bool = True,
    calling: Calling | None = None,
    param: str = "messages",
) -> list[int]:
    """Token ids of messages; ``prompted`` opens the assistant's turn. 400 without a template."""
    turns, tools = tool_calls.turns(model.tokenizer, messages, calling)
    try:
        text = chat_text(model.tokenizer, turns, prompted, tools)
    except DatasetError as error:
        raise ApiError(400, str(error), param=param) from error
    return text_ids(model, text, special=False, param=param)


def tokenized(model: LanguageModel, body: TokenizeRequest) -> list[int]:
    """Token ids of the prompt or the messages of a request."""
    if body.messages is not None:
        return chat_ids(model, body.messages, body.add_generation_prompt is not False)
    return text_ids(model, body.prompt or "", special=bool(body.add_special_tokens))


def echo(model: LanguageModel, given: str | list[int], ids: Sequence[int]) -> Echo:
    """A prompt as it is repeated: as given, or the text of its ids."""
    if isinstance(given, str):
        hidden = len(ids) - len(text_ids(model, given, special=False))
        return Echo(given, hidden)
    if not given:
        return Echo("", len(ids))
    return Echo(model.token_bytes.text(ids), 0)


def check_ids(
    model: LanguageModel | EmbeddingModel, ids: Sequence[int], param: str, status: int = 400
) -> None:
    """400, or another status, if the model does not have one of the ids."""
    unknown = next((i for i in ids if not 0 <= i < model.vocabulary_size), None)
    if unknown is not None:
        raise ApiError(
            status,
            f"The parameter {param} holds the token id {unknown}, but those of {model.name} are 0 "
            f"to {model.vocabulary_size - 1}.",
            param=param,
        )


def check_length(model: LanguageModel, prompt: int, max_tokens: int) -> None:
    """400 if prompt and completion do not fit into the context."""
    if prompt + max_tokens > model.max_length:
        raise ApiError(
            400,
            f"The prompt has {prompt} tokens; with max_tokens {max_tokens} that is more than the "
            f"{model.max_length} tokens of {model.name}'s context; shorten one of them.",
            param="prompt",
            code="context_length_exceeded",
        )
