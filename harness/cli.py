"""The `tunebench` command."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from harness.commands.baseline import add_baseline
from harness.commands.compare import add_compare
from harness.commands.curves import add_curves
from harness.commands.prepare_data import add_prepare_data
from harness.commands.report import add_report
from harness.errors import TunebenchError
from harness.server.__main__ import add_arguments, serve

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        The exit code: 0 for success, 1 where a command found something wrong, 2 for wrong usage.
    """
    parser = argparse.ArgumentParser(
        prog="tunebench", description="Does fine-tuning beat prompting on my labelled task?"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    local = commands.add_parser(
        "serve",
        help="serve small open models on this machine, in the manner of OpenAI's API",
        description="Serve small open models on this machine, in the manner of OpenAI's API.",
    )
    add_arguments(local)
    add_prepare_data(commands)
    add_curves(commands)
    add_report(commands)
    add_baseline(commands)
    add_compare(commands)
    local.set_defaults(run=serve)
    arguments = parser.parse_args(argv)
    try:
        code: int = arguments.run(arguments)
    except TunebenchError as error:
        print(f"tunebench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("tunebench: interrupted.", file=sys.stderr)
        return 130
    return code
