"""The `tunebench` command."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from tunebench.cli.baseline import add_baseline
from tunebench.cli.cassettes import add_cassettes
from tunebench.cli.compare import add_compare
from tunebench.cli.completion import add_completion
from tunebench.cli.curves import add_curves
from tunebench.cli.doctor import add_doctor
from tunebench.cli.fine_tune import add_fine_tune
from tunebench.cli.init import add_init
from tunebench.cli.prepare_data import add_prepare_data
from tunebench.cli.record import add_record, parted
from tunebench.cli.report import add_report
from tunebench.errors import TunebenchError
from tunebench.server import add_arguments, serve

if TYPE_CHECKING:
    from collections.abc import Sequence

_EXIT_CODES = """\
exit codes:
  0    done, and all is well
  1    a command found something wrong: a case failed, cassettes differ
  2    wrong usage, or something that the message says how to fix
  130  interrupted
"""


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"tunebench {version('tunebench')}")
        parser.exit()


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        The exit code, as `tunebench --help` lists them.
    """
    parser = _parser()
    given, rest = parted(sys.argv[1:] if argv is None else list(argv))
    arguments = parser.parse_args(given)
    arguments.rest = rest
    try:
        code: int = arguments.run(arguments)
    except TunebenchError as error:
        print(f"tunebench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("tunebench: interrupted.", file=sys.stderr)
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tunebench",
        description="Does fine-tuning beat prompting on my labelled task?",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    local = commands.add_parser(
        "serve",
        help="serve small open models on this machine, in the manner of OpenAI's API",
        description="Serve small open models on this machine, in the manner of OpenAI's API.",
    )
    add_arguments(local)
    add_init(commands)
    add_prepare_data(commands)
    add_curves(commands)
    add_report(commands)
    add_baseline(commands)
    add_compare(commands)
    add_record(commands)
    add_fine_tune(commands)
    add_cassettes(commands)
    add_doctor(commands)
    add_completion(commands, parser)
    local.set_defaults(run=serve)
    return parser
