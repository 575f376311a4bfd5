"""What a repository sets once: the table ``[tool.tunebench]`` of its pyproject.toml.

The command line wins over the environment (``TUNEBENCH_RECORD`` and so on), which wins over the
file. Where the variable ``CI`` is set the file does not make a run record: replay is the default
there, and only ``--record`` or ``TUNEBENCH_RECORD`` say otherwise.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from tunebench.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping


RecordMode = Literal["none", "missing", "all"]
_RECORD = get_args(RecordMode)
_YES, _NO = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")


@dataclass(frozen=True)
class Configuration:
    """The settings of a run.

    Attributes:
        record: see `tunebench.evaluation.runner.Runner`.
        results: where the result files are written; None writes none.
        rivals: whether classical models are trained on the same rows, see `tunebench.analysis`.
        budget: what a recording may cost, in the currency of the models' prices; None is no limit.
        strict_verdicts: whether an inconclusive cell fails.
        cassettes: the folder of the cassettes, one in it an experiment; None is the usual one.
    """

    record: RecordMode = "none"
    results: Path | None = None
    rivals: bool = False
    budget: float | None = None
    strict_verdicts: bool = False
    cassettes: Path | None = None


def configuration(
    folder: Path, given: Mapping[str, object], environment: Mapping[str, str]
) -> Configuration:
    """The settings that hold in a folder.

    Args:
        folder: the nearest ``pyproject.toml`` with a table ``[tool.tunebench]`` is looked for here
            and upwards, as far as the repository reaches; paths in it are relative to its folder.
        given: on the command line, by name; None is not given.
        environment: the environment variables.

    Raises:
        ConfigurationError: a setting is not known, or has a value of another kind; the file is no
            TOML.
    """
    names = [field.name for field in fields(Configuration)]
    found: dict[str, Any] = {}
    path, table = _table(folder)
    for name, value in table.items():
        at = f"{path}: [tool.tunebench] {name}"
        if name not in names:
            raise ConfigurationError(f"{at} is not known here; {_hint(name, names)}")
        found[name] = _checked(name, value, at, path.parent)
    if environment.get("CI", "").lower() not in _NO:
        found.pop("record", None)
    for name in names:
        variable = f"TUNEBENCH_{name.upper()}"
        if text := environment.get(variable, ""):
            at = f"the environment variable {variable}"
            found[name] = _checked(name, _read(name, text), at, Path())
        if given.get(name) is not None:
            at = f"--{name.replace('_', '-')}"
            found[name] = _checked(name, given[name], at, Path())
    return replace(Configuration(), **found)


def repository_of(folder: Path) -> Path | None:
    """The repository that a folder lies in: what lies above it is not the repository's.

    Args:
        folder: an absolute path.

    Returns:
        The nearest folder here or upwards with ``.git`` in it; without one, as in an archive or a
        container, the outermost with a ``pyproject.toml``, or None.
    """
    parents = (folder, *folder.parents)
    for parent in parents:
        if os.path.lexists(parent / ".git"):
            return parent
    projects = [parent for parent in parents if os.path.isfile(parent / "pyproject.toml")]
    return projects[-1] if projects else None


def cassettes_of(path: Path, name: str) -> Path:
    """The folder of an experiment's cassettes.

    ``<name>`` in the folder that `tunebench.settings` names, or else ``cassettes/<name>`` beside
    the folder ``benchmarks`` of the repository that the experiment lies in, or, where it lies
    elsewhere, beside the file.

    Args:
        path: the experiment file.
        name: the experiment's.
    """
    folder = Path(os.path.abspath(path)).parent
    configured = configuration(folder, {}, os.environ).cassettes
    if configured is not None:
        return configured / name
    root = repository_of(folder)
    for parent in (folder, *folder.parents):
        if parent == root:
            break
        if parent.name == "benchmarks":
            return parent.parent / "cassettes" / name
    return folder / "cassettes" / name


def _table(folder: Path) -> tuple[Path, dict[str, object]]:
    """The nearest file with the table, and the table; empty where there is none."""
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
                raise ConfigurationError(f"{path}: this is not TOML ({error}); fix it.") from None
            if isinstance(tool, dict) and "tunebench" in tool:
                table = tool["tunebench"]
                if not isinstance(table, dict):
                    raise ConfigurationError(
                        f"{path}: [tool] tunebench is no table; write [tool.tunebench]."
                    )
                return path, table
    return folder / "pyproject.toml", {}


def _hint(name: str, names: list[str]) -> str:
    import difflib  # late: only a mistake needs it

    near = difflib.get_close_matches(name.replace("-", "_"), names, 1)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(names)}."


def _read(name: str, text: str) -> object:
    """An environment variable's text as a value of the setting's kind, or as it is."""
    if name in ("rivals", "strict_verdicts") and text.lower() in _YES + _NO:
        return text.lower() in _YES
    if name == "budget":
        try:
            return float(text)
        except ValueError:
            return text
    return text


def _checked(name: str, value: object, at: str, base: Path) -> object:
    if name == "record":
        wanted, right = "one of " + ", ".join(map(repr, _RECORD)), value in _RECORD
    elif name in ("results", "cassettes"):
        wanted, right = "the path of a folder", isinstance(value, str) and value != ""
    elif name == "budget":
        number = isinstance(value, int | float) and not isinstance(value, bool)
        right = number and 0 <= value < float("inf")  # type: ignore[operator]
        wanted = "an amount of 0 or more"
    else:
        wanted, right = "true or false", isinstance(value, bool)
    if not right:
        raise ConfigurationError(f"{at} must be {wanted} (given: {value!r}); fix it.")
    return base / str(value) if name in ("results", "cassettes") else value
