"""``tunebench baseline``: keep today's answers as what later recordings are compared with.

The file holds label ids by item and no text, and is meant to be committed. A cell without an answer
keeps the entry it had. ``--json`` prints one object: ``baselines``, a list with ``experiment``,
``file``, ``cells`` (ids), ``left_out`` (sentences: cells without a new answer), ``kept`` (those of
them whose earlier entry stays) and ``removed`` (sentences: earlier entries that go) of each.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunebench.errors import CellError, UsageError

if TYPE_CHECKING:
    import argparse

    from tunebench.analysis import Baseline
    from tunebench.experiment import Experiment


def add_baseline(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser],
) -> argparse.ArgumentParser:
    """Add the command to a parser's subcommands."""
    parser = subparsers.add_parser(
        "baseline",
        help="keep the current answers as the baseline of later recordings",
        description="Write baseline.json beside each experiment's file: its cells' answers as "
        "label ids by item. They are replayed from the cassettes, or taken from results. A cell "
        "without an answer is left out and keeps its earlier entry; the exit code is 1 then.",
    )
    parser.add_argument(
        "experiments",
        metavar="EXPERIMENT",
        nargs="*",
        type=Path,
        help="experiment files, or folders with experiment.toml in or below (benchmarks)",
    )
    parser.add_argument(
        "--results",
        metavar="DIR",
        type=Path,
        help="take the answers from what `pytest --results DIR` wrote",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Carry out the command.

    Returns:
        0; 1 where cells were left out.

    Raises:
        TunebenchError: an experiment cannot be read, a baseline is another experiment's or cannot
            be read, or none of the cells has an answer.
    """
    from tunebench.analysis import baseline_bytes
    from tunebench.cli.experiments import found_experiments
    from tunebench.files import whole_files

    experiments = found_experiments(args.experiments)
    _refuse_one_file_for_two(experiments)
    earlier = {experiment: _earlier(experiment) for experiment in experiments}
    written = []
    for experiment in experiments:
        if args.results is None:
            cells, missing = _replayed(experiment)
        else:
            cells, missing = _from_results(experiment, args.results)
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
        if not args.json:
            print(f"{experiment.baseline}: {len(cells)} of {len(experiment.cells)} cells.")
            for name, sentence in missing.items():
                what = "left out, as it was before" if name in kept else "left out"
                print(f"- {what}: {sentence}")
            for sentence in removed:
                print(f"- removed: {sentence}")
    if args.json:
        print(json.dumps({"baselines": written}, ensure_ascii=False))
    return int(any(one["left_out"] for one in written))


def _refuse_one_file_for_two(experiments: list[Experiment]) -> None:
    """Refuse experiments whose baselines have one file, which would hold the last one's only."""
    from tunebench.cli.shared_cassettes import name_in

    for experiment in experiments:
        folder, own = experiment.path.absolute().parent, experiment.path.name
        names = {path: name_in(path) for path in folder.glob("*.toml") if path.name != own}
        given = {other.path.absolute() for other in experiments}
        for path, name in sorted(names.items()):
            if name == experiment.name or (name is not None and path in given):
                raise UsageError(
                    f"{experiment.path} and {path.name} beside it both have the baseline "
                    f"{experiment.baseline}, so nothing was written; give each experiment a folder "
                    "and a name of its own."
                )


def _earlier(experiment: Experiment) -> Baseline | None:
    """The baseline that is there.

    Raises:
        ResultsError: it cannot be read.
        UsageError: it is another experiment's.
    """
    from tunebench.analysis import read_baseline

    found = read_baseline(experiment.baseline)
    if found is not None and found.experiment != experiment.name:
        raise UsageError(
            f"{experiment.baseline}: the baseline belongs to the experiment {found.experiment!r}, "
            f"not to {experiment.name!r} ({experiment.path}), so nothing was written; give each "
            "experiment a folder of its own, or move the file away."
        )
    return found


def _merged(
    experiment: Experiment, cells: dict[str, Any], earlier: Baseline | None
) -> tuple[dict[str, Any], list[str]]:
    """The entries of all cells that have or had an answer, and what goes of those that had."""
    before = {} if earlier is None else earlier.cells
    names = [str(cell) for cell in experiment.cells]
    relabelled = earlier is not None and earlier.labels != experiment.task.labels
    entries, removed = {}, []
    for name in names:
        if name in cells:
            entries[name] = cells[name]
        elif name in before and relabelled:
            removed.append(f"{name}, whose labels were others and which has no new answer.")
        elif name in before:
            entries[name] = before[name].model_dump()
    removed += [f"{name}, which is no cell any more." for name in before if name not in names]
    return entries, removed


def _replayed(experiment: Experiment) -> tuple[dict[str, Any], dict[str, str]]:
    """The entries of the cells that have an answer, and why the others have none."""
    from tunebench.analysis import entry_of
    from tunebench.evaluation import Runner
    from tunebench.reports import waited_for

    cells: dict[str, Any] = {}
    missing: dict[str, str] = {}
    runner = Runner()
    try:
        for cell in waited_for(experiment.cells, experiment.name, "cell"):
            try:
                result = runner.evaluate(cell, "record it with `pytest --record=missing`")
            except CellError as error:
                missing[str(cell)] = str(error)
            else:
                cells[str(cell)] = entry_of(result)
    finally:
        runner.close()
    if not cells:
        raise UsageError(
            f"{experiment.path}: no cell has a recording to replay, so no baseline was written. "
            f"{next(iter(missing.values()))}"
        )
    return cells, missing


def _from_results(experiment: Experiment, folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The same from results."""
    from tunebench.reports import is_of, judgements_of, read_results

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
            raise UsageError(
                f"{folder}: the results of {experiment.name!r} are those of {', '.join(files)}, "
                f"not of {experiment.path}; name the folder of its results."
            )
        raise UsageError(
            f"{folder}: the results hold no cell of the experiment {experiment.name!r} "
            f"({experiment.path}); name the folder of its results."
        )
    rows = {row["cell"]: row for row in document["cells"] if row["experiment"] == about["name"]}
    if not any(str(cell) in rows for cell in experiment.cells):
        raise UsageError(
            f"{folder}: cells: the results hold no cell of the experiment {experiment.name!r} "
            f"({experiment.path}); name the folder of its results."
        )
    if about["labels"] != experiment.task.labels:
        raise UsageError(
            f"{folder}: the results are of the labels {', '.join(about['labels'])}, and those of "
            f"{experiment.path} are {', '.join(experiment.task.labels)}; write them again."
        )
    known = [str(cell) for cell in experiment.cells]
    cells = {
        name: {
            "accuracy": rows[name]["accuracy"],
            "recorded_at": rows[name]["recorded_at"],
            "predictions": {item: said for item, (_, said) in judged[about["name"], name].items()},
        }
        for name in known
        if name in rows
    }
    missing = {name: f"{name}: the results have no such cell." for name in known}
    return cells, {name: said for name, said in missing.items() if name not in rows}
