"""How pytest was called: short names of options that give way to others, and what the user gave."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

PREFIX = "--tunebench-"
_NAME = "tunebench-call"  # of the object, as a plugin of pytest


class Call:
    """How pytest was called.

    It makes a parser read each short name, such as ``--record``, as the long one, unless something
    else has that name. The short names are never added as options: a conftest.py or a plugin that
    adds one of the same name later, even while tests are collected, would be refused.

    Attributes:
        environment: the variables before plugins changed them: some read them from files.
    """

    def __init__(self, parser: pytest.Parser, names: Collection[str]) -> None:
        self.environment = dict(os.environ)
        self._names = names
        self._known, self._parse = parser.parse_known_and_unknown_args, parser.parse
        # On this parser alone. Its other methods use these two.
        parser.parse_known_and_unknown_args = self._read_known  # type: ignore[method-assign]
        parser.parse = self._read  # type: ignore[method-assign]

    @classmethod
    def of(cls, config: pytest.Config) -> Call:
        """That of a run."""
        call: Call = config.pluginmanager.get_plugin(_NAME)  # type: ignore[assignment]
        return call

    def keep(self, pluginmanager: pytest.PytestPluginManager) -> None:
        """Keep it for `of`: while options are added there is no config yet."""
        pluginmanager.register(self, _NAME)

    def option(self, name: str) -> str:
        """The option of a name as a user may write it, the short one if that is free."""
        return f"--{name}" if self._is_free(f"--{name}") else f"{PREFIX}{name}"

    def given(self, config: pytest.Config, name: str) -> object:
        """The value that the command line or PYTEST_ADDOPTS gives an option; not one of files."""
        args = shlex.split(self.environment.get("PYTEST_ADDOPTS", ""))
        args += map(os.fspath, config.invocation_params.args)
        # Instead of what files hold, any path.
        typed = self._in_full("." if arg.startswith("@") else arg for arg in args)
        try:
            return getattr(self._known(typed)[0], f"tunebench_{name}")
        except pytest.UsageError:  # the call is whole only with what files add
            return None

    def _read(self, args: Any, *more: Any, **named: Any) -> Any:
        return self._parse(self._in_full(args), *more, **named)

    def _read_known(self, args: Any, *more: Any, **named: Any) -> Any:
        args = list(args)
        try:
            return self._known(self._in_full(args), *more, **named)
        except pytest.UsageError:  # a conftest.py that is not loaded yet may have such an option
            return self._known(args, *more, **named)

    def _in_full(self, args: Iterable[str | os.PathLike[str]]) -> list[str]:
        given = list(_with_files(os.fspath(arg) for arg in args))
        end = given.index("--") if "--" in given else len(given)
        for position, arg in enumerate(given[:end]):
            option = arg.partition("=")[0]
            name = option.removeprefix("--")
            if name != option and name in self._names and self._is_free(option):
                given[position] = f"{PREFIX}{arg.removeprefix('--')}"
        return given

    def _is_free(self, option: str) -> bool:
        try:
            return option in self._known([option])[1]
        except (pytest.UsageError, SystemExit):  # it is known, and needs a value
            return False


def _with_files(args: Iterable[str]) -> Iterator[str]:
    """Arguments with those that a file holds (``@FILE``), one a line, as pytest reads them."""
    for arg in args:
        try:
            lines = Path(arg[1:]).read_text().splitlines() if arg.startswith("@") else None
        except (OSError, ValueError):
            lines = None  # pytest says what is wrong
        if lines is None:
            yield arg
        else:
            yield from _with_files(lines)
