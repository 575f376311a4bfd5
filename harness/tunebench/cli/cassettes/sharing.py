"""Experiments that share a folder of cassettes: what one does not use may belong to another.

Cassettes are removed only where that is known not to be so; whatever leaves it open is an error.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from tunebench.errors import UsageError
from tunebench.settings import cassettes_of, configuration, repository_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tunebench.experiment import Experiment

_NOTHING = "so nothing was pruned"


def refuse_shared_folders(experiments: Iterable[Experiment]) -> None:
    """Raise an error if another experiment of the repository may use the same cassettes.

    All TOML files of the repository are read, whatever their folders and names.

    Raises:
        UsageError: another experiment has its cassettes in the same folder or one within it, or
            that cannot be known.
        ConfigurationError: a ``pyproject.toml`` that may name their folder cannot be read.
    """
    experiments = list(experiments)
    names = {experiment.name for experiment in experiments}
    known: dict[Path, list[tuple[Path, Path]]] = {}
    for experiment in experiments:
        root = _root(experiment)
        if root not in known:
            found = _named(root, names)
            known[root] = [(path, cassettes_of(path, name)) for path, name in found]
        own = os.path.abspath(experiment.path)
        for path, folder in known[root]:
            if os.path.abspath(path) != own and _overlap(experiment.cassettes, folder):
                raise UsageError(
                    f"{experiment.path} and {path} both have their cassettes in "
                    f"{experiment.cassettes}, {_NOTHING}",
                    hint="give their tasks different names",
                )


def _root(experiment: Experiment) -> Path:
    """The folder of all experiments that may have cassettes where this one does."""
    folder, cassettes = Path(os.path.abspath(experiment.path)).parent, experiment.cassettes
    root = repository_of(folder)
    if root is None and configuration(folder, {}, os.environ).cassettes is None:
        # Without such a setting, only experiments in and below this one do.
        return cassettes.parent.parent
    if root is None or not cassettes.resolve().is_relative_to(root.resolve()):
        raise UsageError(
            f"its cassettes are in {cassettes}, outside of its repository, where experiments of "
            f"other repositories may use them, {_NOTHING}",
            where=experiment.path,
            hint="remove by hand what `tunebench cassettes verify` names",
        )
    return root


def _overlap(own: Path, other: Path) -> bool:
    """Whether a cassette in or below one folder may be one of the other's."""
    mine, theirs = own.resolve(), other.resolve()
    if mine.is_relative_to(theirs) or theirs.is_relative_to(mine):
        return True
    if not (own.exists() and other.exists()):
        return False
    linked = (file.resolve() for file in other.rglob("*.jsonl") if file.is_symlink())
    return own.samefile(other) or any(file.is_relative_to(mine) for file in linked)


def _named(root: Path, sought: Iterable[str]) -> Iterator[tuple[Path, str]]:
    """The experiment files below a folder, and the experiments' names.

    A file that cannot be parsed is an error if it holds one of the names.
    """
    for path in _toml_files(root, frozenset()):
        try:
            content = path.read_bytes()
        except FileNotFoundError:  # a link to nothing
            continue
        except OSError as error:
            raise _unreadable(path, f"the file cannot be read ({error.strerror})") from error
        try:
            found = _name_of(content)
        except (ValueError, RecursionError) as error:
            if any(name.encode() in content for name in sought):
                raise _unreadable(path, f"this is not TOML ({error})") from None
            continue
        if found is not None:
            yield path, found


def _unreadable(path: Path, problem: str) -> UsageError:
    what = f"{problem}, and an experiment there may use the same cassettes, {_NOTHING}"
    return UsageError(what, where=path, hint="fix it")


def name_in(path: Path) -> str | None:
    """The experiment's name in a TOML file; None if there is none, or it cannot be read."""
    try:
        return _name_of(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def _name_of(content: bytes) -> str | None:
    if b"task" not in content:
        return None
    task = tomllib.loads(content.decode()).get("task")
    name = task.get("name") if isinstance(task, dict) else None
    return name if isinstance(name, str) else None


def _toml_files(folder: Path, above: frozenset[Path]) -> Iterator[Path]:
    """The TOML files in and below a folder, also behind links."""
    here = folder.resolve()
    if here in above:  # a link to a folder above it
        return
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        folders = {entry.name for entry in entries if entry.is_dir()}
    except OSError as error:
        raise _unreadable(folder, f"the folder cannot be read ({error.strerror})") from error
    for entry in entries:
        if entry.name in folders:
            if entry.name != ".git":
                yield from _toml_files(folder / entry.name, above | {here})
        elif entry.name.lower().endswith(".toml"):
            yield folder / entry.name
