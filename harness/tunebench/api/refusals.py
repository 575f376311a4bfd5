"""Refusals of providers: their words, and what they mean."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import openai

from tunebench.wire import parsed, words

if TYPE_CHECKING:
    import httpx2

    from tunebench.errors import RequestError

# A page's title stands in its first part. Short parts of it, looked for in a short text, take time
# that does not grow with the page.
_TITLE = re.compile(r"<title[^>]{0,100}>(.{0,300}?)</title", re.IGNORECASE | re.DOTALL)
LOOKED_AT = 20_000
# Codes and types of errors when no money is left, in contrast to a limit of pace.
_USED_UP = frozenset(
    {
        "account_balance_insufficient", "arrearage", "billing_hard_limit_reached",
        "billing_limit_reached", "billing_not_active", "exceeded_current_quota_error",
        "insufficient_balance", "insufficient_credits", "insufficient_funds", "insufficient_quota",
        "out_of_credits", "payment_required",
    }
)  # fmt: skip
_MAX_DEPTH = 4
# Words of refusals of a prompt that is too long.
_TOO_LONG = re.compile(
    r"context.{0,3}(?:length|window|size)|maximum (?:\w+ ){0,2}(?:context|length)|"
    r"(?:prompt|input|text|request|message)s?\b.{0,60}\b(?:too (?:long|large)|exceed)|"
    r"(?:prompt|input)s?\W+tokens|too many (?:input |prompt )?tokens|reduce the length|"
    r"token.{0,60} context\b",
    re.IGNORECASE,
)
OF_MODEL = re.compile("model|deployment", re.IGNORECASE)
_MODEL_REFUSED = (400, 403, 404, 410, 422)
_NOT_THERE = re.compile(
    r"not (?:be )?found|(?:does not|doesn't|no longer) exist|no such|deleted|was removed|"
    r"has been removed|unknown model|no longer available",
    re.IGNORECASE,
)


def is_unreachable(error: RequestError) -> bool:
    """Whether a request failed without any answer."""
    return isinstance(error.__cause__, openai.APIConnectionError)


def is_model_missing(error: RequestError) -> bool:
    """Whether a request was refused because the provider has no such model."""
    cause = error.__cause__
    if not isinstance(cause, openai.APIStatusError) or cause.status_code not in _MODEL_REFUSED:
        return False
    if f"{cause.code} {cause.type}".lower().find("model_not_found") >= 0:
        return True
    words_ = f"{said(cause)} {cause.code}"
    return OF_MODEL.search(words_) is not None and (
        cause.status_code == 404 or _NOT_THERE.search(words_) is not None
    )


def is_refused(error: RequestError) -> bool:
    """Whether the provider refused what was asked, and not who asked or how often."""
    cause = error.__cause__
    return isinstance(cause, openai.APIStatusError) and cause.status_code in (400, 413, 422)


def is_too_long(error: RequestError) -> bool:
    """Whether the provider refused a request since it is too long."""
    cause = error.__cause__
    if not isinstance(cause, openai.APIStatusError) or not is_refused(error):
        return False
    return cause.status_code == 413 or says_too_long(said(cause), str(cause.code), cause.param)


def says_too_long(message: str, code: str, param: str | None) -> bool:
    """Whether a refusal's words say that the prompt is too long."""
    if "context" in code and ("length" in code or "size" in code):
        return True
    # "max_tokens is too large" is about the answer.
    return param in (None, "prompt", "messages", "input") and bool(_TOO_LONG.search(message))


def is_used_up(response: httpx2.Response) -> bool:
    """Whether a refusal says that no money is left, so that waiting does not help."""
    if response.status_code != 429 and response.status_code < 500:
        return False
    try:
        return used_up(parsed(response.read()))
    except ValueError:
        return False


def used_up(body: Any) -> bool:
    """Whether a refusal's JSON says that no money is left, so that waiting does not help."""
    for _ in range(_MAX_DEPTH):
        if isinstance(body, list) and body:
            body = body[0]
        if not isinstance(body, dict):
            return False
        names = (body.get("code"), body.get("type"))
        if any(isinstance(name, str) and name.lower() in _USED_UP for name in names):
            return True
        body = body.get("error")
    return False


def said(error: openai.APIStatusError) -> str:
    """The provider's words, in one line."""
    body = body_of(error)
    page = page_of(body) if isinstance(body, str) else None
    return page or words(body) or words(error.response.reason_phrase) or "without a word"


def body_of(error: openai.APIStatusError) -> Any:
    """The refusal as the provider sent it: JSON, or else text."""
    try:
        return parsed(error.response.content)
    except ValueError:
        return error.response.text


def page_of(text: str) -> str | None:
    """A web page with its title; None if it is none."""
    text = text.lstrip()[:LOOKED_AT]
    if not text.startswith("<"):
        return None
    title = _TITLE.search(text)
    name = words(title[1], 60) if title else ""
    return f"a web page, {name!r}" if name else "a web page"
