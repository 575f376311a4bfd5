"""``tunebench record``: record what the cassettes of experiments lack, by running pytest."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Click needs it
from typing import TYPE_CHECKING

import click

from tunebench.cli.commands import PATH

if TYPE_CHECKING:
    import pytest


class _Record(click.Command):
    """Keeps what follows ``--`` for pytest; Click would take it for further paths."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        ctx.obj = args[end + 1 :]
        return super().parse_args(ctx, args[:end])


class _Interruption:
    """A plugin that tells Ctrl-C from errors during collection, which pytest ends alike."""

    seen = False

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self.seen = excinfo.type is KeyboardInterrupt


@click.command(cls=_Record, options_metavar="[OPTIONS]")
@click.argument("paths", metavar="[PATH]... [-- PYTEST ARGUMENTS]", nargs=-1, type=PATH)
@click.option("--all", "again", is_flag=True, help="Record every cassette again")
@click.option("-k", "expression", metavar="EXPR", help="Only the cases that match, as with pytest")
@click.option("--budget", metavar="AMOUNT", help="Stop before the estimated costs pass this")
@click.option("--max-texts", metavar="N", help="Stop before more than N texts are sent")
@click.option("--max-minutes", metavar="M", help="Send nothing more after M minutes")
@click.option("--results", metavar="DIR", type=PATH, help="Write the results to DIR")
@click.pass_obj
def record(
    pytest_arguments: list[str],
    paths: tuple[Path, ...],
    again: bool,
    expression: str | None,
    budget: str | None,
    max_texts: str | None,
    max_minutes: str | None,
    results: Path | None,
) -> int:
    """Run the cases of experiments with `pytest --record=missing`.

    What the cassettes lack is requested from the providers and recorded. A PATH is a folder or an
    experiment file (default: benchmarks, or this folder's). What follows -- goes to pytest.
    """
    import pytest

    from tunebench.experiment import default_folder

    folders = [path.parent if path.suffix == ".toml" else path for path in paths]
    options = {
        "record": "all" if again else "missing",
        "budget": budget,
        "max-texts": max_texts,
        "max-minutes": max_minutes,
        "results": results,
    }
    # The long names, as --record may be an option of the repository's own.
    given = [f"--tunebench-{name}={value}" for name, value in options.items() if value is not None]
    if expression is not None:
        given += ["-k", expression]
    interruption = _Interruption()
    code = pytest.main(
        [*map(str, folders or [default_folder()]), *given, *pytest_arguments],
        plugins=[interruption],
    )
    # 1: a case failed. What pytest calls 3, 4 and 5 is wrong usage here.
    return 130 if interruption.seen else min(int(code), 2)
