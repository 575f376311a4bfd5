"""``tunebench fine-tune``: the fine-tuning jobs of an experiment alone.

``--json`` prints one object: ``experiment`` and ``jobs``, a list with ``job`` (its name),
``recorded`` (``now``, ``before`` or null), ``cassette``, ``error`` (a sentence or null), ``states``
in their order and, of the last one, ``id``, ``model``, ``status``, ``fine_tuned_model``,
``trained_tokens``, ``minutes`` and ``hyperparameters``; what is not known is null.
"""

from __future__ import annotations

import sys
from contextlib import closing, nullcontext
from pathlib import Path  # noqa: TC003 - Click needs it
from typing import TYPE_CHECKING, Any

import click

from tunebench.cli.commands import (
    Command,
    ExistingPath,
    Several,
    json_option,
    number,
    print_json,
    print_lines,
    read_experiment,
)
from tunebench.errors import (
    CassetteMissError,
    JobError,
    TunebenchError,
    UsageError,
    did_you_mean,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunebench.evaluation import Runner
    from tunebench.experiment import Cell, Experiment

_HINT = "record it with `tunebench fine-tune`"
_SHOWN = (
    *("id", "model", "status", "fine_tuned_model"),
    *("trained_tokens", "minutes", "hyperparameters"),
)


@click.command(cls=Command)
@click.argument("experiment", type=ExistingPath(), is_eager=True)
@click.option(
    "--model",
    "models",
    metavar="NAME",
    multiple=True,
    help="Only jobs of this model (repeat it for more)",
)
@click.option(
    "--train-sizes", cls=Several, type=number(1), metavar="N...", help="Only jobs of these sizes"
)
@click.option("--all", "again", is_flag=True, help="Run recorded jobs again, too")
@click.option(
    "--budget",
    metavar="AMOUNT",
    type=number(0, kind=float),
    help="Stop before the estimated costs pass this",
)
@json_option
def fine_tune(
    experiment: Path,
    models: tuple[str, ...],
    train_sizes: tuple[int, ...],
    again: bool,
    budget: float | None,
    as_json: bool,
) -> int:
    """Run the fine-tuning jobs of an experiment, or continue them, and record them.

    EXPERIMENT is its file, or the folder that holds it. No test text is sent. A recorded job is not
    run again. The exit code is 1 where a job has no model.
    """
    from tunebench.evaluation import Budget, Runner, StartedProvider

    read = read_experiment(experiment)
    cells = _jobs(read, models, train_sizes)
    provider, done = StartedProvider(), []
    limits = Budget(budget)
    recorder = Runner("all" if again else "missing", provider.start, limits)
    try:
        with closing(Runner()) as replayer, closing(recorder):
            for cell in cells:
                job = _job(cell, None if again else replayer, recorder)
                done.append(job)
                if job["error"]:
                    print(f"tunebench: {job['error']}", file=sys.stderr)
                elif not as_json:
                    print_lines([_line(job)])
                if limits.stopped:
                    break
    finally:
        provider.stop()
    if as_json:
        print_json({"experiment": read.name, "jobs": done})
    return int(any(job["error"] for job in done))


def _jobs(experiment: Experiment, models: Sequence[str], sizes: Sequence[int]) -> list[Cell]:
    """A cell of each requested job."""
    for model in models:
        if model not in experiment.models:
            raise UsageError(
                f"there is no model {model!r}",
                where=experiment.path,
                hint=did_you_mean(model, experiment.models),
            )
    for size in sizes:
        if size not in experiment.matrix.train_sizes:
            raise UsageError(
                f"[matrix] train_sizes does not hold {size}",
                where=experiment.path,
                hint="add it, or name one that it holds",
            )
    cells = [
        cell
        for cell in experiment.jobs.values()
        if (not models or cell.model in models) and (not sizes or cell.train_size in sizes)
    ]
    if not cells and experiment.fine_tuned_cells and not experiment.jobs:
        raise UsageError(
            "each fine-tuned cell has a model that [[fine_tuned]] names",
            where=experiment.path,
            hint="there is nothing to train",
        )
    if not cells:
        raise UsageError(
            "[matrix] has no such fine-tuned cell",
            where=experiment.path,
            hint="give it train_sizes, or do not skip them",
        )
    return cells


def _job(cell: Cell, replayer: Runner | None, recorder: Runner) -> dict[str, Any]:
    """Replay a job, or run it where it is not recorded."""
    from tunebench.reports import shown_progress

    if replayer is not None:
        try:
            replayer.fine_tuned(cell, _HINT)
        except TunebenchError as error:
            if not isinstance(error.__cause__, CassetteMissError):
                return _row(cell, "before", error)
        else:
            return _row(cell, "before", None)
    try:
        with shown_progress(cell.job, 0, nullcontext()) as progress:
            recorder.fine_tuned(cell, _HINT, progress)
    except TunebenchError as error:
        return _row(cell, "now", error)
    return _row(cell, "now", None)


def _row(cell: Cell, recorded: str, error: TunebenchError | None) -> dict[str, Any]:
    from tunebench.cli.job_curve import states_of

    # After another error the cassette, if there is one, may be of another job.
    ended = error is None or isinstance(error.__cause__, JobError)
    states = states_of(cell.job_cassette) if ended else []
    last = states[-1] if states else {}
    return {
        "job": cell.job,
        "recorded": recorded if ended else None,
        "cassette": str(cell.job_cassette),
        "error": str(error) if error else None,
        "states": [state["status"] for state in states],
        **{name: last.get(name) for name in _SHOWN},
    }


def _line(job: dict[str, Any]) -> str:
    tokens, minutes = job["trained_tokens"], job["minutes"]
    return (
        f"{job['job']}: {job['id']} ({', '.join(job['states'])}) gave {job['fine_tuned_model']}; "
        f"{'unknown' if tokens is None else format(tokens, ',')} tokens, "
        f"{'unknown' if minutes is None else minutes} minutes; recorded {job['recorded']}."
    )
