"""The command ``tunebench doctor``.

It sends a few small prompts of its own. No data set is read and no job is started.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tunebench.cli.commands import json_option, print_json, read_experiment
from tunebench.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from tunebench.api import Findings
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
    """

    name: str
    base_url: str
    api_key_env: str | None
    model: str | None
    experiment: Experiment | None = None


@click.command()
@click.argument("target", default="experiment.toml")
@click.option(
    "--provider",
    metavar="NAME",
    help="Only this provider of the experiment; with a URL, the name of the table",
)
@click.option("--model", metavar="ID", help="The model to use, by its name at the provider")
@click.option("--api-key-env", metavar="VAR", help="The environment variable that holds the key")
@json_option
def doctor(
    target: str, provider: str | None, model: str | None, api_key_env: str | None, as_json: bool
) -> int:
    """Find out what a running provider can do, with a few small requests.

    Prints the [provider] table that says so. TARGET is a base URL, or an experiment file or its
    folder, whose providers are compared with what it declares; the exit code is 1 where they
    differ. Nothing is uploaded and no job is started. A key that the experiment names is sent only
    with --api-key-env, or to the address of its preset.
    """
    from tunebench.cli.doctor.findings import complaints_of, document_of, lines_of, table_of

    if target.startswith(("http://", "https://")):
        url = target.rstrip("/")
        targets = [_Target(provider or _preset_name(url), url, api_key_env, model)]
    else:
        targets = _declared(Path(target), provider, model, api_key_env)
    documents = []
    for one in targets:
        _refuse_named_by_file(one, api_key_env)
        findings = found_at(one.base_url, one.api_key_env, one.model)
        declared = one.experiment.providers[one.name] if one.experiment else None
        table = table_of(findings, declared, one.api_key_env)
        complaints = complaints_of(one.experiment, one.name, findings)
        documents.append(document_of(one.name, findings, table, complaints))
        if not as_json:
            print("\n".join(lines_of(documents[-1])))
    if as_json:
        print_json({"providers": documents})
    return int(any(document["complaints"] for document in documents))


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
    base_url: str, api_key_env: str | None, model: str | None, *, chosen: bool = False
) -> Findings:
    """What a provider can do; see `tunebench.api.probe`.

    Raises:
        RecordingError: the environment variable of its key is not set.
        RequestError: the provider does not run, refuses the key, or wants a pause.
        UsageError: it has no such model, or answers neither kind of request.
    """
    from tunebench.api import Client, probe
    from tunebench.evaluation import key_of

    key = key_of(api_key_env, base_url)
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
    ids = {one.provider: one.provider_id for one in reversed(experiment.models.values())}
    return [
        _Target(
            name,
            provider.base_url,
            api_key_env or provider.api_key_env,
            model or ids.get(name),
            experiment,
        )
        for name, provider in experiment.providers.items()
        if only in (None, name)
    ]
