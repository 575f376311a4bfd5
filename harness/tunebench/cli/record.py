"""``tunebench record``: record what the cassettes of experiments lack, by running pytest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    import pytest

_EXIT_CODES = {0: 0, 1: 1}


def add_record(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser],
) -> argparse.ArgumentParser:
    """Add the command to a parser's subcommands."""
    parser = subparsers.add_parser(
        "record",
        usage="tunebench record [options] [PATH ...] [-- PYTEST ARGUMENTS]",
        help="ask the providers for what the cassettes lack",
        description="Run the cases of experiments with `pytest --record=missing`: what their "
        "cassettes lack is asked of the providers and recorded. What follows -- goes to pytest.",
    )
    add = parser.add_argument
    add("paths", metavar="PATH", nargs="*", type=Path, help="folders or files (benchmarks)")
    add("--all", action="store_true", help="record every cassette again")
    add("-k", metavar="EXPR", dest="expression", help="only the cases that match, as with pytest")
    add("--budget", metavar="AMOUNT", help="stop before the estimated costs pass this")
    add("--results", metavar="DIR", type=Path, help="write the results to DIR")
    parser.set_defaults(run=run)
    return parser


def parted(argv: list[str]) -> tuple[list[str], list[str]]:
    """A command line, and what of it goes to pytest.

    argparse would take what follows ``--`` for further paths.
    """
    if argv[:1] != ["record"] or "--" not in argv:
        return argv, []
    at = argv.index("--")
    return argv[:at], argv[at + 1 :]


class _Interruption:
    """A plugin that knows Ctrl-C from errors during collection, which pytest ends alike."""

    seen = False

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self.seen = excinfo.type is KeyboardInterrupt


def run(args: argparse.Namespace) -> int:
    """Carry out the command.

    Returns:
        0 where all cases passed, 1 where one failed or an experiment file is wrong, 2 where pytest
        could not run them or found none, 130 after Ctrl-C.
    """
    import pytest

    paths = [path.parent if path.suffix == ".toml" else path for path in args.paths]
    options = [f"--record={'all' if args.all else 'missing'}"]
    if args.expression is not None:
        options += ["-k", args.expression]
    if args.budget is not None:
        options.append(f"--budget={args.budget}")
    if args.results is not None:
        options.append(f"--results={args.results}")
    interruption = _Interruption()
    code = pytest.main(
        [*map(str, paths or [Path("benchmarks")]), *options, *args.rest], plugins=[interruption]
    )
    return 130 if interruption.seen else _EXIT_CODES.get(int(code), 2)
