"""From a checked request to token ids and sampling parameters, and whether the model takes them."""

from collections.abc import Mapping, Sequence

from tunebench.server.http.requests import ChatRequest, CompletionRequest, Message
from tunebench.server.http.responses import Echo
from tunebench.server.http_errors import ApiError
from tunebench.server.inference.models import LanguageModel
from tunebench.server.inference.sampling import SamplingParameters

_CHAT_TOKENS = 512  # of a chat answer without max_tokens: OpenAI's own bound is the context


def completion_parameters(body: CompletionRequest) -> SamplingParameters:
    """Sampling parameters of a completion, OpenAI's defaults filled in."""
    return SamplingParameters(
        max_tokens=16 if body.max_tokens is None else body.max_tokens,
        temperature=1.0 if body.temperature is None else body.temperature,
        top_p=1.0 if body.top_p is None else body.top_p,
        seed=body.seed,
        stop=tuple(body.stop),
        logit_bias=_bias(body.logit_bias),
        top_logprobs=body.logprobs,
        n=body.n or 1,
        prompt_logprobs=bool(body.echo) and body.logprobs is not None,
    )


def chat_parameters(body: ChatRequest, room: int) -> SamplingParameters:
    """Sampling parameters of a chat answer.

    Args:
        body: the request.
        room: tokens of the context that the messages leave.
    """
    return SamplingParameters(
        max_tokens=body.max_completion_tokens or body.max_tokens or max(1, min(_CHAT_TOKENS, room)),
        temperature=1.0 if body.temperature is None else body.temperature,
        top_p=1.0 if body.top_p is None else body.top_p,
        seed=body.seed,
        stop=tuple(body.stop),
        logit_bias=_bias(body.logit_bias),
        top_logprobs=(body.top_logprobs or 0) if body.logprobs else None,
        n=body.n or 1,
    )


def _bias(given: Mapping[str, float]) -> tuple[tuple[int, float], ...]:
    return tuple((int(token_id), value) for token_id, value in given.items())


def prompt_ids(model: LanguageModel, prompts: list[str] | list[list[int]]) -> list[list[int]]:
    """Token ids of every prompt; texts get the tokens that the tokenizer adds."""
    found = [
        text_ids(model, prompt, special=True) if isinstance(prompt, str) else prompt
        for prompt in prompts
    ]
    for ids in found:
        check_ids(model, ids, "prompt")
    return found


def text_ids(model: LanguageModel, text: str, *, special: bool) -> list[int]:
    """Token ids of a text, with or without the tokens that the tokenizer adds around it."""
    ids: list[int] = model.tokenizer(text, add_special_tokens=special)["input_ids"]
    return ids


def chat_ids(model: LanguageModel, messages: Sequence[Message], prompted: bool) -> list[int]:
    """Token ids of messages; ``prompted`` opens the assistant's turn. 400 without a template."""
    if not model.tokenizer.chat_template:
        raise ApiError(
            400,
            f"The model {model.name} has no chat template; ask /v1/completions instead.",
            param="messages",
        )
    try:
        encoded: dict[str, list[int]] = model.tokenizer.apply_chat_template(
            [message.model_dump() for message in messages],
            add_generation_prompt=prompted,
            return_dict=True,
        )
    except Exception as error:  # templates raise errors of their own kinds
        raise ApiError(
            400,
            f"The chat template of {model.name} does not take these messages; "
            "fix their roles or their order.",
            param="messages",
        ) from error
    return encoded["input_ids"]


def echo(model: LanguageModel, given: str | list[int], ids: Sequence[int]) -> Echo:
    """How a prompt is repeated: as given, or as its ids read."""
    if isinstance(given, str):
        hidden = len(ids) - len(text_ids(model, given, special=False))
        return Echo(given, hidden)
    return Echo(model.token_bytes.text(ids), 0)


def check_ids(model: LanguageModel, ids: Sequence[int], param: str) -> None:
    """400 if the model lacks one of the ids."""
    unknown = next((i for i in ids if not 0 <= i < model.vocabulary_size), None)
    if unknown is not None:
        raise ApiError(
            400,
            f"The parameter {param} names the token id {unknown}, which {model.name} does not "
            f"have; its ids are 0 to {model.vocabulary_size - 1}.",
            param=param,
        )


def check_length(model: LanguageModel, prompt: int, max_tokens: int) -> None:
    """400 if prompt and completion do not fit into the context."""
    if prompt + max_tokens > model.max_length:
        raise ApiError(
            400,
            f"The prompt's {prompt} tokens and the {max_tokens} asked for are more than "
            f"{model.name}'s context of {model.max_length} tokens; shorten one of them.",
            param="prompt",
            code="context_length_exceeded",
        )
