"""``tunebench doctor``: what a running provider can do, and what tunebench does without the rest.

It asks a few small questions of its own words. No data set is read and no job is started.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunebench.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    import argparse

    from tunebench.api import Findings
    from tunebench.experiment import Experiment

_TIMEOUT = 120.0  # seconds; a local server may load its model for the first answer


@dataclass(frozen=True)
class _Target:
    """A provider to ask.

    Attributes:
        name: of its ``[provider]`` table.
        base_url: its API root.
        api_key_env: the variable that holds its key.
        model: the model to ask; None for the first that it lists.
        experiment: the experiment that declares it, if one does.
    """

    name: str
    base_url: str
    api_key_env: str | None
    model: str | None
    experiment: Experiment | None = None


def add_doctor(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser],
) -> argparse.ArgumentParser:
    """Add the command to a parser's subcommands."""
    parser = subparsers.add_parser(
        "doctor",
        help="ask a running provider what it can do",
        description="Ask a running provider what it can do, with a few small requests, and print "
        "the [provider] table that says so. Nothing is uploaded and no job is started.",
    )
    parser.add_argument(
        "target",
        metavar="TARGET",
        nargs="?",
        default="experiment.toml",
        help="an experiment file, or a folder that holds experiment.toml (default: this folder), "
        "whose providers are held against what they declare; or a base URL",
    )
    parser.add_argument(
        "--provider",
        metavar="NAME",
        help="only this provider of the experiment; for a base URL the name of the table",
    )
    parser.add_argument(
        "--model", metavar="ID", help="the model to ask, by its name at the provider"
    )
    parser.add_argument(
        "--api-key-env", metavar="VAR", help="the environment variable that holds the key"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Carry out the command.

    Returns:
        0, or 1 where an experiment declares what its provider does not do.

    Raises:
        TunebenchError: a provider does not run or refuses the key, or the experiment cannot be
            read or does not have it.
    """
    from tunebench.api import Client, probe
    from tunebench.cli.examined import complaints_of, document_of, lines_of
    from tunebench.evaluation import key_of

    documents, complaints = [], []
    for target in _targets(args):
        with Client(
            target.base_url,
            key_of(target.api_key_env, target.base_url),
            retries=1,
            timeout=_TIMEOUT,
        ) as client:
            findings = probe(client, target.model)
        table = _table(target, findings)
        found = complaints_of(target.experiment, target.name, findings)
        complaints += found
        documents.append(document_of(target.name, findings, table, found))
        if not args.json:
            for line in lines_of(documents[-1]):
                print(line)
    if args.json:
        print(json.dumps({"providers": documents}, ensure_ascii=False))
    return 1 if complaints else 0


def _targets(args: argparse.Namespace) -> list[_Target]:
    if args.target.startswith(("http://", "https://")):
        base_url = args.target.rstrip("/")
        name = args.provider or _known(base_url)
        return [_Target(name, base_url, args.api_key_env, args.model)]
    return [
        replace(
            target,
            model=args.model or target.model,
            api_key_env=args.api_key_env or target.api_key_env,
        )
        for target in _declared(Path(args.target), args.provider)
    ]


def _known(base_url: str) -> str:
    from tunebench.presets import PRESETS

    named = (name for name, preset in PRESETS.items() if preset.base_url == base_url)
    return next(named, "mine")


def _declared(path: Path, only: str | None) -> list[_Target]:
    """The providers that an experiment's models are asked at."""
    from tunebench.experiment import Experiment

    experiment = Experiment.read(path / "experiment.toml" if path.is_dir() else path)
    if only is not None and only not in experiment.providers:
        raise UsageError(
            f"there is no provider {only!r}",
            where=experiment.path,
            hint=did_you_mean(only, experiment.providers),
        )
    return [
        _Target(
            name,
            provider.base_url,
            provider.api_key_env,
            next((m.provider_id for m in experiment.models.values() if m.provider == name), None),
            experiment,
        )
        for name, provider in experiment.providers.items()
        if only in (None, name)
    ]


def _table(target: _Target, findings: Findings) -> dict[str, Any]:
    """The keys of the ``[provider]`` table that says what was found."""
    declared = target.experiment.providers[target.name] if target.experiment else None
    endpoint = declared.endpoint if declared else findings.endpoint
    if not findings.found(endpoint):
        endpoint = findings.endpoint
    table: dict[str, Any] = {"base_url": target.base_url, "endpoint": endpoint}
    if target.api_key_env is not None:
        table["api_key_env"] = target.api_key_env
    table["supports"] = findings.supports(endpoint)
    if endpoint == "chat":
        table["max_tokens_field"] = findings.max_tokens_field
    return table
