"""Requests that failed, and answers that are not JSON: what is wrong, and what to do."""

from __future__ import annotations

import math
import re
import time
from typing import Any

import httpx2
import openai

from tunebench.api.rate_headers import retry_after
from tunebench.errors import RequestError, TunebenchError, keep_secret
from tunebench.wire import parsed, words

# A page's title stands in its first part. Short parts of it, looked for in a short text, take time
# that does not grow with the page.
_TITLE = re.compile(r"<title[^>]{0,100}>(.{0,300}?)</title", re.IGNORECASE | re.DOTALL)
_LOOKED_AT = 20_000
_VERSION = re.compile(r"/v\d\w*/?$")
_NO_COMPRESSION = "turn compression off at the provider, or at a proxy before it"
# How compressed answers begin. Brotli has no such mark.
_COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"\x78\x9c": "deflate"}
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
# The most candidates that a provider gives, in its words.
_AT_MOST = re.compile(
    r"(?:<=|≤|at most|no more than|up to|less than or equal to|(?:between|from) [01] (?:and|to)|"
    r"range of [01] to|max(?:imum)?(?: allowed| value| supported)?(?: is| of)?:?|exceed|\[[01],) ?"
    r"(\d{1,2})\b",
    re.IGNORECASE,
)
_USUAL_LIMIT = 5
_NO_EMBEDDINGS = (
    "if the model makes no embeddings, or none of texts as long as these, name another in [[rival]]"
)
# Words of refusals of a prompt that is too long.
_TOO_LONG = re.compile(
    r"context.{0,3}(?:length|window|size)|maximum (?:\w+ ){0,2}(?:context|length)|"
    r"(?:prompt|input|text|request|message)s?\b.{0,60}\b(?:too (?:long|large)|exceed)|"
    r"(?:prompt|input)s?\W+tokens|too many (?:input |prompt )?tokens|reduce the length|"
    r"token.{0,60} context\b",
    re.IGNORECASE,
)
_SHORTER = "set max_chars in [task], show fewer examples, or take a model of a longer context"
_UNKNOWN = ("unknown", "unsupported", "unrecognized", "not support", "not permitted", "extra ")
# A refusal in which the provider says that the model answers the other kind of request: it names
# that kind's path, or what kind of model it is.
_OTHER_KIND = re.compile(
    r"\bchat models?\b|\bcompletions? models?\b|\bnot (?:an? )?(?:chat|completions?)\b|"
    r"(?:does not|doesn't|not) support (?:the )?(?:v1/)?(?:chat[ _/-]?)?completions?\b|"
    r"\b(?:use|try|with|to) /?(?:v1/)?(?:chat/)?completions\b|"
    r"\b(?:chat ?)?completion operation does not work|\bchat template\b",
    re.IGNORECASE,
)
_OF_MODEL = re.compile("model|deployment", re.IGNORECASE)
_MODEL_REFUSED = (400, 403, 404, 410, 422)
_NOT_THERE = re.compile(
    r"not (?:be )?found|(?:does not|doesn't|no longer) exist|no such|deleted|was removed|"
    r"has been removed|unknown model|no longer available",
    re.IGNORECASE,
)
_NEITHER_KIND = ("v1/responses", "v1/embeddings", "v1/audio")


def failure(error: openai.APIError, what: str, api: openai.OpenAI) -> TunebenchError:
    """The error of a failed request, with the provider's own words and without the client's key."""
    keep_secret(api.api_key)
    if isinstance(error.__cause__, TunebenchError):
        return error.__cause__
    problem, hint = _explained(error, str(api.base_url))
    return RequestError(problem, where=what, hint=hint)


def _explained(error: openai.APIError, base_url: str) -> tuple[str, str | None]:
    """The problem and the hint."""
    cause = error.__cause__
    if isinstance(cause, httpx2.DecodingError):
        return f"the answer is compressed and cannot be decoded ({cause})", _NO_COMPRESSION
    if isinstance(cause, httpx2.TooManyRedirects):
        return (
            "the provider redirects from one address to the next and never answers",
            "check that the address is the API root",
        )
    if isinstance(error, openai.APITimeoutError):
        return "no answer in time", "is the provider overloaded, or `timeout` too short?"
    if isinstance(error, openai.APIConnectionError):
        return f"no connection ({cause or error})", (
            "is the provider running, and its address right?"
        )
    if isinstance(error, openai.APIStatusError):
        words_ = said(error)
        problem = f"the provider answered {error.status_code} ({words_})"
        return problem, _fix(error, words_, base_url)
    return f"the answer could not be read ({error.message})", None


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
    return _OF_MODEL.search(words_) is not None and (
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
    return cause.status_code == 413 or _says_too_long(said(cause), str(cause.code), cause.param)


def _says_too_long(message: str, code: str, param: str | None) -> bool:
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


def unreadable(content: bytes, what: str, base_url: str) -> RequestError:
    """The error of an answer with a good status that is not a JSON object."""
    text = content.decode(errors="replace").strip()
    coding = next((name for start, name in _COMPRESSED.items() if content.startswith(start)), None)
    again = "ask again, and if it stays so"
    if coding is not None:
        problem = f"the answer is compressed ({coding}) and could not be decoded"
        hint = _NO_COMPRESSION
    elif not text:
        problem, hint = "the answer is empty", f"{again} see the provider's log"
    elif page := _page(text):
        problem = f"the answer is {page}"
        hint = f"{_root(base_url)}, and that no proxy wants a login"
    elif text[0] == "{" and text[-1] != "}":
        problem = f"the answer is cut off after {len(content)} bytes"
        hint = f"{again} look for a time limit of the provider, or of a proxy before it"
    elif "\ufffd" in text[:_LOOKED_AT]:
        problem = "the answer is not text in UTF-8"
        hint = f"if it is compressed, {_NO_COMPRESSION}"
    else:
        problem = f"the answer is not {'a JSON object' if _is_json(content) else 'JSON'}"
        hint = _root(base_url)
    return RequestError(problem, where=what, hint=hint)


def _is_json(content: bytes) -> bool:
    try:
        parsed(content)
    except ValueError:
        return False
    return True


def said(error: openai.APIStatusError) -> str:
    """The provider's words, in one line."""
    body = _body(error)
    page = _page(body) if isinstance(body, str) else None
    return page or words(body) or words(error.response.reason_phrase) or "without a word"


def _body(error: openai.APIStatusError) -> Any:
    """The refusal as the provider sent it: JSON, or else text."""
    try:
        return parsed(error.response.content)
    except ValueError:
        return error.response.text


def _page(text: str) -> str | None:
    """A web page with its title; None if it is none."""
    text = text.lstrip()[:_LOOKED_AT]
    if not text.startswith("<"):
        return None
    title = _TITLE.search(text)
    name = words(title[1], 60) if title else ""
    return f"a web page, {name!r}" if name else "a web page"


def _root(base_url: str) -> str:
    """What may be wrong with the address."""
    if _VERSION.search(base_url):
        return f"check that the address {base_url.rstrip('/')} is the API root"
    return (
        f"the address {base_url.rstrip('/')} has no /v1: add it, and check that it is the API root"
    )


def _fix(error: openai.APIStatusError, message: str, base_url: str) -> str:
    status, path = error.status_code, error.request.url.path
    if status == 402 or used_up(_body(error)):
        return "the account's quota is used up: raise it at the provider"
    if fix := _fix_endpoint(status, f"{message} {error.code}", path, base_url):
        return fix
    if status == 404:
        return _fix_missing(f"{message} {error.code}", path, base_url)
    if status == 405:
        return f"{_root(base_url)}, with https where it wants that"
    if status == 413 and path.endswith("/files"):
        return "the provider takes no file as large as this: name a smaller one of train_sizes"
    if status == 429:
        after = retry_after(error.response.headers, time.time())
        wait = "wait" if after is None else f"wait {math.ceil(after)} s"
        return f"{wait}, or lower the provider's `concurrency`"
    if status in (400, 422):
        return _fix_refused(message, str(error.code), error.param, path)
    if path.endswith("/embeddings") and status == 501:
        return _NO_EMBEDDINGS
    if status >= 500:
        return "see the provider's log, or run the same command again later"
    return {
        401: "set the key in the variable that `api_key_env` or --api-key-env names",
        403: "ask for access, or use another key",
        413: "send less at once: leave 'lists' out of `supports`, or show fewer examples",
    }.get(status, "see the provider's log or documentation")


def _fix_endpoint(status: int, message: str, path: str, base_url: str) -> str | None:
    """The other kind of request, where that may be what is answered; None where it is not."""
    if not path.endswith("/completions") or status not in (400, 404, 405, 422, 501):
        return None
    if any(name in message for name in _NEITHER_KIND):
        return None
    is_chat = path.endswith("/chat/completions")
    other = 'endpoint = "completions"' if is_chat else 'endpoint = "chat"'
    if _OTHER_KIND.search(message):
        return f"set {other} for this provider (`tunebench doctor` prints its whole table)"
    if status in (400, 422) or (status == 404 and _OF_MODEL.search(message)):
        return None
    answered = "plain prompts" if is_chat else "chats"
    set_other = f"set {other} if it answers {answered} only, which `tunebench doctor` finds out"
    https = ", with https where it wants that" if status == 405 else ""
    return f"{set_other}, or {_root(base_url)}{https}"


def _fix_missing(message: str, path: str, base_url: str) -> str:
    if "/jobs/" in path:
        return "check the id of the job"
    if _OF_MODEL.search(message):
        return "check the model's `id`; `tunebench doctor` shows which models there are"
    if path.endswith("/embeddings") and _VERSION.search(base_url):
        return _NO_EMBEDDINGS
    capabilities = {"/tokenize": "tokenize", "/jobs": "fine_tuning", "/files": "fine_tuning"}
    for end, capability in capabilities.items():
        if path.endswith(end) and _VERSION.search(base_url):
            return f"leave {capability!r} out of the provider's `supports`"
    return _root(base_url)


def _fix_refused(message: str, code: str, param: str | None, path: str) -> str:
    if code == "content_filter":
        return "its content filter refused a text: change that filter, or leave the text out"
    if path.endswith("/embeddings"):
        return _NO_EMBEDDINGS
    if "max_tokens" in message and "max_completion_tokens" in message:
        return 'set max_tokens_field = "max_completion_tokens" for this provider'
    if _says_too_long(message, code, param):
        return _SHORTER
    if param in ("logprobs", "top_logprobs") or (param is None and "logprobs" in message):
        return _fix_logprobs(message, "top_logprobs" in (param or message), path)
    if param == "logit_bias":
        return "leave 'logit_bias' out of the provider's `supports`"
    return "see the provider's log or documentation"


def _fix_logprobs(message: str, about_candidates: bool, path: str) -> str:
    """Fewer candidates will often do; without any, a decision rule is given up."""
    limit = _AT_MOST.search(message)
    most = int(limit[1]) if limit else _USUAL_LIMIT
    unknown = any(word in message.lower() for word in _UNKNOWN)
    if most and (limit or (about_candidates and not unknown)):
        name = "top_logprobs" if path.endswith("/chat/completions") else "logprobs"
        return f"write parameters = {{ {name} = {most} }} in its [[model]]"
    return "leave 'logprobs' out of the provider's `supports`"
