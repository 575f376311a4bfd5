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
import re
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

from house import picture
from schema_parts import docstring, experiment_file, presets, results

if TYPE_CHECKING:
    from collections.abc import Callable

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
    "experiment-file": experiment_file,
    "fixtures": _fixtures,
    "house": _house,
    "presets": presets,
    "pytest-options": _pytest_options,
    "python-api": _python_api,
    "results": results,
    "statistics": _statistics,
}


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(filled(text), encoding="utf-8")
