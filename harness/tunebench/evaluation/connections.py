"""Connections to the providers of an experiment, and the local provider that a recording starts."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tunebench.api import Client, LocalProvider, Pacer
from tunebench.errors import RecordingError, TunebenchError, keep_secret
from tunebench.local_models import MODELS, client_key, get
from tunebench.presets import is_started

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunebench.experiment import Experiment, Provider
    from tunebench.local_models import LocalModel

    # Called before a request is sent: the experiment, the provider's name, the model's id at the
    # provider, and what shows a line.
    StartProvider = Callable[[Experiment, str, str, Callable[[str], object]], None]

_PROMPTS_PER_REQUEST = 20
# Rows know no requests: in longer lists the client's share of the time of a text is a tenth.
_PROMPTS_PER_REPLAY = 200


@dataclass
class Connections:
    """A client for each provider, made when first needed, and another one for replay."""

    _clients: dict[tuple[Experiment, str, bool], Client] = field(default_factory=dict)
    _changing: threading.Lock = field(default_factory=threading.Lock)

    def client(self, experiment: Experiment, name: str, *, recording: bool) -> Client:
        """The client of a provider.

        Args:
            experiment: the experiment that defines it.
            name: of the provider.
            recording: whether it may send requests; a replay needs no key and retries nothing.

        Raises:
            RecordingError: the environment variable of the provider's key is not set.
        """
        key = (experiment, name, recording)
        with self._changing:
            if key not in self._clients:
                self._clients[key] = self._made(experiment, name, recording=recording)
            return self._clients[key]

    def _made(self, experiment: Experiment, name: str, *, recording: bool) -> Client:
        provider = experiment.providers[name]
        most = _PROMPTS_PER_REQUEST if recording else _PROMPTS_PER_REPLAY
        return Client(
            provider.base_url,
            _api_key(experiment, name) if recording else "replay",
            prompts_per_request=most if "lists" in provider.supports else 1,
            concurrency=provider.concurrency if recording else 1,
            retries=provider.retries if recording else 0,
            timeout=provider.timeout,
            answers_as=known_names(experiment, name),
            pacer=_pacer(provider) if recording else None,
            offline=not recording,
        )

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()


class StartedProvider:
    """The local providers that a recording had to start, by their addresses."""

    def __init__(self) -> None:
        self._started: dict[str, LocalProvider] = {}
        self._changing = threading.Lock()
        self._weights: dict[str, TunebenchError | None] = {}
        self._getting = threading.Lock()

    def start(
        self, experiment: Experiment, name: str, model: str, say: Callable[[str], object]
    ) -> None:
        """Start a provider with its models of an experiment, if it is a local one.

        Args:
            experiment: the experiment.
            name: of the provider.
            model: its id at the provider; missing weights of a built-in one are downloaded, unless
                the provider runs already.
            say: shows a line.

        Raises:
            RecordingError: it did not start, or the weights could not be downloaded.
        """
        providers = experiment.providers
        url = providers[name].base_url
        if not is_started(name, providers[name].preset):
            return
        with self._changing:
            started = self._started.get(url) or self._started.setdefault(url, LocalProvider())
        # Two tables may ask the same server in two ways.
        models = [
            model.provider_id
            for model in experiment.models.values()
            if providers[model.provider].base_url == url
        ]
        models += [
            rival.model
            for rival in experiment.embedding_rivals
            if providers[rival.provider].base_url == url
        ]
        if started.ensure(url, list(dict.fromkeys(models))) and model in MODELS:
            self._get_weights(MODELS[model], say)

    def _get_weights(self, model: LocalModel, say: Callable[[str], object]) -> None:
        # Several requests may be sent at once. What failed is not tried again for every cell.
        with self._getting:
            if model.name not in self._weights:
                self._weights[model.name] = None
                try:
                    get(model, say)
                except TunebenchError as failed:
                    self._weights[model.name] = failed
        if (error := self._weights[model.name]) is not None:
            raise RecordingError(error.problem, where=error.where, hint=error.hint) from error

    def stop(self) -> None:
        """Stop those that were started here."""
        for started in self._started.values():
            started.stop()
        self._started.clear()


def known_names(experiment: Experiment, provider: str) -> dict[str, str]:
    """The names in the answers of a provider's models, by their names in requests."""
    names = {
        model.provider_id: model.answers_as
        for model in experiment.models.values()
        if model.provider == provider and model.answers_as is not None
    }
    return names | {
        rival.model: rival.answers_as
        for rival in experiment.embedding_rivals
        if rival.provider == provider and rival.answers_as is not None
    }


def _pacer(provider: Provider) -> Pacer:
    return Pacer(
        provider.concurrency,
        requests_per_minute=provider.requests_per_minute,
        tokens_per_minute=provider.tokens_per_minute,
        repeats=provider.retries > 0,
    )


def _api_key(experiment: Experiment, provider: str) -> str:
    variable = experiment.providers[provider].api_key_env
    # A proxy in front of several providers may echo the key of one in answers of another.
    for other in experiment.providers.values():
        keep_secret(os.environ.get(other.api_key_env or "", "").strip())
    declared = experiment.providers[provider]
    local_url = declared.base_url if is_started(provider, declared.preset) else None
    return key_of(variable, f"{experiment.path}: [provider.{provider}]", local_url)


def key_of(variable: str | None, where: str, local_url: str | None = None) -> str:
    """The key in an environment variable, without white space around it; hidden from now on.

    Args:
        variable: its name; None where no key is needed.
        where: the place that names it, for errors.
        local_url: the API root of the local provider, if it is that one's key: without a variable
            it is the one that this user's server keeps in its data folder.

    Raises:
        RecordingError: it is not set, or its value cannot be sent in a header.
        ConfigurationError: the key in the data folder cannot be used.
    """
    if variable is None:
        return (client_key(local_url) if local_url else None) or "none"
    key = os.environ.get(variable, "").strip()
    if not key:
        raise RecordingError(
            f"the key is in the environment variable {variable}, which is not set",
            where=where,
            hint="set it to the provider's key",
        )
    keep_secret(key)
    if not (key.isascii() and key.isprintable()):
        raise RecordingError(
            f"the key in the environment variable {variable} has a character that cannot be sent "
            "(a line break, a control character, or one that is not ASCII)",
            where=where,
            hint="set it again",
        )
    return key
