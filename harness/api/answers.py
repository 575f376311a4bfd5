"""What a request for completions or for a chat holds, and what its answer says.

A text is asked as a prompt (``completions``), messages as a conversation (``chat/completions``).
Bodies are read from their JSON rather than through the `openai` package's models, which costs a
third less a request; what a cell needs of them is checked here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.api.failures import wrong_count
from harness.errors import TunebenchError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# A text, or the messages of a conversation.
Prompt = str | list[dict[str, str]]


class RequestError(TunebenchError):
    """A request that failed: the cell it belongs to has no result."""


@dataclass(frozen=True)
class Answer:
    """What the model said to one prompt.

    Attributes:
        text: the completion, or the message's content; empty where the model refused in a field
            of its own, or came to its limit before it said anything.
        finish_reason: ``stop``, ``length`` or what else the provider says.
        top_logprobs: natural log-probabilities of the first token's likeliest candidates, by the
            token's text; empty where none were asked for.
        refused: whether the provider itself says that this is a refusal.
    """

    text: str
    finish_reason: str
    top_logprobs: Mapping[str, float] = field(default_factory=dict)
    refused: bool = False


def request_of(prompts: Sequence[Prompt], *, lists: bool) -> tuple[str, dict[str, Any]]:
    """The path of a request below the API root, and the field of its body that asks.

    Args:
        prompts: one text or more, or the messages of one conversation.
        lists: whether the provider takes lists of texts.
    """
    first = prompts[0]
    if not isinstance(first, str):
        return "/chat/completions", {"messages": first}
    return "/completions", {"prompt": list(prompts) if lists else first}


def answers_of(body: dict[str, Any], prompts: Sequence[Prompt], what: str) -> tuple[Answer, ...]:
    """The answers in a body, in the order of the prompts.

    Args:
        body: the response's JSON.
        prompts: what was asked.
        what: what was asked, for the beginning of an error's sentence.

    Raises:
        RequestError: there is not one answer for each prompt.
    """
    chat = not isinstance(prompts[0], str)
    choices = body.get("choices")
    if not isinstance(choices, list) or len(choices) != len(prompts):
        raise RequestError(f"{what}: {wrong_count(len(prompts), choices)}")
    try:
        ordered = sorted(choices, key=lambda choice: choice.get("index", 0))
        return tuple(map(_chat_answer if chat else _answer, ordered))
    except (KeyError, TypeError, AttributeError) as error:
        missing, kind = (
            ("`message` with a `content`", "chat") if chat else ("`text`", "completions")
        )
        raise RequestError(
            f"{what}: a choice has no {missing}; is this the endpoint for {kind}?"
        ) from error


def _answer(choice: dict[str, Any]) -> Answer:
    if not isinstance(choice["text"], str):
        raise TypeError
    top = (choice.get("logprobs") or {}).get("top_logprobs") or [{}]
    reason = str(choice.get("finish_reason"))
    return Answer(choice["text"], reason, top[0] or {}, reason == "content_filter")


def _chat_answer(choice: dict[str, Any]) -> Answer:
    message, reason = choice["message"], str(choice.get("finish_reason"))
    refused = bool(message.get("refusal")) or reason == "content_filter"
    content = message.get("content")
    # A model that thinks may come to the limit before it says anything.
    if content is None and (refused or reason == "length"):
        content = ""
    if not isinstance(content, str):
        raise TypeError
    tokens = (choice.get("logprobs") or {}).get("content") or [{}]
    top: dict[str, float] = {}
    for candidate in tokens[0].get("top_logprobs") or ():
        # Of two tokens with one spelling the likelier, which stands first, stays.
        top.setdefault(candidate["token"], candidate["logprob"])
    return Answer(content, reason, top, refused)
