"""One choice of an answer, which belongs to one prompt: read, and stored."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tunebench.wire.values import Unusable, by_word, finite, reported, shown, within, wrong

if TYPE_CHECKING:
    from collections.abc import Mapping

# Why an answer ended, in the words of providers. Any other word, such as "error" or "abort", means
# that the model was stopped.
_REASONS = by_word(
    {
        "stop": (
            "stop", "eos", "eos_token", "end_turn", "end_of_turn", "end", "stop_sequence",
            "stop_token", "stop_str", "stopped", "complete", "completed", "finished", "finish",
        ),
        "length": (
            "length", "max_tokens", "max_output_tokens", "max_length", "max_new_tokens",
            "model_length", "limit",
        ),
        "content_filter": (
            "content_filter", "content_filtered", "refusal", "safety", "recitation", "blocklist",
            "prohibited_content", "spii", "guardrail_intervened",
        ),
    }
)  # fmt: skip
_TEXT_PARTS = ("text", "output_text")
_THOUGHT_PARTS = ("thinking", "reasoning", "redacted_thinking", "thought")
_HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")
_MORE = "record again; if it stays so, set a larger max_tokens in the model's `parameters`"
_RECORD_AGAIN = "see the provider's log, and record again"


@dataclass(frozen=True)
class Answer:
    """The model's answer to one prompt.

    Attributes:
        text: the completion, or the message's content; empty where the model refused in a field
            of its own, or came to its limit before it said anything.
        finish_reason: ``stop``, ``length`` or ``content_filter``.
        top_logprobs: natural log-probabilities of the first token's likeliest candidates, by the
            token's text; empty where none were asked for, or the answer has no token.
        refused: whether the provider itself calls this a refusal.
    """

    text: str
    finish_reason: str
    top_logprobs: Mapping[str, float] = field(default_factory=dict)
    refused: bool = False


def read_choice(choice: dict[str, Any], at: str, *, chat: bool, logprobs: bool) -> Answer:
    """Check and read a choice; `at` is its place in the answer."""
    if choice.get("error"):
        raise reported(choice["error"])
    reason = _finish_reason(choice.get("finish_reason"), f"{at}.finish_reason")
    refused = reason == "content_filter"
    text: Any = choice.get("text")
    if chat:
        text, refused = _content(choice.get("message"), f"{at}.message", reason)
    elif not isinstance(text, str):
        raise wrong(f"{at}.text", text, "a text", "is this the endpoint for completions?")
    else:
        _check_characters(text, f"{at}.text")
    top = _candidates(choice.get("logprobs"), f"{at}.logprobs") if logprobs else {}
    if logprobs and not top and text:
        raise Unusable(
            f"{at}.logprobs holds no candidates of the first token, which were asked for",
            hint="leave 'logprobs' out of the provider's `supports` if it gives none",
        )
    return Answer(text, reason, top, refused)


def stored_choice(answer: Answer, *, chat: bool) -> dict[str, Any]:
    """One prompt's answer as a cassette stores it: in the form of the API, with nothing unread."""
    choice: dict[str, Any] = {}
    if chat:
        refusal = {"refusal": "refused"} if answer.refused and not answer.text else {}
        choice["message"] = {"content": answer.text, **refusal}
    else:
        choice["text"] = answer.text
    choice["finish_reason"] = answer.finish_reason
    if answer.top_logprobs:
        choice["logprobs"] = {"top_logprobs": [dict(answer.top_logprobs)]}
    return choice


def _finish_reason(value: Any, at: str) -> str:
    reason = _REASONS.get(value.strip().lower()) if isinstance(value, str) else None
    if reason is None:
        raise Unusable(
            f"{at} is {shown(value)}, so the model did not come to the end of its answer",
            hint=_RECORD_AGAIN,
        )
    return reason


def _check_characters(text: str, at: str) -> None:
    if (half := _HALF_A_CHARACTER.search(text)) is not None:
        raise Unusable(
            f"{at} holds half a surrogate pair ({shown(half[0])}), which is not a character",
            hint=_RECORD_AGAIN,
        )


def _content(message: Any, at: str, reason: str) -> tuple[str, bool]:
    """A message's text, and whether it is a refusal."""
    if not isinstance(message, dict):
        raise wrong(at, message, "an object", "is this the endpoint for chat?")
    refusal, content = message.get("refusal"), message.get("content")
    if refusal is not None and not isinstance(refusal, str):
        raise wrong(f"{at}.refusal", refusal, "a text")
    if isinstance(content, list):
        content = "".join(_part(part, f"{at}.content[{i}]") for i, part in enumerate(content))
    # A model that thinks may come to the limit before it says anything.
    if content is None and (refusal or reason in ("length", "content_filter")):
        content = ""
    if not isinstance(content, str):
        raise wrong(f"{at}.content", content, "a text", _MORE if content is None else None)
    _check_characters(content, f"{at}.content")
    return content, reason == "content_filter" or bool(refusal and not content)


def _part(part: Any, at: str) -> str:
    kind = within(part, "type")
    if kind in _THOUGHT_PARTS:
        return ""
    if kind not in _TEXT_PARTS or not isinstance(part.get("text"), str):
        raise wrong(at, part, "a part of type text")
    return str(part["text"])


def _candidates(logprobs: Any, at: str) -> dict[str, float]:
    """The first token's candidates in the form of completions, or in that of chats."""
    if logprobs is None:
        return {}
    if not isinstance(logprobs, dict):
        raise wrong(at, logprobs, "an object")
    found: dict[str, float] = {}

    tops = logprobs.get("top_logprobs")
    if isinstance(tops, list) and tops:
        first = tops[0]
        if not isinstance(first, dict):
            raise wrong(f"{at}.top_logprobs[0]", first, "an object")
        for token, value in first.items():
            if (logprob := finite(value)) is None:
                raise wrong(f"{at}.top_logprobs[0][{shown(token)}]", value, "a number")
            _keep(found, token, logprob)
        return found
    tokens = logprobs.get("content")
    if tops not in (None, []) or not isinstance(tokens, list | None):
        raise wrong(at, logprobs, "lists of candidates")
    if not tokens:
        return {}
    candidates = within(tokens, 0, "top_logprobs")
    if not isinstance(candidates, list):
        raise wrong(f"{at}.content[0].top_logprobs", candidates, "a list of candidates")
    for position, candidate in enumerate(candidates):
        where = f"{at}.content[0].top_logprobs[{position}]"
        token = within(candidate, "token")
        if not isinstance(token, str):
            raise wrong(where, candidate, "an object with a `token`")
        if (logprob := finite(candidate.get("logprob"))) is None:
            raise wrong(f"{where}.logprob", candidate.get("logprob"), "a number")
        _keep(found, token, logprob)
    return found


def _keep(found: dict[str, float], token: str, logprob: float) -> None:
    if not token.isascii():
        token = _HALF_A_CHARACTER.sub("\ufffd", token)  # which has no spelling of its own
    # Of two tokens with one spelling the likelier stays.
    if found.get(token, logprob) <= logprob:
        found[token] = logprob
