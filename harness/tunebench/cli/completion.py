"""``tunebench completion``: what makes a shell complete commands, options and paths."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path


def add_completion(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser],
    root: argparse.ArgumentParser,
) -> argparse.ArgumentParser:
    """Add the command to a parser's subcommands.

    Args:
        subparsers: of the program.
        root: the program's parser, which is completed with all that it has in the end.
    """
    parser = subparsers.add_parser(
        "completion",
        help="print a script that makes a shell complete commands and options",
        description="Print a script that makes a shell complete commands, options and paths. For "
        'bash: eval "$(tunebench completion bash)" in ~/.bashrc.',
    )
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    parser.set_defaults(run=partial(run, root))
    return parser


def run(root: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Carry out the command.

    Returns:
        0.
    """
    import shtab

    _complete_paths(root)
    print(shtab.complete(root, args.shell))
    return 0


def _complete_paths(parser: argparse.ArgumentParser) -> None:
    import shtab

    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _complete_paths(command)
        elif action.type is Path:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
