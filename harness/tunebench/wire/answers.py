"""Answers to completions, chats and ``/tokenize``: checked and read here only.

The client reads every answer through this module, and a cassette stores only what was read through
it, so what cannot be used is never stored.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunebench.wire.choices import Answer, read_choice
from tunebench.wire.model_names import other_model
from tunebench.wire.values import (
    Unusable,
    count,
    in_order,
    optional_name,
    reported,
    within,
    words,
    wrong,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class Usage:
    """Tokens as the provider counted them; None where it did not."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True)
class Asked:
    """A request, as far as its answer must fit it.

    Attributes:
        prompts: how many prompts.
        chat: whether they were messages.
        logprobs: whether log-probabilities were asked for.
        known_as: the name that the model is known to answer with, if it is another.
    """

    model: str
    prompts: int
    chat: bool
    logprobs: bool
    known_as: str | None = None

    @classmethod
    def of(
        cls, endpoint: str, fields: Mapping[str, Any], prompts: int, known_as: str | None = None
    ) -> Asked:
        """From a request's endpoint and the fields of its body."""
        return cls(
            model=str(fields.get("model", "")),
            prompts=prompts,
            chat=endpoint.endswith("chat/completions"),
            logprobs=bool(fields.get("logprobs")),
            known_as=known_as,
        )


@dataclass(frozen=True)
class Answers:
    """A usable answer to a request.

    Attributes:
        answers: one for each prompt, in their order.
        usage: tokens of all of them.
        model: the name of the model that answered, or an empty string.
        server: the server's name for its state (``system_fingerprint``), or an empty string.
    """

    answers: tuple[Answer, ...]
    usage: Usage
    model: str = ""
    server: str = ""

    @property
    def prompt_tokens(self) -> int:
        """0 where the provider did not count them."""
        return self.usage.prompt_tokens or 0

    @property
    def completion_tokens(self) -> int:
        """0 where the provider did not count them."""
        return self.usage.completion_tokens or 0


def read_answers(body: Any, asked: Asked) -> Answers:
    """Check and read an answer's JSON value."""
    if not isinstance(body, dict):
        raise Unusable("the answer is not a JSON object", hint="is this the API root?")
    if body.get("error"):
        raise reported(body["error"])
    if (problem := other_model(asked.model, body.get("model"), asked.known_as)) is not None:
        raise problem
    answers = tuple(
        read_choice(choice, f"choices[{i}]", chat=asked.chat, logprobs=asked.logprobs)
        for i, choice in enumerate(_in_order(body, asked))
    )
    prompt, completion = (
        count(within(body, "usage", name)) for name in ("prompt_tokens", "completion_tokens")
    )
    return Answers(
        answers,
        Usage(prompt, completion),
        optional_name(body.get("model")),
        optional_name(body.get("system_fingerprint")),
    )


def composed(choices: Sequence[bytes], model: str, server: str, usage: Usage) -> bytes:
    """The body of an answer, put together from stored choices (JSON objects) in their order."""
    return _composed(b"choices", choices, model, server, usage)


def composed_embeddings(
    embeddings: Sequence[bytes], model: str, server: str, usage: Usage
) -> bytes:
    """The same for stored embeddings."""
    return _composed(b"data", embeddings, model, server, usage)


def _composed(field: bytes, parts: Sequence[bytes], model: str, server: str, usage: Usage) -> bytes:
    head: dict[str, Any] = {"model": model, "system_fingerprint": server}
    head["usage"] = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
    }
    listed = b",".join(b'{"index":%d,%b' % (i, one[1:]) for i, one in enumerate(parts))
    return b'%b, "%b": [%b]}' % (json.dumps(head)[:-1].encode(), field, listed)


def read_tokens(body: Any) -> list[int]:
    """The token ids of an answer of ``/tokenize``."""
    tokens = within(body, "tokens")
    if not isinstance(tokens, list) or not tokens:
        raise Unusable("the answer holds no list `tokens` of ids")
    for token in tokens:
        if type(token) is not int or token < 0:
            raise wrong("an id in `tokens`", token, "a whole number")
    return tokens


def _in_order(body: dict[str, Any], asked: Asked) -> list[dict[str, Any]]:
    """The choices in the order of the prompts."""
    choices, expected = body.get("choices"), asked.prompts
    # Not every provider writes an error under `error`.
    if not choices and (said := words(body) or words(body.get("errors"))):
        raise reported(said)
    sent = "one prompt was asked" if expected == 1 else f"{expected} prompts were asked"
    if not isinstance(choices, list):
        kind = "chat" if asked.chat else "completions"
        raise Unusable(
            f"{sent} and no list of choices came back", hint=f"is this the endpoint for {kind}?"
        )
    if len(choices) != expected:
        raise Unusable(
            f"{sent} and {len(choices)} choices came back",
            hint="the provider may have filtered the text: see its log"
            if expected == 1
            else "if the provider takes no lists of prompts, leave 'lists' out of its `supports`",
        )
    return in_order(choices, "choices", "choice", "prompt")
