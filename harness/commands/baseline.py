"""``tunebench baseline``: keep today's answers as what later recordings are held against.

The file holds label ids by item and no text, and is meant to be committed. ``--json`` prints one
object: ``baselines``, a list with ``experiment``, ``file``, ``cells`` (ids) and ``left_out``
(sentences) of each.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import TunebenchError

if TYPE_CHECKING:
    import argparse

    from harness.experiment import Experiment


class BaselineCommandError(TunebenchError):
    """A baseline that cannot be made."""


def add_baseline(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser],
) -> argparse.ArgumentParser:
    """Add the command to a parser's subcommands."""
    parser = subparsers.add_parser(
        "baseline",
        help="keep the current answers as the baseline of later recordings",
        description="Write baseline.json beside each experiment's file: its cells' answers as "
        "label ids by item. They are replayed from the cassettes, or taken from results.",
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
        0.

    Raises:
        TunebenchError: an experiment cannot be read, or none of its cells has an answer.
    """
    from harness.commands.experiments import found_experiments
    from harness.formatting.whole_files import whole_files
    from harness.regression import baseline_bytes

    written = []
    for experiment in found_experiments(args.experiments):
        if args.results is None:
            cells, missing = _replayed(experiment)
        else:
            cells, missing = _from_results(experiment, args.results)
        content = baseline_bytes(experiment.name, experiment.task.labels, cells)
        with whole_files([experiment.baseline], overwrite=True) as (file,):
            file.write(content)
        written.append(
            {
                "experiment": experiment.name,
                "file": str(experiment.baseline),
                "cells": list(cells),
                "left_out": missing,
            }
        )
        if not args.json:
            print(f"{experiment.baseline}: {len(cells)} of {len(experiment.cells)} cells.")
            for sentence in missing:
                print(f"- left out: {sentence}")
    if args.json:
        print(json.dumps({"baselines": written}, ensure_ascii=False))
    return 0


def _replayed(experiment: Experiment) -> tuple[dict[str, Any], list[str]]:
    from harness.regression import entry_of
    from harness.reports.progress import waited_for
    from harness.runner import CellError, Runner

    cells, missing = {}, []
    runner = Runner()
    try:
        for cell in waited_for(experiment.cells, experiment.name, "cell"):
            try:
                result = runner.evaluate(cell, "record it with `pytest --record=missing`")
            except CellError as error:
                missing.append(str(error))
            else:
                cells[str(cell)] = entry_of(result)
    finally:
        runner.close()
    if not cells:
        raise BaselineCommandError(
            f"{experiment.path}: no cell has a recording to replay, so no baseline was written. "
            f"{missing[0]}"
        )
    return cells, missing


def _from_results(experiment: Experiment, folder: Path) -> tuple[dict[str, Any], list[str]]:
    from harness.reports.files import is_of, judgements_of, read_results

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
            raise BaselineCommandError(
                f"{folder}: the results of {experiment.name!r} are those of {', '.join(files)}, "
                f"not of {experiment.path}; name the folder of its results."
            )
        raise BaselineCommandError(
            f"{folder}: the results hold no cell of the experiment {experiment.name!r} "
            f"({experiment.path}); name the folder of its results."
        )
    rows = {row["cell"]: row for row in document["cells"] if row["experiment"] == about["name"]}
    if about["labels"] != experiment.task.labels:
        raise BaselineCommandError(
            f"{folder}: the results are of the labels {', '.join(about['labels'])}, and those of "
            f"{experiment.path} are {', '.join(experiment.task.labels)}; write them anew."
        )
    known = {str(cell): cell for cell in experiment.cells}
    cells = {
        name: {
            "accuracy": rows[name]["accuracy"],
            "recorded_at": rows[name]["recorded_at"],
            "predictions": {item: said for item, (_, said) in judged[about["name"], name].items()},
        }
        for name in known
        if name in rows
    }
    return cells, [f"{name}: the results have no such cell." for name in known if name not in rows]
