"""Requests that failed, and answers that are not JSON: what is wrong, and what to do."""

from __future__ import annotations

import httpx2
import openai

from tunebench.api.hints import check_root, fix_of
from tunebench.api.refusals import LOOKED_AT, page_of, said
from tunebench.errors import RequestError, TunebenchError, keep_secret
from tunebench.wire import parsed

_NO_COMPRESSION = "turn compression off at the provider, or at a proxy before it"
# How compressed answers begin. Brotli has no such mark.
_COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"\x78\x9c": "deflate"}


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
        return problem, fix_of(error, words_, base_url)
    return f"the answer could not be read ({error.message})", None


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
    elif page := page_of(text):
        problem = f"the answer is {page}"
        hint = f"{check_root(base_url)}, and that no proxy wants a login"
    elif text[0] == "{" and text[-1] != "}":
        problem = f"the answer is cut off after {len(content)} bytes"
        hint = f"{again} look for a time limit of the provider, or of a proxy before it"
    elif "\ufffd" in text[:LOOKED_AT]:
        problem = "the answer is not text in UTF-8"
        hint = f"if it is compressed, {_NO_COMPRESSION}"
    else:
        problem = f"the answer is not {'a JSON object' if _is_json(content) else 'JSON'}"
        hint = check_root(base_url)
    return RequestError(problem, where=what, hint=hint)


def _is_json(content: bytes) -> bool:
    try:
        parsed(content)
    except ValueError:
        return False
    return True
