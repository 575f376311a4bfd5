"""The experiments that a command is given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tunebench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tunebench.experiment import Experiment

_FILE = "experiment.toml"


def found_experiments(paths: Iterable[Path]) -> list[Experiment]:
    """Read experiments.

    Args:
        paths: experiment files, or folders with ``experiment.toml`` in them or below; none means
            ``benchmarks``.

    Returns:
        Each once, in the order of the paths, those of a folder in the order of their paths.

    Raises:
        UsageError: there is none in a folder.
        ExperimentError: one cannot be read.
    """
    from tunebench.experiment import Experiment

    files: dict[Path, None] = {}
    for path in list(paths) or [Path("benchmarks")]:
        single = path.is_file() or path.suffix == ".toml"
        found = [path] if single else sorted(path.rglob(_FILE))
        if not found:
            raise UsageError(
                f"{path}: there is no {_FILE} in or below it; name an experiment, or change to "
                "the folder that holds benchmarks/."
            )
        files |= dict.fromkeys(found)
    return [Experiment.read(file) for file in files]
