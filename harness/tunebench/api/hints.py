"""What to do about a refusal, by its status, its words and what was asked."""

from __future__ import annotations

import math
import re
import time
from typing import TYPE_CHECKING

from tunebench.api.rate_headers import retry_after
from tunebench.api.refusals import OF_MODEL, body_of, says_too_long, used_up

if TYPE_CHECKING:
    import openai

_VERSION = re.compile(r"/v\d\w*/?$")
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
_NEITHER_KIND = ("v1/responses", "v1/embeddings", "v1/audio")


def fix_of(error: openai.APIStatusError, message: str, base_url: str) -> str:
    """What to do about a refusal; `message` is the provider's words."""
    status, path = error.status_code, error.request.url.path
    if status == 402 or used_up(body_of(error)):
        return "the account's quota is used up: raise it at the provider"
    if fix := _fix_endpoint(status, f"{message} {error.code}", path, base_url):
        return fix
    if status == 404:
        return _fix_missing(f"{message} {error.code}", path, base_url)
    if status == 405:
        return f"{check_root(base_url)}, with https where it wants that"
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


def check_root(base_url: str) -> str:
    """What may be wrong with the address."""
    if _VERSION.search(base_url):
        return f"check that the address {base_url.rstrip('/')} is the API root"
    return (
        f"the address {base_url.rstrip('/')} has no /v1: add it, and check that it is the API root"
    )


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
    if status in (400, 422) or (status == 404 and OF_MODEL.search(message)):
        return None
    answered = "plain prompts" if is_chat else "chats"
    set_other = f"set {other} if it answers {answered} only, which `tunebench doctor` finds out"
    https = ", with https where it wants that" if status == 405 else ""
    return f"{set_other}, or {check_root(base_url)}{https}"


def _fix_missing(message: str, path: str, base_url: str) -> str:
    if "/jobs/" in path:
        return "check the id of the job"
    if OF_MODEL.search(message):
        return "check the model's `id`; `tunebench doctor` shows which models there are"
    if path.endswith("/embeddings") and _VERSION.search(base_url):
        return _NO_EMBEDDINGS
    capabilities = {"/tokenize": "tokenize", "/jobs": "fine_tuning", "/files": "fine_tuning"}
    for end, capability in capabilities.items():
        if path.endswith(end) and _VERSION.search(base_url):
            return f"leave {capability!r} out of the provider's `supports`"
    return check_root(base_url)


def _fix_refused(message: str, code: str, param: str | None, path: str) -> str:
    if code == "content_filter":
        return "its content filter refused a text: change that filter, or leave the text out"
    if path.endswith("/embeddings"):
        return _NO_EMBEDDINGS
    if "max_tokens" in message and "max_completion_tokens" in message:
        return 'set max_tokens_field = "max_completion_tokens" for this provider'
    if says_too_long(message, code, param):
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
