"""Parts of the pages that are made from the code, so that they are always current.

A page holds a part between the lines ``<!-- generated: NAME -->`` and ``<!-- end -->``.
``python docs/generated.py`` writes the parts of all pages again; ``tests/docs/test_generated.py``
fails where they differ from what the code gives.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import io
import json
import os
import pkgutil
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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DOCS = Path(__file__).resolve().parent
_ROOT = DOCS.parent
# The width of printed help, so that every build has the same lines.
_WIDTH = {"COLUMNS": "80"}
_PART = re.compile(
    r"^<!-- generated: ([\w.-]+) -->\n(?:.*?\n)??<!-- end -->$", re.MULTILINE | re.DOTALL
)


def filled(page: str) -> str:
    """A page with its parts as the code gives them now.

    Raises:
        KeyError: a part is neither one of `PARTS` nor a Python object's name.
    """

    def part(match: re.Match[str]) -> str:
        name = match[1]
        text = docstring(name) if name.startswith("tunebench.") else PARTS[name]()
        return f"<!-- generated: {name} -->\n\n{text.strip()}\n\n<!-- end -->"

    return _PART.sub(part, page)


def pages() -> dict[Path, str]:
    """The pages with parts, with their text as it is."""
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(DOCS.rglob("*.md"))}
    return {path: text for path, text in texts.items() if "<!-- generated: " in text}


def docstring(name: str) -> str:
    """The docstring of a module or class as Markdown, its attributes as a list."""
    one = pkgutil.resolve_name(name)
    listed = "".join(f"`{key}`\n: {meaning}\n\n" for key, meaning in meanings(one).items())
    return f"{_purpose(one)}\n\n{listed}"


def _purpose(one: object) -> str:
    """A docstring without its attributes; lists of definitions and blocks become Markdown's."""
    text = re.split(r"^Attributes:", inspect.getdoc(one) or "", flags=re.MULTILINE)[0].strip()
    text = re.sub(r"^(``.+``)\n {4}(?=\S)", r"\1\n: ", text, flags=re.MULTILINE)
    text = re.sub(r"^(: (?:.+\n)+?)(?=``)", r"\1\n", text, flags=re.MULTILINE)
    return re.sub(r"::$", ":", text, flags=re.MULTILINE).replace("``", "`")


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


def meanings(one: object) -> dict[str, str]:
    """The description of each attribute in the docstring of a class, as of a table's keys."""
    parts = re.split(r"^Attributes:\n", inspect.getdoc(one) or "", flags=re.MULTILINE)
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
    entries = [
        f"`{name}`\n: {_kind(field.annotation)}{_default(field)}. {described.get(name, '')}\n"
        for name, field in model.model_fields.items()
    ]
    return "\n".join([f"## `{written}`", "", _purpose(model), "", *entries])


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
    names = ", ".join(f"`{name}`" for name in model.model_fields)
    return (
        f"## `{written}`\n\nFields: {names}.\n\n{docstring(f'{model.__module__}.{model.__name__}')}"
    )


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
        sys.exit("pytest's help has no part of tunebench; fix generated.py.")
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


def _clients() -> str:
    """What clients written elsewhere could do, as the tests that run them noted it."""
    written = (_ROOT / "tests/interop/clients/results.json").read_text(encoding="utf-8")
    clients = json.loads(written)
    words = {"PASS": "yes", "FAIL": "**no**", "—": "—"}
    features = list(clients[0]["features"])
    lines = [["client", *features], ["---"] * (len(features) + 1)]
    for client in clients:
        cells = [words[client["features"][feature]] for feature in features]
        lines.append([f"{client['client']} {client['version']}", *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


PARTS: dict[str, Callable[[], str]] = {
    "clients": _clients,
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


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(filled(text), encoding="utf-8")
