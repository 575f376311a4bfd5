"""A probe of a running provider: a few small requests that change nothing there.

Nothing is uploaded, and no job is started: the fine-tuning API is found by listing its jobs.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from tunebench.api.probe_requests import Chat, Completions, Finding, Heard, send
from tunebench.errors import RequestError, UsageError, nearest, printable
from tunebench.presets import Capability, Endpoint, MaxTokensField
from tunebench.wire import optional_name, other_model, within

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tunebench.api.client import Client

_SHOWN_MODELS = 20


class NoAnswerError(UsageError):
    """A provider that answers neither kind of request.

    Attributes:
        likely: the kind that it refused for another reason than that there is no such path; None
            where both refusals, or neither, say so.
        missing: whether both refusals say so.
    """

    def __init__(self, problem: str, *, hint: str, likely: Endpoint | None, missing: bool) -> None:
        super().__init__(problem, hint=hint)
        self.likely = likely
        self.missing = missing


@dataclass(frozen=True)
class Findings:
    """The result of a probe.

    Attributes:
        models: None where the provider lists none.
        seconds: what one small request took, after others had been answered.
    """

    base_url: str
    model: str
    models: tuple[str, ...] | None
    all: tuple[Finding, ...]
    seconds: float

    def found(self, name: str, endpoint: Endpoint | None = None) -> bool:
        """Whether the provider can do something, at an endpoint where that makes a difference."""
        return any(f.found for f in self.all if f.name == name and f.endpoint in (None, endpoint))

    @property
    def endpoint(self) -> Endpoint:
        """The kind of request to use: completions, if the provider has them."""
        return "completions" if self.found("completions") else "chat"

    @property
    def max_tokens_field(self) -> MaxTokensField:
        """The field that limits a chat answer."""
        return "max_tokens" if self.found("max_tokens", "chat") else "max_completion_tokens"

    def detail(self, name: str, endpoint: Endpoint | None = None) -> str:
        """The evidence of a finding."""
        return next((f.detail for f in self.all if (f.name, f.endpoint) == (name, endpoint)), "")

    def candidates(self, endpoint: Endpoint) -> int | None:
        """The most candidates of a token that it shows; None if as many as a rule asks for."""
        found = (f.limit for f in self.all if (f.name, f.endpoint) == ("logprobs", endpoint))
        return next(found, None)

    def supports(self, endpoint: Endpoint) -> list[Capability]:
        """The possible values of ``supports`` in its table, for a kind of request."""
        return [name for name in get_args(Capability) if self.found(name, endpoint)]


def probe(client: Client, model: str | None, *, chosen: bool = False) -> Findings:
    """Find out what a provider can do, with a model or the first one that it lists.

    Args:
        client: a connection to the provider.
        model: its name at the provider.
        chosen: whether the model is for an experiment: it must be listed, if any is, and must be
            named unless there is only one.

    Raises:
        RequestError: the provider does not run, refuses the key, or wants a pause.
        UsageError: it lists no model and none was given, or not this one.
        NoAnswerError: it answers neither kind of request.
    """
    models = _models(client)
    if model is None and not models:
        raise UsageError(
            f"{client.base_url} lists no models, so there is none to ask",
            hint="name one with --model",
        )
    if chosen and models:
        _check_chosen(client.base_url, model, models)
    asked = model or (models or ("",))[0]
    completions, chat = Completions(client, asked), Chat(client, asked)
    if completions.first.error and chat.first.error:
        raise _neither(client.base_url, asked, completions.first, chat.first)
    spoken = chat if completions.first.error else completions
    endpoints = [
        Finding(kind.name, None, not kind.first.error, kind.first.error)
        for kind in (completions, chat)
    ]
    answered = spoken.first.body.get("model")
    began = time.monotonic()
    same_twice = spoken.same_twice()
    seconds = time.monotonic() - began
    findings = [
        *endpoints,
        *completions.findings(),
        *chat.findings(),
        _tokenize(client, asked),
        _embeddings(client, asked, models or ()),
        _fine_tuning(client),
        Finding("model listed", None, asked in (models or ()), _listed(models)),
        Finding(
            "model as asked",
            None,
            other_model(asked, answered, None) is None,
            optional_name(answered) or "no name",
        ),
        same_twice,
        _rate_limits(spoken.first.headers),
    ]
    return Findings(client.base_url, asked, models, tuple(findings), seconds)


def _neither(url: str, model: str, completions: Heard, chat: Heard) -> NoAnswerError:
    likely: Endpoint | None = None
    if completions.missing != chat.missing:
        likely = "chat" if completions.missing else "completions"
    return NoAnswerError(
        f"{url} answers {model!r} neither completions: {completions.problem}. "
        f"Nor chat: {chat.problem}",
        hint=chat.hint
        or completions.hint
        or f"check that the address {url} is the API root, and check the model's `id`",
        likely=likely,
        missing=completions.missing and chat.missing,
    )


def _check_chosen(url: str, model: str | None, models: tuple[str, ...]) -> None:
    """Refuse a model that is not listed, and none where several are."""
    shown = ", ".join(models[:_SHOWN_MODELS])
    if len(models) > _SHOWN_MODELS:
        shown += f" and {len(models) - _SHOWN_MODELS} more"
    if model is None:
        if len(models) > 1:
            raise UsageError(f"{url} lists several models: {shown}", hint="name one with --model")
    elif all(other_model(model, one, None) for one in models):
        near = nearest(model, models)
        hint = "name one of them" if near is None else f"did you mean {near!r}?"
        raise UsageError(f"{url} lists no model {model!r}, but {shown}", hint=hint)


def _listed(models: tuple[str, ...] | None) -> str:
    return "/models lists none" if models is None else f"{len(models)} models"


def _models(client: Client) -> tuple[str, ...] | None:
    """The ids that a provider lists; None if it lists none.

    Raises:
        UsageError: the list stands one folder below, in ``/v1``.
    """
    heard = send(client, "/models", first=True)
    entries = heard.body.get("data")
    if isinstance(entries, list):
        return tuple(filter(None, (optional_name(within(entry, "id")) for entry in entries)))
    below = f"{client.base_url.rstrip('/')}/v1"
    if isinstance(send(client, f"{below}/models").body.get("data"), list):
        problem = f"the address {client.base_url} is not the API root, which is {below}"
        raise UsageError(problem, hint="add the /v1")
    return None


def _tokenize(client: Client, model: str) -> Finding:
    try:
        ids = client.tokenize(model, " one")
    except RequestError as error:
        return Finding("tokenize", None, found=False, detail=str(error))
    return Finding("tokenize", None, found=True, detail=f"{len(ids)} ids for ' one'")


def _embeddings(client: Client, model: str, models: tuple[str, ...]) -> Finding:
    """Whether the model, or else one that is listed under such a name, makes embeddings."""
    named = next((one for one in models if "embed" in one.lower()), model)
    heard = Heard()
    for asked in dict.fromkeys((named, model)):
        heard = send(client, "/embeddings", {"model": asked, "input": ["one two three"]})
        if within(heard.body, "data", 0, "embedding"):
            return Finding("embeddings", None, found=True, detail=asked)
    return Finding("embeddings", None, found=False, detail=heard.error)


def _fine_tuning(client: Client) -> Finding:
    heard = send(client, "/fine_tuning/jobs?limit=1")
    found = isinstance(heard.body.get("data"), list)
    return Finding("fine_tuning", None, found, heard.error)


def _rate_limits(headers: Mapping[str, str]) -> Finding:
    named = ((name.lower(), value) for name, value in headers.items())
    limits = [f"{n.partition('ratelimit-')[2]} {v}" for n, v in named if "ratelimit-" in n]
    return Finding("rate-limit headers", None, bool(limits), printable(", ".join(limits)))
