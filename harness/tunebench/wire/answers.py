"""What a provider answers to completions, chats and ``/tokenize``: checked and read here alone.

The client reads every answer through this module, and a cassette stores what was read through it
and nothing else, so what cannot be used is never stored.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tunebench.wire.values import (
    Unusable,
    count,
    finite,
    optional_name,
    reported,
    shown,
    words,
    wrong,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Why an answer ended, by the words that providers use for it. Whatever else one says, such as
# "error" or "abort", the model did not come to an end of its own.
_FINISHED = {
    "stop": (
        "stop", "eos", "eos_token", "end_turn", "end_of_turn", "end", "stop_sequence",
        "stop_token", "stop_str", "stopped", "complete", "completed", "finished", "finish",
    ),
    "length": (
        "length", "max_tokens", "max_output_tokens", "max_length", "max_new_tokens", "model_length",
        "limit",
    ),
    "content_filter": (
        "content_filter", "content_filtered", "refusal", "safety", "recitation", "blocklist",
        "prohibited_content", "spii", "guardrail_intervened",
    ),
}  # fmt: skip
_REASONS = {word: reason for reason, words_ in _FINISHED.items() for word in words_}
_TEXT_PARTS = ("text", "output_text")
_HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")
_THOUGHT_PARTS = ("thinking", "reasoning", "redacted_thinking", "thought")


@dataclass(frozen=True)
class Answer:
    """What the model said to one prompt.

    Attributes:
        text: the completion, or the message's content; empty where the model refused in a field
            of its own, or came to its limit before it said anything.
        finish_reason: ``stop``, ``length`` or ``content_filter``.
        top_logprobs: natural log-probabilities of the first token's likeliest candidates, by the
            token's text; empty where none were asked for, or no token was said.
        refused: whether the provider itself says that this is a refusal.
    """

    text: str
    finish_reason: str
    top_logprobs: Mapping[str, float] = field(default_factory=dict)
    refused: bool = False


@dataclass(frozen=True)
class Usage:
    """Tokens as the provider counted them; None where it did not."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True)
class Asked:
    """What an answer must fit.

    Attributes:
        model: the model that was asked.
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
        model: the name of the model that has answered, or an empty string.
        server: what the server says of itself (``system_fingerprint``), or an empty string.
    """

    answers: tuple[Answer, ...]
    usage: Usage
    model: str = ""
    server: str = ""


def read_answers(body: Any, asked: Asked) -> Answers:
    """Check and read an answer.

    Args:
        body: its JSON value.
        asked: what it must fit.

    Raises:
        Unusable: it cannot be used: the provider says that something went wrong, another model
            answered, there is not exactly one choice for each prompt, or one has no text, did not
            come to its end or lacks the log-probabilities that were asked for.
    """
    if not isinstance(body, dict):
        raise Unusable("the answer is not a JSON object; is this the API root?")
    if body.get("error"):
        raise Unusable(reported(body["error"]))
    if (problem := other_model(asked.model, body.get("model"), asked.known_as)) is not None:
        raise Unusable(problem)
    answers = tuple(
        _answer(choice, f"choices[{position}]", asked)
        for position, choice in enumerate(_in_order(body, asked))
    )
    usage = body.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return Answers(
        answers,
        Usage(count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))),
        optional_name(body.get("model")),
        optional_name(body.get("system_fingerprint")),
    )


def read_tokens(body: Any) -> list[int]:
    """The token ids of an answer of ``/tokenize``.

    Raises:
        Unusable: it holds none.
    """
    tokens = body.get("tokens") if isinstance(body, dict) else None
    if not isinstance(tokens, list) or not tokens:
        raise Unusable("the answer holds no list `tokens` of ids")
    for token in tokens:
        if type(token) is not int or token < 0:
            raise wrong("an id in `tokens`", token, "a whole number")
    return tokens


def other_model(asked: str, answered: Any, known: str | None) -> str | None:
    """Another model answered than was asked; None if it is the same.

    A provider may answer with a version of the name that was asked, as ``gpt-4.1`` is answered by
    ``gpt-4.1-2025-04-14``, and with or without the folders before it.

    Args:
        asked: the model's name in the request.
        answered: the model's name in the answer.
        known: the name that the answer is known to have, if it is another.
    """
    if not isinstance(answered, str) or not answered or answered in (asked, known):
        return None
    if known is None and _base(answered) == _base(asked):
        return None
    return (
        f"the model {shown(answered)} answered instead; if that is the one you mean, write its "
        "name as the model's `id`, or as `answers_as` if it is only another name of it, and record "
        "again"
    )


def _base(name: str) -> str:
    """A name without folders, date, default tag and revision; in linear time."""
    name = name.rsplit("/", 1)[-1].lower()
    head, at, revision = name.rpartition("@")
    if at and head and revision:
        return head
    if name.endswith(":latest"):
        return name.removesuffix(":latest")
    bare = name.rstrip("0123456789-")
    # What was cut off must begin as a date does: a dash and four digits.
    tail = name[len(bare) :]
    start = next(
        (i for i, mark in enumerate(tail) if mark == "-" and tail[i + 1 : i + 5].isdigit()
         and len(tail[i + 1 : i + 5]) == 4),
        None,
    )  # fmt: skip
    return name if start is None else bare + tail[:start]


def _in_order(body: dict[str, Any], asked: Asked) -> list[dict[str, Any]]:
    """The choices in the order of the prompts."""
    choices, expected = body.get("choices"), asked.prompts
    # Not everybody writes an error under `error`.
    if not choices and (said := words(body) or words(body.get("errors"))):
        raise Unusable(reported(said))
    if not isinstance(choices, list):
        raise Unusable(
            f"{_prompts(expected)} asked and no list of choices came back; is this the endpoint "
            f"for {'chat' if asked.chat else 'completions'}?"
        )
    if len(choices) != expected:
        hint = (
            "the provider may have filtered the text: see its log"
            if expected == 1
            else "if the provider takes no lists of prompts, leave 'lists' out of its `supports`"
        )
        raise Unusable(f"{_prompts(expected)} asked and {len(choices)} choices came back; {hint}")
    ordered: list[dict[str, Any] | None] = [None] * expected
    for position, choice in enumerate(choices):
        if not isinstance(choice, dict):
            raise wrong(f"choices[{position}]", choice, "an object")
        index = choice.get("index")
        if index is None and expected == 1:
            index = 0
        if type(index) is not int or not 0 <= index < expected:
            wanted = "0" if expected == 1 else f"a whole number from 0 to {expected - 1}"
            raise wrong(f"choices[{position}].index", index, wanted)
        if ordered[index] is not None:
            raise Unusable(
                f"choices[{position}].index is {index}, which another choice has, too, so that it "
                "is not known which prompt it answers"
            )
        ordered[index] = choice
    return [choice for choice in ordered if choice is not None]


def _prompts(number: int) -> str:
    return "one prompt was" if number == 1 else f"{number} prompts were"


def _answer(choice: dict[str, Any], at: str, asked: Asked) -> Answer:
    if choice.get("error"):
        raise Unusable(reported(choice["error"]))
    reason = _finish_reason(choice.get("finish_reason"), at)
    refused = reason == "content_filter"
    if asked.chat:
        text, refused = _content(choice.get("message"), f"{at}.message", reason)
    else:
        text = _text(choice.get("text"), f"{at}.text")
    top = _candidates(choice.get("logprobs"), f"{at}.logprobs") if asked.logprobs else {}
    if asked.logprobs and not top and text:
        raise Unusable(
            f"{at}.logprobs holds no candidates of the first token, which were asked for; leave "
            "'logprobs' out of the provider's `supports` if it gives none"
        )
    return Answer(text, reason, top, refused)


def _finish_reason(value: Any, at: str) -> str:
    reason = _REASONS.get(value.strip().lower()) if isinstance(value, str) else None
    if reason is None:
        raise Unusable(
            f"{at}.finish_reason is {shown(value)}, so the model did not come to the end of its "
            "answer; see the provider's log, and record again"
        )
    return reason


def _text(value: Any, at: str) -> str:
    if not isinstance(value, str):
        raise Unusable(
            f"{at} is {shown(value)} and must be a text; is this the endpoint for completions?"
        )
    return _whole(value, at)


def _whole(text: str, at: str) -> str:
    if (half := _HALF_A_CHARACTER.search(text)) is not None:
        raise Unusable(
            f"{at} holds half a surrogate pair ({shown(half[0])}), which is no character; see the "
            "provider's log, and record again"
        )
    return text


def _content(message: Any, at: str, reason: str) -> tuple[str, bool]:
    """A message's text, and whether it is a refusal."""
    if not isinstance(message, dict):
        raise Unusable(f"{at} is {shown(message)} and must be an object; is this the endpoint for "
                       "chat?")  # fmt: skip
    refusal, content = message.get("refusal"), message.get("content")
    if refusal is not None and not isinstance(refusal, str):
        raise wrong(f"{at}.refusal", refusal, "a text")
    if isinstance(content, list):
        content = "".join(_part(part, f"{at}.content[{i}]") for i, part in enumerate(content))
    # A model that thinks may come to the limit before it says anything.
    if content is None and (refusal or reason in ("length", "content_filter")):
        content = ""
    if not isinstance(content, str):
        raise wrong(f"{at}.content", content, "a text")
    return _whole(content, f"{at}.content"), reason == "content_filter" or bool(
        refusal and not content
    )


def _part(part: Any, at: str) -> str:
    kind = part.get("type") if isinstance(part, dict) else None
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
    candidates = tokens[0].get("top_logprobs") if isinstance(tokens[0], dict) else None
    if not isinstance(candidates, list):
        raise wrong(f"{at}.content[0].top_logprobs", candidates, "a list of candidates")
    for position, candidate in enumerate(candidates):
        where = f"{at}.content[0].top_logprobs[{position}]"
        token = candidate.get("token") if isinstance(candidate, dict) else None
        if not isinstance(candidate, dict) or not isinstance(token, str):
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


# An answer as a cassette stores it: in the form of the API, with what is read of it and no more.


def stored_choice(answer: Answer, *, chat: bool) -> dict[str, Any]:
    """One prompt's answer as a cassette stores it."""
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


def composed(choices: Sequence[bytes], model: str, server: str, usage: Usage) -> bytes:
    """The body of an answer, put together from stored choices (JSON objects) in their order."""
    head: dict[str, Any] = {"model": model, "system_fingerprint": server}
    head["usage"] = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
    }
    listed = b",".join(b'{"index":%d,%b' % (i, one[1:]) for i, one in enumerate(choices))
    return b'%b, "choices": [%b]}' % (json.dumps(head)[:-1].encode(), listed)
