"""What became of a request that gave no answer, and what to do: each the end of a sentence."""

from __future__ import annotations

import re
from typing import Any

import openai

from harness.wire import parsed

_LONGEST = 300
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
# What a provider adds to a model's name: a date, the tag that goes without saying, or a hub's
# revision, as transformers does (``NAME@main``).
_ADDED = re.compile(r"(-\d{4}[\d-]*|:latest|@[\w.-]+)$")
_VERSION = re.compile(r"/v\d\w*/?$")
# A shorter one may stand in any text: a local server's key is often "none" or "x".
_SHORTEST_KEY = 8


def reason(error: openai.APIError, api: openai.OpenAI) -> str:
    """What the `openai` package's error means, with the provider's own words.

    Args:
        error: what it raised.
        api: the client that did, for its address; its key is taken out of the provider's words.
    """
    if isinstance(error, openai.APITimeoutError):
        return "no answer in time; is the provider overloaded, or `timeout` too short?"
    if isinstance(error, openai.APIConnectionError):
        cause = error.__cause__ or error
        return f"no connection ({cause}); is the provider running, and its base_url right?"
    if isinstance(error, openai.APIStatusError):
        said = _said(error)
        if len(api.api_key) >= _SHORTEST_KEY:
            said = said.replace(api.api_key, "***")
        mend = _mend(error, said, str(api.base_url))
        return f"the provider answered {error.status_code} ({said}); {mend}."
    return f"the answer could not be read ({error.message})."


def unreadable(content: bytes, base_url: str) -> str:
    """An answer with a good status that is no JSON object: a page, nothing, or a part of one.

    Args:
        content: the answer.
        base_url: the provider's API root.
    """
    text = content.decode(errors="replace").strip()
    if not text:
        return "the answer is empty; ask again, and if it stays so see the provider's log."
    if page := _page(text):
        return f"the answer is {page}; {_root(base_url)}, and that no proxy wants a login."
    if text[0] == "{" and text[-1] != "}":
        return (
            f"the answer is cut off after {len(content)} bytes; ask again, and if it stays so look "
            "for a time limit of the provider, or of a proxy before it."
        )
    try:
        parsed(content)
    except ValueError:
        return f"the answer is not JSON; {_root(base_url)}."
    return f"the answer is no JSON object; {_root(base_url)}."


def wrong_count(expected: int, choices: Any) -> str:
    """An answer with another number of choices than prompts were asked."""
    if not isinstance(choices, list):
        return (
            f"{expected} prompts were asked and no list of choices came back; is this the endpoint "
            "for completions?"
        )
    if expected == 1:
        return (
            f"one prompt was asked and {len(choices)} choices came back; the provider may have "
            "filtered the text: see its log."
        )
    return (
        f"{expected} prompts were asked and {len(choices)} choices came back; if the provider "
        "takes no lists of prompts, leave 'lists' out of its `supports`."
    )


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
    if known is None and _ADDED.sub("", _base(answered)) == _ADDED.sub("", _base(asked)):
        return None
    return (
        f"the model {answered!r} answered instead; if that is the one you mean, write its name as "
        "the model's `id`, or as `answers_as` if it is only another name of it, and record anew."
    )


def _base(name: str) -> str:
    return name.rsplit("/", 1)[-1].lower()


def _said(error: openai.APIStatusError) -> str:
    """The provider's words, in one line."""
    body: Any = error.body
    if isinstance(body, dict):
        body = body.get("message") or body.get("detail")
    if isinstance(body, str) and body.strip():
        return _page(body) or " ".join(body.split())[:_LONGEST]
    return error.response.reason_phrase


def _page(text: str) -> str | None:
    """A web page with its title; None if it is none."""
    if not text.lstrip().startswith("<"):
        return None
    title = _TITLE.search(text)
    words = " ".join(title[1].split())[:60] if title else ""
    return f"a web page, {words!r}" if words else "a web page"


def _root(base_url: str) -> str:
    """What may be wrong with the address."""
    if _VERSION.search(base_url):
        return f"check that base_url {base_url.rstrip('/')} is the API root"
    return f"base_url {base_url.rstrip('/')} has no /v1: add it, and check that it is the API root"


def _mend(error: openai.APIStatusError, said: str, base_url: str) -> str:
    status, path = error.status_code, error.request.url.path
    if status == 404:
        return _mend_missing(f"{said} {error.code}".lower(), path, base_url)
    if status == 405:
        return f"{_root(base_url)}, with https where it wants that"
    if status == 429 and error.code == "insufficient_quota":
        return "the account's quota is used up: raise it at the provider"
    if status == 429:
        after = error.response.headers.get("retry-after")
        return f"wait{f' {after} s' if after else ''}, or lower the provider's `concurrency`"
    if status in (400, 422):
        return _mend_refused(said, str(error.code), error.param)
    if status >= 500:
        return "see the provider's log, or run the same command again later"
    return {
        401: "set the key in the variable that the provider's `api_key_env` names",
        403: "ask for access, or use another key",
        413: "send less at once: leave 'lists' out of `supports`, or show fewer examples",
    }.get(status, "see the provider's log or documentation")


def _mend_missing(words: str, path: str, base_url: str) -> str:
    if path.endswith("/completions") and "chat model" in words:
        return 'set endpoint = "chat" for this provider'
    if "model" in words or "deployment" in words:
        return "check the model's `id`; `tunebench doctor` shows which models there are"
    for end, capability in (("/tokenize", "tokenize"), ("/jobs", "fine_tuning")):
        if path.endswith(end) and _VERSION.search(base_url):
            return f"leave {capability!r} out of the provider's `supports`"
    return _root(base_url)


def _mend_refused(said: str, code: str, param: str | None) -> str:
    if code == "content_filter":
        return "its content filter refused a text: change that filter, or leave the text out"
    if code == "context_length_exceeded" or "context length" in said:
        return "show fewer examples, or take a model of a longer context"
    if "max_tokens" in said and "max_completion_tokens" in said:
        return 'set max_tokens_field = "max_completion_tokens" for this provider'
    if param in ("logprobs", "top_logprobs", "logit_bias"):
        capability = param.removeprefix("top_")
        return f"leave {capability!r} out of the provider's `supports`"
    return "see the provider's log or documentation"
