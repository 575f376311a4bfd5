"""The provider of a new experiment, from ``--provider``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from tunebench.errors import UsageError, did_you_mean
from tunebench.local_models import DEFAULT, MODELS
from tunebench.presets import PRESETS, Capability


@dataclass(frozen=True)
class ProviderChoice:
    """The provider of a new experiment.

    Attributes:
        name: of its table.
        table: its keys and values.
        comments: on those lines, by key.
        key_hint: a variable that may hold its API key, for a comment.
        trains: whether it is known to fine-tune.
        logprobs: whether it is known to give log-probabilities.
        whole_labels: whether it tells apart labels that begin with the same token.
        local: whether it is the local provider.
        asked: whether the provider itself is asked what it can do.
        model: the default model.
        parameters: of the model, that it needs.
        embeddings: a model that makes embeddings there.
        seconds: what one request took; None where none was answered.
        notes: sentences that a user should read before recording.
    """

    name: str
    table: dict[str, str | list[str]]
    comments: dict[str, str] = field(default_factory=dict)
    key_hint: str = ""
    trains: bool = False
    logprobs: bool = False
    whole_labels: bool = False
    local: bool = False
    asked: bool = False
    model: str | None = None
    parameters: dict[str, int] = field(default_factory=dict)
    embeddings: str | None = None
    seconds: float | None = None
    notes: tuple[str, ...] = ()

    def check(self, train_sizes: list[int] | None) -> None:
        """Raise UsageError for training sizes at a provider that is not known to train."""
        if train_sizes and not self.trains:
            trained = " or ".join(
                name for name, known in PRESETS.items() if known.fine_tuning == "openai"
            )
            raise UsageError(
                f"--train-sizes needs OpenAI's fine-tuning API, which the provider {self.name!r} "
                "is not known to have",
                hint=f"leave it out, or give --provider {trained}",
            )


def chosen_provider(given: str, api_key_env: str | None = None) -> ProviderChoice:
    """The provider that ``--provider`` names; UsageError if there is no such provider.

    Of a URL no more is assumed than that completions are answered; see `found_provider`.
    """
    if given.startswith(("http://", "https://")):
        known = ", ".join(f'"{name}"' for name in get_args(Capability))
        return ProviderChoice(
            "endpoint",
            {"base_url": given.rstrip("/"), **_key(api_key_env), "supports": []},
            comments={"supports": f"any of {known}: `tunebench doctor` finds out"},
            key_hint="" if api_key_env else "API_KEY",
            asked=True,
        )
    if given in PRESETS:
        return _preset(given, api_key_env)
    raise UsageError(
        f"--provider {given!r} is neither a URL such as https://HOST/v1 nor a known provider",
        hint=did_you_mean(given, PRESETS),
    )


def _key(api_key_env: str | None) -> dict[str, str | list[str]]:
    return {} if api_key_env is None else {"api_key_env": api_key_env}


def _preset(name: str, api_key_env: str | None) -> ProviderChoice:
    preset = PRESETS[name]
    variable = api_key_env or preset.api_key_env
    table: dict[str, str | list[str]] = {"preset": name, **_key(api_key_env)}
    key = f", with the key in {variable}" if variable else ""
    comments = {"preset": f"uses {preset.endpoint}{key}; keys that are set here win"}
    notes = [f"{name}: {preset.note}."]
    if preset.started and preset.base_url is not None:
        table["base_url"] = preset.base_url
        comments["base_url"] = "a recording starts it here"
        notes = []
    if preset.base_url is None and preset.own_url is not None:
        table["base_url"] = preset.own_url
        comments["base_url"] = "put your own address here"
        notes.append(f"Put your own address into [provider.{name}] base_url before you record.")
    if variable:
        notes.append(f"Set {variable} to your key before you record.")
    return ProviderChoice(
        name,
        table,
        comments,
        trains=preset.fine_tuning == "openai",
        logprobs="logprobs" in preset.supports,
        whole_labels=preset.started,
        local=preset.started,
        model=DEFAULT if preset.started else None,
        notes=tuple(notes),
    )


def chosen_model(provider: ProviderChoice, given: str | None) -> str:
    """The model's id at the provider; UsageError if it has no default and none is given."""
    model = given or provider.model
    if model is None:
        raise UsageError(
            f"the provider {provider.name!r} serves several models", hint="name one with --model"
        )
    if provider.local:
        _check_served(model)
    return model


def _check_served(model: str) -> None:
    """Raise UsageError for a name that is neither a model of the local provider nor a place."""
    path, known = Path(model), [name for name, one in MODELS.items() if one.writes_text]
    if model not in known and "/" not in model and path.suffix != ".gguf" and not path.is_dir():
        raise UsageError(
            f"the local provider does not serve --model {model!r}",
            hint=f"give {', '.join(known)}, a folder, a .gguf file or a Hugging Face id such as "
            "ORGANIZATION/MODEL",
        )
