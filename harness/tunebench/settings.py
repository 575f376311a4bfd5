"""Settings of a run: options, environment, ``[tool.tunebench]``.

The command line overrides the environment (``TUNEBENCH_RECORD`` and so on), which overrides the
file. A file cannot set ``record``, and names only folders in its repository; for others there are
``--results``, ``TUNEBENCH_RESULTS`` and ``TUNEBENCH_CASSETTES``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from tunebench.errors import ConfigurationError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping


RecordMode = Literal["none", "missing", "all"]
_RECORD = get_args(RecordMode)
_TRAIN = "train"
_YES, _NO = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")


@dataclass(frozen=True)
class Configuration:
    """The settings of a run.

    Attributes:
        record: ``none`` replays; ``missing`` records what a cassette lacks; ``all`` records every
            cassette again.
        results: the folder of the result files; None writes none.
        rivals: whether rivals are trained again (``train``, or true) or shown as recorded (false).
        budget: what a recording may cost, in the currency of the prices; None sets no limit.
        strict_verdicts: whether an inconclusive cell fails.
        cassettes: the folder that holds a folder of cassettes for each experiment; None is the
            default, see `cassettes_of`.
        max_texts: how many texts a recording may send; None sets no limit.
        max_minutes: how long a recording may take; None sets no limit.
    """

    record: RecordMode = "none"
    results: Path | None = None
    rivals: bool = False
    budget: float | None = None
    strict_verdicts: bool = False
    cassettes: Path | None = None
    max_texts: int | None = None
    max_minutes: float | None = None


def configuration(
    folder: Path, given: Mapping[str, object], environment: Mapping[str, str]
) -> Configuration:
    """The settings that apply in a folder.

    Args:
        folder: where the search for a ``pyproject.toml`` with a table ``[tool.tunebench]`` begins;
            it goes up to the root of the repository. Paths in that file are relative to it.
        given: the options of the command line by name; None is not given.
        environment: the environment variables.

    Raises:
        ConfigurationError: a setting is unknown, has a wrong value or is not for files, or the file
            is not TOML.
    """
    names = [field.name for field in fields(Configuration)]
    found: dict[str, Any] = {}
    path, table = _table(folder)
    for name, value in table.items():
        if name not in names:
            raise ConfigurationError(
                f"unknown setting {name!r}",
                where=f"{path}: [tool.tunebench]",
                hint=did_you_mean(name, names),
            )
        where = f"{path}: [tool.tunebench] {name}"
        found[name] = _checked(name, value, where, path.parent)
        if name == "record" and value != "none":
            raise refused_record(where)
        if isinstance(found[name], Path):
            refuse_outside(found[name], path.parent, where)
    for name in names:
        variable = f"TUNEBENCH_{name.upper()}"
        if text := environment.get(variable, ""):
            found[name] = _checked(name, _read(name, text), variable, Path())
        if given.get(name) is not None:
            found[name] = _checked(name, given[name], f"--{name.replace('_', '-')}", Path())
    return replace(Configuration(), **found)


def repository_of(folder: Path) -> Path | None:
    """The root of the repository that a folder (an absolute path) is in.

    Returns:
        The nearest folder, here or upwards, that has ``.git`` in it; without one, as in an archive
        or a container, the outermost that has a ``pyproject.toml``; or None.
    """
    parents = (folder, *folder.parents)
    for parent in parents:
        if os.path.lexists(parent / ".git"):
            return parent
    projects = [parent for parent in parents if os.path.isfile(parent / "pyproject.toml")]
    return projects[-1] if projects else None


def refused_record(where: str) -> ConfigurationError:
    """The error of a file that would make a run record, and so send keys and texts."""
    return ConfigurationError(
        "a file does not switch on recording",
        where=where,
        hint="remove it, and give --record on the command line or set TUNEBENCH_RECORD",
    )


def refuse_outside(path: Path, folder: Path, where: str) -> None:
    """Refuse a path outside the repository of a folder, also through symbolic links.

    Args:
        path: the path.
        folder: a folder of the repository; if it is in none, the path must be in the folder.
        where: the file that names the path.

    Raises:
        ConfigurationError: it is outside.
    """
    root = repository_of(Path(os.path.abspath(folder))) or folder
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root)):
        raise ConfigurationError(
            f"{os.path.realpath(path)} is outside the repository {root}",
            where=where,
            hint="name a folder in it, or give this one with --results, TUNEBENCH_RESULTS or "
            "TUNEBENCH_CASSETTES",
        )


def refuse_links(path: Path, experiment: Path) -> None:
    """Refuse to record to a file that symbolic links put outside the repository.

    In a folder of the user's own, which TUNEBENCH_CASSETTES names, they may.

    Args:
        path: a cassette.
        experiment: the file of its experiment.

    Raises:
        ConfigurationError: it is outside.
    """
    if not os.environ.get("TUNEBENCH_CASSETTES"):
        folder = Path(os.path.abspath(experiment)).parent
        refuse_outside(path, _beside_benchmarks(folder), str(path))


def cassettes_of(path: Path, name: str) -> Path:
    """The folder of an experiment's cassettes.

    This is ``<name>`` in the folder that the setting ``cassettes`` names. Without that setting it
    is ``cassettes/<name>`` beside the repository's folder ``benchmarks``, or beside the file if the
    experiment is not in such a folder.
    """
    folder = Path(os.path.abspath(path)).parent
    configured = configuration(folder, {}, os.environ).cassettes
    if configured is not None:
        return configured / name
    return _beside_benchmarks(folder) / "cassettes" / name


def _beside_benchmarks(folder: Path) -> Path:
    """The folder that holds the ``benchmarks`` an experiment's folder is in, or else that one."""
    root = repository_of(folder)
    for parent in (folder, *folder.parents):
        if parent == root:
            break
        if parent.name == "benchmarks":
            return parent.parent
    return folder


def _table(folder: Path) -> tuple[Path, dict[str, object]]:
    """The nearest file with the table, and the table; empty if there is none."""
    root = repository_of(folder)
    for parent in (folder, *folder.parents):
        if root is not None and not parent.is_relative_to(root):
            break
        path = parent / "pyproject.toml"
        try:
            content = path.read_bytes()
        except OSError:
            continue
        if b"tunebench" in content:
            import tomllib

            try:
                tool = tomllib.loads(content.decode()).get("tool", {})
            except ValueError as error:
                raise ConfigurationError(f"this is not TOML ({error})", where=path) from None
            if isinstance(tool, dict) and "tunebench" in tool:
                table = tool["tunebench"]
                if not isinstance(table, dict):
                    raise ConfigurationError(
                        "must be a table",
                        where=f"{path}: [tool] tunebench",
                        hint="write [tool.tunebench]",
                    )
                return path, table
    return folder / "pyproject.toml", {}


def _read(name: str, text: str) -> object:
    """The text of an environment variable as a value of the setting's type, or as it is."""
    if name in ("rivals", "strict_verdicts") and text.lower() in _YES + _NO:
        return text.lower() in _YES
    if name in ("budget", "max_texts", "max_minutes"):
        try:
            return int(text) if name == "max_texts" else float(text)
        except ValueError:
            return text
    return text


def _checked(name: str, value: object, where: str, base: Path) -> object:
    if name == "record":
        wanted, right = "one of " + ", ".join(map(repr, _RECORD)), value in _RECORD
    elif name in ("results", "cassettes"):
        wanted, right = "the path of a folder", isinstance(value, str) and value != ""
    elif name == "budget":
        number = isinstance(value, int | float) and not isinstance(value, bool)
        right = number and 0 <= value < float("inf")  # type: ignore[operator]
        wanted = "an amount of 0 or more"
    elif name == "max_texts":
        right = isinstance(value, int) and not isinstance(value, bool) and value >= 1
        wanted = "a whole number of 1 or more"
    elif name == "max_minutes":
        number = isinstance(value, int | float) and not isinstance(value, bool)
        right = number and 0 < value < float("inf")  # type: ignore[operator]
        wanted = "a number of minutes above 0"
    elif name == "rivals":
        value = True if value == _TRAIN else value
        wanted, right = f"true, false or {_TRAIN!r}", isinstance(value, bool)
    else:
        wanted, right = "true or false", isinstance(value, bool)
    if not right:
        raise ConfigurationError(f"must be {wanted}, not {value!r}", where=where)
    return base / str(value) if name in ("results", "cassettes") else value
