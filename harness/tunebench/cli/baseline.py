"""``tunebench baseline``: keep today's answers as the baseline of later recordings.

The file holds label ids by item and no text, and is meant to be committed. A cell without an answer
keeps the entry it had. ``--json`` prints one object: ``baselines``, a list with ``experiment``,
``file``, ``cells`` (ids), ``left_out`` (sentences: cells without a new answer), ``kept`` (those of
them whose earlier entry stays) and ``removed`` (sentences: earlier entries that go) of each.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path  # noqa: TC003 - Click needs it
from typing import TYPE_CHECKING, Any

import click

from tunebench.cli.commands import (
    ExistingPath,
    experiments_argument,
    json_option,
    print_json,
    print_lines,
    read_experiments,
)
from tunebench.errors import CellError, ResultsError, UsageError

if TYPE_CHECKING:
    from tunebench.analysis import Baseline
    from tunebench.experiment import Experiment

_OTHER_RESULTS = "name the folder of its results"


@click.command()
@experiments_argument
@click.option(
    "--results",
    metavar="DIR",
    type=ExistingPath(),
    help="Take the answers from what `pytest --results DIR` wrote",
)
@json_option
def baseline(experiments: tuple[Path, ...], results: Path | None, as_json: bool) -> int:
    """Write baseline.json beside each experiment's file: its cells' answers as label ids by item.

    The answers are replayed from the cassettes, or taken from results. A cell without an answer is
    left out and keeps its earlier entry; the exit code is 1 then. An EXPERIMENT is its file, or a
    folder with experiment.toml in it or below (default: benchmarks, or this folder's).
    """
    from tunebench.analysis import baseline_bytes
    from tunebench.files import whole_files

    read = read_experiments(experiments)
    _refuse_one_file_for_two(read)
    earlier = {experiment: _earlier(experiment) for experiment in read}
    written = []
    for experiment in read:
        if results is None:
            cells, missing = _replayed(experiment)
        else:
            cells, missing = _from_results(experiment, results)
        entries, removed = _merged(experiment, cells, earlier[experiment])
        content = baseline_bytes(experiment.name, experiment.task.labels, entries)
        with whole_files([experiment.baseline], overwrite=True) as (file,):
            file.write(content)
        kept = [name for name in entries if name not in cells]
        written.append(
            {
                "experiment": experiment.name,
                "file": str(experiment.baseline),
                "cells": list(entries),
                "left_out": list(missing.values()),
                "kept": kept,
                "removed": removed,
            }
        )
        if not as_json:
            lines = [f"{experiment.baseline}: {len(cells)} of {len(experiment.cells)} cells."]
            for name, sentence in missing.items():
                what = "left out, with its earlier answers" if name in kept else "left out"
                lines.append(f"- {what}: {sentence}")
            print_lines([*lines, *(f"- removed: {sentence}" for sentence in removed)])
    if as_json:
        print_json({"baselines": written})
    return int(any(one["left_out"] for one in written))


def _refuse_one_file_for_two(experiments: list[Experiment]) -> None:
    """Raise an error if two experiments have one baseline file: the second would replace it."""
    from tunebench.cli.cassettes import name_in

    for experiment in experiments:
        folder, own = experiment.path.absolute().parent, experiment.path.name
        names = {path: name_in(path) for path in folder.glob("*.toml") if path.name != own}
        given = {other.path.absolute() for other in experiments}
        for path, name in sorted(names.items()):
            if name == experiment.name or (name is not None and path in given):
                raise UsageError(
                    f"{experiment.path} and {path.name} beside it both have the baseline "
                    f"{experiment.baseline}, so nothing was written",
                    hint="give each experiment a folder and a name of its own",
                )


def _earlier(experiment: Experiment) -> Baseline | None:
    """The baseline that exists; an error if it cannot be read or is another experiment's."""
    from tunebench.analysis import read_baseline

    found = read_baseline(experiment.baseline)
    if found is not None and found.experiment != experiment.name:
        raise UsageError(
            f"the baseline belongs to the experiment {found.experiment!r}, not to "
            f"{experiment.name!r} ({experiment.path}), so nothing was written",
            where=experiment.baseline,
            hint="give each experiment a folder of its own, or move the file away",
        )
    return found


def _merged(
    experiment: Experiment, cells: dict[str, Any], earlier: Baseline | None
) -> tuple[dict[str, Any], list[str]]:
    """The entries of all cells that have or had an answer, and a sentence for each removed one."""
    before = {} if earlier is None else earlier.cells
    names = [str(cell) for cell in experiment.cells]
    relabelled = earlier is not None and earlier.labels != experiment.task.labels
    entries, removed = {}, []
    for name in names:
        if name in cells:
            entries[name] = cells[name]
        elif name in before and relabelled:
            removed.append(f"{name}, whose labels have changed and which has no new answer.")
        elif name in before:
            entries[name] = before[name].model_dump()
    removed += [f"{name}, which is not a cell any more." for name in before if name not in names]
    return entries, removed


def _replayed(experiment: Experiment) -> tuple[dict[str, Any], dict[str, str]]:
    """The entries of the cells that have an answer, and a sentence for each other cell."""
    from tunebench.analysis import entry_of
    from tunebench.evaluation import Runner
    from tunebench.reports import waited_for

    cells: dict[str, Any] = {}
    missing: dict[str, str] = {}
    with closing(Runner()) as runner:
        for cell in waited_for(experiment.cells, experiment.name, "cell"):
            try:
                result = runner.evaluate(cell, "record it with `pytest --record=missing`")
            except CellError as error:
                missing[str(cell)] = str(error)
            else:
                cells[str(cell)] = entry_of(result)
    if not cells:
        raise UsageError(
            "no cell has a recording to replay, so no baseline was written. "
            f"{next(iter(missing.values()))}",
            where=experiment.path,
        )
    return cells, missing


def _from_results(experiment: Experiment, folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The same as `_replayed`, from results."""
    from tunebench.reports import is_of, judgements_of, read_results

    no_cell = ResultsError(
        f"the results hold no cell of the experiment {experiment.name!r} ({experiment.path})",
        where=folder,
        hint=_OTHER_RESULTS,
    )
    document = read_results(folder)
    judged = judgements_of(document, folder)
    about = next((one for one in document["experiments"] if is_of(one, experiment)), None)
    if about is None:
        files = [
            one["file"]
            for one in document["experiments"]
            if "file" in one and one["name"].partition(" (")[0] == experiment.name
        ]
        if files:
            raise ResultsError(
                f"the results of {experiment.name!r} are those of {', '.join(files)}, not of "
                f"{experiment.path}",
                where=folder,
                hint=_OTHER_RESULTS,
            )
        raise no_cell
    rows = {row["cell"]: row for row in document["cells"] if row["experiment"] == about["name"]}
    if not any(str(cell) in rows for cell in experiment.cells):
        raise no_cell
    if about["labels"] != experiment.task.labels:
        raise ResultsError(
            f"the results have the labels {', '.join(about['labels'])}, and those of "
            f"{experiment.path} are {', '.join(experiment.task.labels)}",
            where=folder,
            hint="write them again",
        )
    cells: dict[str, Any] = {}
    missing: dict[str, str] = {}
    for name in map(str, experiment.cells):
        if name not in rows:
            missing[name] = f"{name}: the results have no such cell."
            continue
        cells[name] = {
            "accuracy": rows[name]["accuracy"],
            "recorded_at": rows[name]["recorded_at"],
            "predictions": {
                item: given for item, (_, given) in judged[about["name"], name].items()
            },
        }
    return cells, missing
