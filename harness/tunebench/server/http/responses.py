"""Bodies of answers, as OpenAI's completions and chat completions."""

import base64
import functools
import importlib.metadata
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from tunebench.server.http.tool_calls import Call, CallReader
from tunebench.server.inference.completion import Answer, Completion
from tunebench.server.inference.embeddings import EmbeddingModel
from tunebench.server.inference.language_model import LanguageModel
from tunebench.server.inference.sampling import TokenLogprob
from tunebench.server.inference.token_bytes import TokenBytes


@functools.cache
def version() -> str:
    """The version of this package."""
    try:
        return importlib.metadata.version("tunebench")
    except importlib.metadata.PackageNotFoundError:
        return "0"


def fingerprint(model: LanguageModel | EmbeddingModel, deterministic: bool) -> str:
    """Everything that decides an answer's bits, except the machine."""
    mode = "deterministic" if deterministic else "batched"
    int8 = "-int8" if isinstance(model, LanguageModel) and model.int8 else ""
    return (
        f"tunebench-{version()}_{model.sha256[:12]}_{model.dtype_name}{int8}"
        f"_torch-{torch.__version__}_{mode}"
    )


@dataclass(frozen=True)
class Echo:
    """A prompt as it is repeated before its completion.

    Attributes:
        text: the prompt's.
        hidden: leading tokens that the tokenizer added; they are not part of the text.
    """

    text: str
    hidden: int


def completion_choices(
    token_bytes: TokenBytes,
    answers: Sequence[Answer],
    echoes: Sequence[Echo] | None,
    with_logprobs: bool,
) -> list[dict[str, Any]]:
    """The choices of ``/v1/completions``: prompts in order, the choices of a prompt together."""
    choices: list[dict[str, Any]] = []
    for place, answer in enumerate(answers):
        echo = echoes[place] if echoes else None
        for completion in answer.completions:
            choices.append(
                {
                    "index": len(choices),
                    "text": (echo.text if echo else "") + completion.text,
                    "finish_reason": completion.finish_reason,
                    "logprobs": _legacy_logprobs(token_bytes, completion, answer, echo)
                    if with_logprobs
                    else None,
                }
            )
    return choices


def chat_choices(
    token_bytes: TokenBytes, answer: Answer, with_logprobs: bool, with_calls: bool = False
) -> list[dict[str, Any]]:
    """The choices of ``/v1/chat/completions``; ``with_calls`` looks for calls in the text."""
    return [
        {
            "index": index,
            **_said(completion, with_calls),
            "logprobs": {
                "content": [chat_logprob(token_bytes, token) for token in completion.tokens],
                "refusal": None,
            }
            if with_logprobs
            else None,
        }
        for index, completion in enumerate(answer.completions)
    ]


def _said(completion: Completion, with_calls: bool) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": completion.text,
        "refusal": None,
    }
    if not with_calls:
        return {"message": message, "finish_reason": completion.finish_reason}
    reader = CallReader()
    piece = reader.read(completion.text, last=True)
    if piece.calls:
        calls = [called(call) for call in piece.calls]
        message |= {"content": piece.text or None, "tool_calls": calls}
    else:
        message["content"] = piece.text
    return {"message": message, "finish_reason": finish_reason(completion, reader)}


def called(call: Call) -> dict[str, Any]:
    """A call of a chat's message, or what is new in one."""
    if call.name is None:
        return {"function": {"arguments": call.arguments}}
    return {
        "id": f"call_{uuid.uuid4().hex[:24]}",
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }


def finish_reason(completion: Completion, reader: CallReader) -> str | None:
    """The reason of a chat's choice that may hold calls."""
    if completion.finish_reason == "stop" and reader.called:
        return "tool_calls"
    return completion.finish_reason


def body(
    kind: str,
    model: str,
    fingerprint: str,
    prompts: Sequence[Sequence[int]],
    answers: Sequence[Answer],
    choices: list[dict[str, Any]],
) -> dict[str, Any]:
    """The body of an answer; ``kind`` is ``text_completion`` or ``chat.completion``."""
    return {
        "id": f"{'cmpl' if kind == 'text_completion' else 'chatcmpl'}-{uuid.uuid4().hex}",
        "object": kind,
        "created": int(time.time()),
        "model": model,
        "system_fingerprint": fingerprint,
        "usage": usage(prompts, answers),
        "choices": choices,
    }


def usage(prompts: Sequence[Sequence[int]], answers: Sequence[Answer]) -> dict[str, int]:
    """How many tokens were read and made."""
    counts = (c.token_count for answer in answers for c in answer.completions)
    return token_counts(sum(map(len, prompts)), counts)


def token_counts(read: int, counts: Iterable[int]) -> dict[str, int]:
    """The usage of prompts of ``read`` tokens, and of completions of as many as given."""
    made = sum(counts)
    return {"prompt_tokens": read, "completion_tokens": made, "total_tokens": read + made}


def embeddings_body(
    model: str, fingerprint: str, vectors: Sequence[torch.Tensor], tokens: int, encoding: str
) -> dict[str, Any]:
    """The body of ``/v1/embeddings``: vectors of float32 as lists, or in base64."""
    return {
        "object": "list",
        "model": model,
        "system_fingerprint": fingerprint,
        "data": [
            {"object": "embedding", "index": index, "embedding": _encoded(vector, encoding)}
            for index, vector in enumerate(vectors)
        ],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _encoded(vector: torch.Tensor, encoding: str) -> list[float] | str:
    if encoding == "float":
        numbers: list[float] = vector.tolist()
        return numbers
    return base64.b64encode(vector.numpy().astype("<f4").tobytes()).decode()


def _legacy_logprobs(
    token_bytes: TokenBytes, completion: Completion, answer: Answer, echo: Echo | None
) -> dict[str, Any]:
    """Four lists of the same length: the prompt's tokens, if echoed, then the completion's.

    As with OpenAI, the first echoed token has null for both log-probabilities, and a token that
    is not among the likeliest is added to them.
    """
    echoed = answer.prompt if echo else ()
    offsets = _prompt_offsets(token_bytes, echoed, echo.hidden) if echo else []
    before = len(echo.text) if echo else 0
    tokens = [*echoed, *completion.tokens]
    with_top = any(token.top for token in tokens)
    return {
        "tokens": [token_bytes.label(token.token_id) for token in tokens],
        "token_logprobs": [token.logprob for token in tokens],
        "top_logprobs": [_legacy_top(token_bytes, t) for t in tokens] if with_top else None,
        "text_offset": [*offsets, *(before + offset for offset in completion.offsets)],
    }


def _legacy_top(token_bytes: TokenBytes, token: TokenLogprob) -> dict[str, float] | None:
    if token.logprob is None:
        return None
    top: dict[str, float] = {}
    for token_id, logprob in [*token.top, (token.token_id, token.logprob)]:
        # Of two tokens with the same text the likelier stays.
        top.setdefault(token_bytes.label(token_id), logprob)
    return top


def _prompt_offsets(
    token_bytes: TokenBytes, tokens: Sequence[TokenLogprob], hidden: int
) -> list[int]:
    offsets: list[int] = []
    raw = b""
    for place, token in enumerate(tokens):
        offsets.append(len(raw.decode(errors="ignore")))
        raw += token_bytes.of(token.token_id) if place >= hidden else b""
    return offsets


def chat_logprob(token_bytes: TokenBytes, token: TokenLogprob) -> dict[str, Any]:
    """A token of a chat's answer with its log-probability and the likeliest others."""
    return _spelled(token_bytes, token.token_id, token.logprob) | {
        "top_logprobs": [_spelled(token_bytes, *pair) for pair in token.top]
    }


def _spelled(token_bytes: TokenBytes, token_id: int, logprob: float | None) -> dict[str, Any]:
    raw = token_bytes.of(token_id)
    return {"token": raw.decode(errors="replace"), "logprob": logprob, "bytes": list(raw)}
