"""The `tunebench` command."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING

import click

from tunebench.cli.commands import COMPLETE_VARIABLE, LazyGroup
from tunebench.errors import TunebenchError

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMANDS = {
    "init": "Make a benchmark from a file of labelled texts",
    "record": "Record what the cassettes lack",
    "baseline": "Keep the current answers as the baseline of later recordings",
    "report": "Make one web page of what `pytest --results` wrote",
    "compare": "Compare two results cell by cell",
    "errors": "Show the wrong answers of a cell",
    "curves": "Show how a fine-tuning job learned, or accuracy by training size",
    "fine-tune": "Run an experiment's fine-tuning jobs alone",
    "prepare-data": "Check a file of prompts and completions, write training files",
    "cassettes": "List, verify, prune, compare and upgrade cassettes",
    "doctor": "Find out what a running provider can do",
    "serve": "Serve small open models on this machine, as OpenAI's API",
    "models": "List the built-in local models, get or remove their weights",
    "completion": "Print a script that completes commands in a shell",
}
_EXIT_CODES = """\b
Exit codes:
  0    done, and all is well
  1    a command found something wrong: a case failed, cassettes differ
  2    wrong usage, or something that the message says how to fix
  130  interrupted
"""


@click.group(
    cls=LazyGroup,
    package="tunebench.cli",
    lines=_COMMANDS,
    epilog=_EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@click.version_option(
    None, "-V", "--version", package_name="tunebench", message="%(prog)s %(version)s"
)
def tunebench() -> None:
    """Does fine-tuning beat prompting on my labelled task?"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        The exit code, as `tunebench --help` lists them; 1 where the output's reader is gone.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # what the terminal's encoding lacks
    try:
        code = _run(sys.argv[1:] if argv is None else list(argv))
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return 2
    except TunebenchError as error:
        print(f"tunebench: {error}", file=sys.stderr)
        return 2
    except (click.Abort, KeyboardInterrupt):
        print("tunebench: interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # As in `tunebench ... | head`. Python writes the rest when it ends: let it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _run(argv: list[str]) -> int:
    if instruction := os.environ.get(COMPLETE_VARIABLE):
        from click.shell_completion import shell_complete

        return shell_complete(tunebench, {}, "tunebench", COMPLETE_VARIABLE, instruction)
    try:
        with tunebench.make_context("tunebench", argv) as context:
            return tunebench.invoke(context) or 0
    except click.exceptions.Exit as end:  # after --help
        return end.exit_code
