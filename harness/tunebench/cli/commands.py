"""What commands have in common: late imports, types of values, options and JSON."""

from __future__ import annotations

import json
import math
import shutil
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tunebench.errors import UsageError, did_you_mean, printable
from tunebench.files import files_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tunebench.experiment import Experiment

_EXPERIMENT = "experiment.toml"
_OLD_NAMES = {"--into": "--output", "--train-size": "--train-sizes"}
_WIDEST = 100
COMPLETE_VARIABLE = "_TUNEBENCH_COMPLETE"


class Group(click.Group):
    """A group that keeps the order of its commands and suggests one for a misspelt name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        names = self.list_commands(ctx)
        if args[0] not in names and not ctx.resilient_parsing:
            ctx.fail(f"There is no command {args[0]!r}; {did_you_mean(args[0], names)}")
        return super().resolve_command(ctx, args)


class LazyGroup(Group):
    """A group that imports a command's module when the command runs.

    Args:
        package: the package that holds a module for each command.
        lines: what each command does, by its name, in the order of the help.
    """

    def __init__(self, *args: Any, package: str, lines: dict[str, str], **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._package = package
        self._lines = lines

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._lines)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._lines:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"{self._package}.{name}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self._lines.items()))


class Several(click.Option):
    """An option that takes all values up to the next option, as in ``--shots 0 1 4``."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings | {"multiple": True})


class Command(click.Command):
    """A command that may have options of the class `Several`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        several = {name for one in self.params if isinstance(one, Several) for name in one.opts}
        spread: list[str] = []
        option = ""
        for word in (_OLD_NAMES.get(word, word) for word in args):
            if option and not word.startswith("-") and spread[-1] != option:
                spread.append(option)  # Click takes one value after each
            elif word.startswith("--"):
                option = word if word in several else ""
            spread.append(word)
        return super().parse_args(ctx, spread)


def number(
    least: float, *, kind: type[int | float] = int, or_equal: bool = True
) -> Callable[[str], int | float]:
    """The type of an option that is a number of at least, or above, another one."""

    def number(text: str) -> int | float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not least <= value < math.inf or (value == least and not or_equal):
            what = "whole number" if kind is int else "number"
            bound = "of at least" if or_equal else "above"
            raise click.BadParameter(f"must be a {what} {bound} {least}, not {text!r}.")
        return value

    return number


class ExistingPath(click.Path):
    """A file or folder that must be there; that it is not is said before anything else."""

    def __init__(self, *, pattern: bool = False) -> None:
        super().__init__(path_type=Path)
        self._pattern = pattern

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(value)
        found = files_of(path) if self._pattern else [path]
        if not any(one.exists() for one in found):
            raise UsageError("there is no such file or folder", where=path, hint="fix the path")
        return path


PATH = click.Path(path_type=Path)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object")
experiments_argument = click.argument(
    "experiments", metavar="[EXPERIMENT]...", nargs=-1, type=ExistingPath(), is_eager=True
)


def output_width() -> int:
    """The columns of a table: those of the terminal, at most 100."""
    return min(_WIDEST, shutil.get_terminal_size((_WIDEST, 24)).columns)


def print_lines(lines: Iterable[str]) -> None:
    """Print lines that may quote data, names of files or a provider, each made safe to print."""
    print("\n".join(map(printable, lines)))


def print_json(document: object) -> None:
    """Print one JSON object, in ASCII where the output may lack a character."""
    utf8 = (sys.stdout.encoding or "utf-8").lower().replace("-", "") == "utf8"
    print(json.dumps(document, ensure_ascii=not utf8))


def refuse_existing(
    paths: Iterable[Path], force: bool, option: str, read: Path | None = None
) -> None:
    """Raise UsageError if a file exists and ``--force`` is not given, or cannot be written at all.

    Args:
        paths: of the files.
        force: whether files are overwritten.
        option: names another file.
        read: the file that the command reads, which is never overwritten.
    """
    another = f"give another {option}"
    paths = list(paths)
    for path in paths:
        if path.is_dir():
            raise UsageError("this is a folder, and not a file to write", where=path, hint=another)
        if not path.parent.is_dir():
            file = path.parent.exists()
            problem = "this is a file, and not a folder" if file else "this folder does not exist"
            raise UsageError(
                problem, where=path.parent, hint=another if file else "create it first"
            )
        if read is not None and path.exists() and read.exists() and path.samefile(read):
            raise UsageError("this is the file that is read", where=path, hint=another)
    taken = [str(path) for path in paths if path.exists()]
    if taken and not force:
        raise UsageError(
            "the file exists",
            where=", ".join(taken),
            hint=f"{another}, or --force to overwrite it",
        )


def read_experiment(path: Path) -> Experiment:
    """Read an experiment from its file, or from the folder that holds ``experiment.toml``."""
    from tunebench.experiment import Experiment

    return Experiment.read(path / _EXPERIMENT if path.is_dir() else path)


def read_experiments(paths: Iterable[Path]) -> list[Experiment]:
    """`tunebench.experiment.read_experiments`, imported late."""
    from tunebench import experiment

    return experiment.read_experiments(paths)
