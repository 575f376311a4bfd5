"""Parts of the pages that are made from the code, so that they are always current.

A page includes a part with a line ``<!-- generated: NAME -->``. An unknown name ends the build.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin
from unittest import mock

from house import picture
from pydantic import BaseModel
from sphinx.errors import SphinxError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sphinx.application import Sphinx

_ROOT = Path(__file__).resolve().parent.parent
# The width of printed help, so that every build has the same lines.
_WIDTH = {"COLUMNS": "80"}
_PLACE = re.compile(r"^<!-- generated: ([\w-]+) -->$", re.MULTILINE)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("source-read", _fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _fill(_: Sphinx, docname: str, source: list[str]) -> None:
    def part(match: re.Match[str]) -> str:
        if match[1] not in PARTS:
            raise SphinxError(f"{docname}: there is no part {match[1]!r}; see generated.py.")
        return PARTS[match[1]]()

    source[0] = _PLACE.sub(part, source[0])


# The experiment file


def tables(model: type[BaseModel], head: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Every table of the experiment file, as it is written in TOML, with its model.

    Args:
        model: where to begin; `ExperimentFile` for all tables.
        head: the TOML of that model's own table.
    """
    for name, field in model.model_fields.items():
        inner = next(iter(_models(field.annotation)), None)
        if inner is None:
            continue
        if head:
            many = _within(field.annotation, list)
            written = f"{head} {name} = {'[{…}]' if many else '{…}'}"
        elif _within(field.annotation, list):
            written = f"[[{name}]]"
        elif _within(field.annotation, dict):
            written = f"[{name}.NAME]"
        else:
            written = f"[{name}]"
        yield written, inner
        yield from tables(inner, written)


def meanings(model: type[BaseModel]) -> dict[str, str]:
    """The description of each key in the docstring of its table."""
    parts = re.split(r"^Attributes:\n", inspect.getdoc(model) or "", flags=re.MULTILINE)
    entries = re.split(r"^ {4}(\w+): ", parts[1] if len(parts) > 1 else "", flags=re.MULTILINE)
    return {
        name: " ".join(text.split())
        for name, text in zip(entries[1::2], entries[2::2], strict=True)
    }


def _experiment_file() -> str:
    from tunebench.experiment.schema import ExperimentFile

    return "\n".join(_table(written, model) for written, model in tables(ExperimentFile))


def _table(written: str, model: type[BaseModel]) -> str:
    described = meanings(model)
    purpose = re.split(r"^Attributes:", inspect.getdoc(model) or "", flags=re.MULTILINE)[0]
    entries = [
        f"`{name}`\n: {_kind(field.annotation)}{_default(field)}. {described.get(name, '')}\n"
        for name, field in model.model_fields.items()
    ]
    return "\n".join([f"## `{written}`", "", purpose.strip(), "", *entries])


def _default(field: Any) -> str:
    if field.is_required():
        return ", *needed*"
    value = field.default_factory() if field.default_factory else field.default
    if value is None or isinstance(value, BaseModel | dict) or value == []:
        return ""
    if isinstance(value, list):
        return f"; {', '.join(f'`{one}`' for one in value)} if left out"
    return f"; `{str(value).lower() if isinstance(value, bool) else value}` if left out"


def _kind(annotation: Any) -> str:
    """The type of a value in the words of TOML."""
    if get_origin(annotation) is list:
        return f"list of {_kind(get_args(annotation)[0])}"
    parts = [part for part in get_args(annotation) if part is not type(None)]
    if all(isinstance(part, str) for part in parts) and parts:
        return " or ".join(f"`{part}`" for part in parts)
    if parts and get_origin(annotation) is not dict:
        return _kind(parts[0])  # Annotated[X, ...], or X | None
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return "table"
    plain = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    return plain.get(annotation, "table")


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _within(annotation: Any, kind: type) -> bool:
    return get_origin(annotation) is kind or any(_within(a, kind) for a in get_args(annotation))


def _presets() -> str:
    """The keys that each preset fills in, and what its provider lacks."""
    from tunebench.presets import PRESETS

    parts = []
    for name, preset in PRESETS.items():
        filled = "".join(f"{key} = {json.dumps(value)}\n" for key, value in preset.table().items())
        own = f" Every user has a `base_url` of their own, `{preset.own_url}`."
        note = f"{preset.note[:1].upper()}{preset.note[1:]}.{own if preset.own_url else ''}"
        parts.append(f"## `{name}`\n\n{note}\n\n```text\n{filled}```\n")
    return "\n".join(parts)


def _results() -> str:
    """The parts of ``results.json``, with what is not plain from a field's name."""
    from tunebench.reports import Results

    parts = [_object("results.json", Results)]
    for name, field in Results.model_fields.items():
        parts += [_object(f"{name}[]", model) for model in _models(field.annotation)]
    return "\n".join(parts)


def _object(written: str, model: type[BaseModel]) -> str:
    purpose = re.split(r"^Attributes:", inspect.getdoc(model) or "", flags=re.MULTILINE)[0]
    told = meanings(model)
    explained = "\n".join(f"`{name}`\n: {meaning}\n" for name, meaning in told.items())
    names = ", ".join(f"`{name}`" for name in model.model_fields)
    return f"## `{written}`\n\n{purpose.strip()}\n\nFields: {names}.\n\n{explained}"


# The plugin and the commands


def _pytest_options() -> str:
    """The plugin's part of pytest's own help."""
    with tempfile.TemporaryDirectory() as empty:
        printed = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "tunebench.plugin", "--help"],
            cwd=empty,
            env={**os.environ, **_WIDTH, "PYTHONPATH": str(_ROOT / "harness")},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    own = re.search(r"^benchmarks of models \(tunebench\).*:\n((?: .*\n)+)", printed, re.MULTILINE)
    if own is None:
        raise SphinxError("pytest's help has no part of tunebench; fix generated.py.")
    return f"```text\n{textwrap.dedent(own[1])}```"


def _fixtures() -> str:
    """The fixtures with their docstrings, from the source: pytest wraps the functions."""
    parsed = ast.parse((_ROOT / "harness/tunebench/plugin/fixtures.py").read_text(encoding="utf-8"))
    parts = []
    for node in parsed.body:
        if not isinstance(node, ast.FunctionDef):
            continue
        if any("fixture" in ast.unparse(decorator) for decorator in node.decorator_list):
            parts.append(f"### `{node.name}`\n\n{ast.get_docstring(node)}\n")
    return "\n".join(parts)


def _help(*arguments: str) -> str:
    from tunebench.cli import main

    printed = io.StringIO()
    with (
        mock.patch.dict(os.environ, _WIDTH),
        contextlib.redirect_stdout(printed),
        contextlib.suppress(SystemExit),
    ):
        main([*arguments, "--help"])
    return printed.getvalue()


def commands(*outer: str) -> list[str]:
    """The names of all commands in the order of the help, each before its subcommands."""
    listed = _help(*outer).partition("\nCommands:\n")[2]
    names = [" ".join([*outer, name]) for name in re.findall(r"^  ([a-z][a-z-]*)", listed, re.M)]
    return [one for name in names for one in (name, *commands(*name.split()))]


def _commands() -> str:
    parts = [f"```text\n{_help()}```\n"]
    for name in commands():
        heading = "##" if " " not in name else "###"
        parts += [f"{heading} `tunebench {name}`\n\n```text\n{_help(*name.split())}```\n"]
    return "\n".join(parts)


# Python


def _python_api() -> str:
    import tunebench

    named = [getattr(tunebench, name) for name in tunebench.__all__]
    parts = []
    for one in named:
        kind, members = "autofunction", ""
        if inspect.isclass(one):
            kind = "autoexception" if issubclass(one, Exception) else "autoclass"
            members = "\n   :members:"
        place = f"{one.__module__}.{one.__qualname__}"
        parts.append(f"```{{eval-rst}}\n.. {kind}:: {place}{members}\n```")
    return "\n\n".join(parts)


def _statistics() -> str:
    from tunebench import statistics

    parts = []
    for name in statistics.__all__:
        one = getattr(statistics, name)
        kind = "autoclass" if inspect.isclass(one) else "autofunction"
        parts.append(f"```{{eval-rst}}\n.. {kind}:: {one.__module__}.{one.__qualname__}\n```")
    return "\n\n".join(parts)


def errors() -> list[type[Exception]]:
    """The classes of errors that a user can see, the base class first."""
    from tunebench import errors

    named = [getattr(errors, name) for name in errors.__all__]
    found = [one for one in named if isinstance(one, type) and issubclass(one, Exception)]
    return sorted(found, key=lambda one: (len(one.__mro__), one.__name__))


def _errors() -> str:
    entries = []
    for one in errors():
        meaning = " ".join((inspect.getdoc(one) or "").split("\n\n")[0].split())
        bases = " and ".join(f"`{base.__name__}`" for base in one.__bases__)
        entries.append(f"`{one.__name__}`\n: {meaning} Derives from {bases}.\n")
    return "\n".join(entries)


def _house() -> str:
    return f"```text\n{picture()}```"


PARTS: dict[str, Callable[[], str]] = {
    "commands": _commands,
    "errors": _errors,
    "experiment-file": _experiment_file,
    "fixtures": _fixtures,
    "house": _house,
    "presets": _presets,
    "pytest-options": _pytest_options,
    "python-api": _python_api,
    "results": _results,
    "statistics": _statistics,
}
