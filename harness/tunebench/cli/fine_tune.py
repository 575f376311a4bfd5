"""``tunebench fine-tune``: the fine-tuning jobs of an experiment alone.

``--json`` prints one object: ``experiment`` and ``jobs``, a list with ``job`` (its name),
``recorded`` (``now``, ``before`` or null), ``cassette``, ``error`` (a sentence or null), ``states``
in their order and, of the last one, ``id``, ``model``, ``status``, ``fine_tuned_model``,
``trained_tokens``, ``minutes`` and ``hyperparameters``; what is not known is null.
"""

from __future__ import annotations

import json
import sys
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunebench.errors import (
    CassetteMissError,
    JobError,
    TunebenchError,
    UsageError,
    did_you_mean,
)

if TYPE_CHECKING:
    import argparse

    from tunebench.evaluation import Runner
    from tunebench.experiment import Cell, Experiment

_TOLD = (
    *("id", "model", "status", "fine_tuned_model"),
    *("trained_tokens", "minutes", "hyperparameters"),
)


def add_fine_tune(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser],
) -> argparse.ArgumentParser:
    """Add the command to a parser's subcommands."""
    parser = subparsers.add_parser(
        "fine-tune",
        help="run an experiment's fine-tuning jobs without asking its cells",
        description="Run the fine-tuning jobs of an experiment, or go on with them, and record "
        "their cassettes. No cell is asked. A job that is recorded is not run again.",
    )
    add = parser.add_argument
    add("experiment", metavar="EXPERIMENT", type=Path, help="its file, or the folder that holds it")
    add("--model", metavar="NAME", action="append", help="only of this model; may be repeated")
    add("--train-size", metavar="N", type=int, nargs="+", help="only of these sizes")
    add("--all", action="store_true", help="run also the jobs that are recorded, again")
    add("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Carry out the command.

    Returns:
        0 where all jobs have a model, 1 where one has none.

    Raises:
        TunebenchError: the experiment cannot be read, or has no such jobs.
    """
    from tunebench.evaluation import Runner, StartedProvider
    from tunebench.experiment import Experiment

    path: Path = args.experiment
    experiment = Experiment.read(path / "experiment.toml" if path.is_dir() else path)
    cells = _jobs(experiment, args.model, args.train_size)
    provider, done = StartedProvider(), []
    recorder = Runner("all" if args.all else "missing", provider.start)
    try:
        with closing(Runner()) as replayer, closing(recorder):
            for cell in cells.values():
                done.append(_job(cell, None if args.all else replayer, recorder))
                if done[-1]["error"]:
                    print(f"tunebench: {done[-1]['error']}", file=sys.stderr)
                elif not args.json:
                    print(_line(done[-1]))
    finally:
        provider.stop()
    if args.json:
        print(json.dumps({"experiment": experiment.name, "jobs": done}, ensure_ascii=False))
    return int(any(job["error"] for job in done))


def _jobs(
    experiment: Experiment, models: list[str] | None, sizes: list[int] | None
) -> dict[str, Cell]:
    """A cell of each job that is wanted, by the job's name."""
    for model in models or ():
        if model not in experiment.models:
            raise UsageError(
                f"there is no model {model!r}",
                where=experiment.path,
                hint=did_you_mean(model, experiment.models),
            )
    for size in sizes or ():
        if size not in experiment.matrix.train_sizes:
            raise UsageError(
                f"{experiment.path}: [matrix] train_sizes does not hold {size}; add it, or name "
                "one that it holds."
            )
    cells = {
        job: cell
        for job, cell in experiment.jobs.items()
        if (not models or cell.model in models) and (not sizes or cell.train_size in sizes)
    }
    if not cells:
        raise UsageError(
            f"{experiment.path}: [matrix] has no such fine-tuned cell; give it train_sizes, or do "
            "not skip them."
        )
    return cells


def _job(cell: Cell, replayer: Runner | None, recorder: Runner) -> dict[str, Any]:
    """Replay a job, or run it where it is not recorded; what is told of it."""
    from tunebench.reports import shown_progress

    hint = "record it with `tunebench fine-tune`"
    if replayer is not None:
        try:
            replayer.fine_tuned(cell, hint)
        except TunebenchError as error:
            if not isinstance(error.__cause__, CassetteMissError):
                return _told(cell, "before", error)
        else:
            return _told(cell, "before", None)
    try:
        with shown_progress(cell.job, 0, nullcontext()) as progress:
            recorder.fine_tuned(cell, hint, progress)
    except TunebenchError as error:
        return _told(cell, "now", error)
    return _told(cell, "now", None)


def _told(cell: Cell, recorded: str, error: TunebenchError | None) -> dict[str, Any]:

    from tunebench.cli.curve_jobs import states_of

    # After another error the cassette, if there is one, may tell of another job.
    ended = error is None or isinstance(error.__cause__, JobError)
    states = states_of(cell.job_cassette) if ended else []
    last = states[-1] if states else {}
    return {
        "job": cell.job,
        "recorded": recorded if ended else None,
        "cassette": str(cell.job_cassette),
        "error": str(error) if error else None,
        "states": [state["status"] for state in states],
        **{name: last.get(name) for name in _TOLD},
    }


def _line(job: dict[str, Any]) -> str:
    tokens, minutes = job["trained_tokens"], job["minutes"]
    return (
        f"{job['job']}: {job['id']} ({', '.join(job['states'])}) gave {job['fine_tuned_model']}; "
        f"{'unknown' if tokens is None else format(tokens, ',')} tokens, "
        f"{'unknown' if minutes is None else minutes} minutes; recorded {job['recorded']}."
    )
