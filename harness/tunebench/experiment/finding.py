"""Experiments found by the paths that a user names: files, or folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tunebench.errors import UsageError
from tunebench.experiment.experiment import Experiment

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME = "experiment.toml"


def default_folder() -> Path:
    """``benchmarks``; or this folder, where an experiment is in it, or in a folder of it."""
    benchmarks = Path("benchmarks")
    found = (path for pattern in (_NAME, f"*/{_NAME}") for path in Path().glob(pattern))
    return Path() if not benchmarks.exists() and any(found) else benchmarks


def read_experiments(paths: Iterable[Path]) -> list[Experiment]:
    """Read experiments.

    Args:
        paths: experiment files, or folders with ``experiment.toml`` in them or below; none means
            `default_folder`.

    Returns:
        Each once, in the order of the paths; those of a folder in the order of their paths.

    Raises:
        TunebenchError: there is none in a folder, or one cannot be read.
    """
    files: dict[Path, None] = {}
    for path in list(paths) or [default_folder()]:
        single = path.is_file() or path.suffix == ".toml"
        found = [path] if single else sorted(path.rglob(_NAME))
        if not found:
            raise UsageError(
                f"there is no {_NAME} in or below it",
                where=path,
                hint="name an experiment, or change to its folder or to the one that holds "
                "benchmarks/",
            )
        files |= dict.fromkeys(found)
    return [Experiment.read(file) for file in files]
