"""The command ``tunebench doctor``.

It sends a few small prompts of its own, and with ``--max-tokens-in`` the texts of an experiment, to
count their tokens. No job is started.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tunebench.cli.commands import json_option, number, print_json, read_experiment
from tunebench.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from tunebench.api import Client, Findings
    from tunebench.experiment import Experiment

_TIMEOUT = 120.0  # seconds; a local server may load its model for the first answer


@dataclass(frozen=True)
class _Target:
    """A provider to examine.

    Attributes:
        name: of its ``[provider]`` table.
        base_url: its API root.
        api_key_env: the variable that holds its key.
        model: the model to use; None for the first that it lists.
        experiment: the experiment that declares it, if one does.
        tokenizers: the models there whose tokens ``--max-tokens-in`` counts.
    """

    name: str
    base_url: str
    api_key_env: str | None
    model: str | None
    experiment: Experiment | None = None
    tokenizers: tuple[str, ...] = ()

    @property
    def local_url(self) -> str | None:
        """The API root, if it is the local provider's."""
        from tunebench.presets import is_started

        preset = self.experiment.providers[self.name].preset if self.experiment else None
        return self.base_url if is_started(self.name, preset) else None


@click.command()
@click.argument("target", default="experiment.toml")
@click.option(
    "--provider",
    metavar="NAME",
    help="Only this provider of the experiment; with a URL, the name of the table",
)
@click.option("--model", metavar="ID", help="The model to use, by its name at the provider")
@click.option("--api-key-env", metavar="VAR", help="The environment variable that holds the key")
@click.option(
    "--max-tokens-in",
    type=number(1),
    metavar="N",
    help="Count the tokens of the experiment's texts at /tokenize, and print the max_chars with "
    "which none has more than N",
)
@json_option
def doctor(
    target: str,
    provider: str | None,
    model: str | None,
    api_key_env: str | None,
    max_tokens_in: int | None,
    as_json: bool,
) -> int:
    """Find out what a running provider can do, with a few small requests.

    Prints the [provider] table that says so. TARGET is a base URL, or an experiment file or its
    folder, whose providers are compared with what it declares; the exit code is 1 where they
    differ. Nothing is uploaded and no job is started. A key that the experiment names is sent only
    with --api-key-env, or to the address of its preset. An experiment's texts are sent only to
    count their tokens.
    """
    from tunebench.cli.doctor import lengths
    from tunebench.cli.doctor.findings import complaints_of, document_of, lines_of, table_of

    if target.startswith(("http://", "https://")):
        url = target.rstrip("/")
        targets = [_Target(provider or _preset_name(url), url, api_key_env, model)]
    else:
        targets = _declared(Path(target), provider, model, api_key_env)
    texts = None if max_tokens_in is None else lengths.Texts.of(_experiment(targets))
    documents, tokenizing = [], []
    for one in targets:
        _refuse_named_by_file(one, api_key_env)
        findings = found_at(one.base_url, one.api_key_env, one.model, local_url=one.local_url)
        declared = one.experiment.providers[one.name] if one.experiment else None
        table = table_of(findings, declared, one.api_key_env)
        complaints = complaints_of(one.experiment, one.name, findings)
        documents.append(document_of(one.name, findings, table, complaints, one.experiment))
        if findings.found("tokenize"):
            tokenizing.append(one)
        if not as_json:
            print("\n".join(lines_of(documents[-1])))
    measured = None
    if texts is not None and max_tokens_in is not None:
        with ExitStack() as stack:
            tokenizers = {stack.enter_context(_client(one)): one.tokenizers for one in tokenizing}
            measured = texts.document(max_tokens_in, tokenizers)
        if not as_json:
            print("\n".join(lengths.lines_of(measured)))
    if as_json:
        print_json({"providers": documents, "lengths": measured})
    return int(any(document["complaints"] for document in [*documents, measured] if document))


def _experiment(targets: list[_Target]) -> Experiment:
    for one in targets:
        if one.experiment is not None:
            return one.experiment
    raise UsageError(
        "--max-tokens-in counts the tokens of an experiment's texts, and a URL has none",
        hint="give the experiment instead of the URL",
    )


def _client(target: _Target) -> Client:
    from tunebench.api import Client
    from tunebench.evaluation import key_of

    key = key_of(target.api_key_env, target.base_url, target.local_url)
    return Client(target.base_url, key, retries=1, timeout=_TIMEOUT)


def _refuse_named_by_file(target: _Target, given: str | None) -> None:
    """Refuse to send a variable that only a file names to an address that it names, too.

    Raises:
        UsageError: the variable is not on the command line, nor the preset's for its own address.
    """
    from tunebench.presets import PRESETS

    variable = target.api_key_env
    own = ((preset.base_url, preset.api_key_env) for preset in PRESETS.values())
    if (
        target.experiment
        and variable not in (None, given)
        and ((target.base_url, variable) not in own)
    ):
        raise UsageError(
            f"the file alone does not make it send the key in {variable} to {target.base_url}",
            where=f"{target.experiment.path}: [provider.{target.name}]",
            hint=f"if that is right, give --provider {target.name} --api-key-env {variable}",
        )


def found_at(
    base_url: str,
    api_key_env: str | None,
    model: str | None,
    *,
    chosen: bool = False,
    local_url: str | None = None,
) -> Findings:
    """What a provider can do; see `tunebench.api.probe`.

    `local_url` is its API root again if it is the local provider, whose key is in a file.

    Raises:
        RecordingError: the environment variable of its key is not set.
        RequestError: the provider does not run, refuses the key, or wants a pause.
        UsageError: it has no such model, or answers neither kind of request.
    """
    from tunebench.api import Client, probe
    from tunebench.evaluation import key_of

    key = key_of(api_key_env, base_url, local_url)
    with Client(base_url, key, retries=1, timeout=_TIMEOUT) as client:
        return probe(client, model, chosen=chosen)


def _preset_name(base_url: str) -> str:
    from tunebench.presets import PRESETS

    named = (name for name, preset in PRESETS.items() if preset.base_url == base_url)
    return next(named, "mine")


def _declared(
    path: Path, only: str | None, model: str | None, api_key_env: str | None
) -> list[_Target]:
    """The providers of an experiment's models."""
    experiment = read_experiment(path)
    if only is not None and only not in experiment.providers:
        raise UsageError(
            f"there is no provider {only!r}",
            where=experiment.path,
            hint=did_you_mean(only, experiment.providers),
        )
    ids: dict[str, list[str]] = {}
    for one in experiment.models.values():
        ids.setdefault(one.provider, []).append(one.provider_id)
    models = {name: [model] if model else ids.get(name, []) for name in experiment.providers}
    return [
        _Target(
            name,
            provider.base_url,
            api_key_env or provider.api_key_env,
            next(iter(models[name]), None),
            experiment,
            tuple(dict.fromkeys(models[name])),
        )
        for name, provider in experiment.providers.items()
        if only in (None, name)
    ]
