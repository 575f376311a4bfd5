"""Replays of experiments as they are, and as a commit of their repository has them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunebench.cli.commands import read_experiments
from tunebench.cli.git_tree import commit_of, files_of, root_of
from tunebench.errors import TunebenchError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunebench.experiment import Experiment
    from tunebench.reports import Results

NOW = "the working tree"


@dataclass(frozen=True)
class Pair:
    """What a commit has, and what the working tree has.

    Attributes:
        names: of the two, for people.
        base: the results of the commit, as ``results.json`` has them.
        now: those of the working tree.
    """

    names: tuple[str, str]
    base: dict[str, Any]
    now: dict[str, Any]

    @property
    def without_result(self) -> list[dict[str, Any]]:
        """The cells that have a result in the commit, and an error in the working tree."""
        had = {(cell["experiment"], cell["cell"]) for cell in self.base["cells"]}
        errors: list[dict[str, Any]] = self.now["errors"]
        return [error for error in errors if (error["experiment"], error["cell"]) in had]


def replayed_with_base(paths: Sequence[Path], ref: str) -> Pair:
    """Replay experiments as they are, and as a commit has them.

    Raises:
        UsageError: they are in no Git repository or in several, there is no such commit, or it has
            none of these experiments.
        TunebenchError: an experiment cannot be read, or has no result in the one or the other.
    """
    from tunebench.analysis import replayed

    experiments = read_experiments(paths)
    root = root_of(experiments[0].path.absolute().parent)
    commit = commit_of(root, ref)
    if variable := os.environ.get("TUNEBENCH_CASSETTES"):
        raise UsageError(
            f"TUNEBENCH_CASSETTES names {variable}, which has no cassettes of another commit",
            hint="unset it, or set `cassettes` in [tool.tunebench]",
        )
    places = {experiment: _below(root, experiment) for experiment in experiments}
    name = f"{ref} ({commit[:10]})"
    with files_of(root, commit) as tree:
        there = {one: tree / place for one, place in places.items() if (tree / place).is_file()}
        _refuse_absent(paths, experiments, set(there), name)
        try:
            base = replayed(read_experiments(list(there.values())), tree)
            _refuse_empty(base, name)
        except TunebenchError as error:
            # The temporary folder means nothing to anybody: as Git names a file of a commit.
            texts = [
                None if text is None else text.replace(f"{tree}/", f"{ref}:")
                for text in (error.problem, error.where, error.hint)
            ]
            raise UsageError(str(texts[0]), where=texts[1], hint=texts[2]) from None
    now = replayed(experiments, root)
    _refuse_empty(now, NOW)
    return Pair((name, NOW), base.model_dump(), now.model_dump())


def _below(root: Path, experiment: Experiment) -> Path:
    """The path of an experiment's file from the root of the repository."""
    folder = Path(os.path.realpath(experiment.path.absolute().parent))
    if not folder.is_relative_to(root) or root_of(folder) != root:
        raise UsageError(
            f"it is not in the Git repository {root}",
            where=experiment.path,
            hint="compare the experiments of one repository",
        )
    return folder.relative_to(root) / experiment.path.name


def _refuse_absent(
    paths: Sequence[Path], experiments: Sequence[Experiment], there: set[Experiment], name: str
) -> None:
    """A new experiment is noted beside others; one that was named, or is alone, is refused."""
    for experiment in experiments:
        named = {experiment.path, experiment.path.parent} & set(paths)
        if experiment not in there and (named or not there):
            raise UsageError(
                f"{name} does not have this experiment",
                where=experiment.path,
                hint="compare with a commit that has it",
            )


def _refuse_empty(results: Results, name: str) -> None:
    if not results.cells:
        why = next((error.error for error in results.errors if error.error), "")
        raise UsageError(
            f"no cell has a result to replay in {name}: {why.rstrip('.')}",
            hint="commit its cassettes, and its data or items.jsonl",
        )
