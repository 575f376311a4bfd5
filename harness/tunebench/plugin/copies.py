"""Test files of one name, each beside an experiment: the folder of one was copied."""

from __future__ import annotations

import sys
from pathlib import Path


def make_way(path: Path) -> None:
    """Forget the module of another experiment's test file before one of its name is imported.

    In its default import mode pytest refuses a second module of one name in folders that are not
    packages. The first one is collected by then; pytest itself treats conftest.py files like this.
    """
    file = getattr(sys.modules.get(path.stem), "__file__", None)
    if file and Path(file) != path and _is_of_experiment(path) and _is_of_experiment(Path(file)):
        del sys.modules[path.stem]


def _is_of_experiment(path: Path) -> bool:
    """Whether a test file is beside an experiment, in a folder that is not a package."""
    names = (path.with_name(name) for name in ("experiment.toml", "__init__.py"))
    return [name.exists() for name in names] == [True, False]
