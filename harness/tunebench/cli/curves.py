"""``tunebench curves``: how a fine-tuning job learned, or how accuracy grows with training size.

It prints, and on demand writes files or sends the job to a tracker. No file is overwritten unless
that is asked for.

``--json`` prints one object. Of a job: ``name``, ``job`` (``id``, ``model``, ``status``,
``fine_tuned_model``, ``trained_tokens``, ``minutes``, ``hyperparameters``) and ``rows``, one a
step. With ``--sizes``: ``rows`` alone, one a fine-tuned cell. What is not known, or no finite
number, is null.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunebench.errors import ResultsError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from tunebench.cli.curve_jobs import JobCurve

_BASE_URL = "http://127.0.0.1:8017/v1"
_JOB_ID = re.compile(r"ftjob-[\w-]+")


def add_curves(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser],
) -> argparse.ArgumentParser:
    """Add the command to a parser's subcommands."""
    parser = subparsers.add_parser(
        "curves",
        usage="tunebench curves (JOB | --sizes RESULTS.json) [options]",
        help="show how a fine-tuning job learned, or accuracy by training size",
        description="Show how a fine-tuning job learned, a line an epoch, or how accuracy grows "
        "with training size.",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "job",
        metavar="JOB",
        nargs="?",
        help="the cassette of a job (cassettes/EXPERIMENT/jobs/MODEL-ftSIZE.jsonl), or the id of "
        "one at a provider (ftjob-...)",
    )
    what.add_argument(
        "--sizes",
        metavar="RESULTS.json",
        type=Path,
        help="show accuracy by training size from what `pytest --results` wrote",
    )
    add = parser.add_argument
    add("--base-url", default=_BASE_URL, metavar="URL", help=f"of the provider ({_BASE_URL})")
    add("--api-key-env", metavar="NAME", help="the variable that holds its key (none is sent)")
    add("--json", action="store_true", help="print one JSON object")
    add("--csv", metavar="FILE", type=Path, help="write all steps, or all sizes")
    add("--figure", metavar="FILE", type=_figure_file, help="draw them (.svg, .png)")
    add("--wandb", action="store_true", help="send the job to Weights & Biases")
    add("--wandb-project", default="tunebench", metavar="NAME", help="of the run (tunebench)")
    add("--tensorboard", metavar="DIR", type=Path, help="write the job's event file below DIR")
    add("--force", action="store_true", help="overwrite files that are there")
    parser.set_defaults(run=run)
    return parser


def _figure_file(text: str) -> Path:
    path = Path(text)
    if path.suffix not in (".svg", ".png"):
        raise argparse.ArgumentTypeError(f"{text!r} ends neither in .svg nor in .png")
    return path


def run(args: argparse.Namespace) -> int:
    """Carry out the command.

    Returns:
        0.

    Raises:
        TunebenchError: the job or the options cannot be used.
    """
    for path in (args.csv, args.figure):
        if path is not None and path.exists() and not args.force:
            raise UsageError(
                f"{path}: the file is there already; name another, or give --force to overwrite it."
            )

    def say(text: str) -> None:
        if not args.json:
            print(text)

    if args.sizes is None:
        _show_job(args, say)
    else:
        _show_sizes(args, say)
    return 0


def _show_job(args: argparse.Namespace, say: Callable[[str], None]) -> None:
    from tunebench.reports import finite, job_figure, job_lines, to_tensorboard, to_wandb
    from tunebench.statistics import epochs

    found = _read_job(args)
    job, curve = found.job, found.curve
    if args.json:
        print(json.dumps(finite({"name": found.name, "job": job, "rows": _rows(curve)})))
    for line in job_lines(found.name, job, curve, epochs(curve)):
        say(line)
    _write_csv(args, curve, say)
    if args.figure is not None:
        _write_figure(args, job_figure(curve, found.name), say)
    told = ("id", "model", "hyperparameters")
    config = {name: job[name] for name in told}
    if args.tensorboard is not None:
        folder = args.tensorboard / found.name
        to_tensorboard(curve, folder, config=config, replace=args.force)
        say(f"Wrote {folder}.")
    if args.wandb:
        came_of_it = {n: v for n, v in job.items() if n not in told and v is not None}
        where = to_wandb(
            curve, project=args.wandb_project, name=found.name, config=config, summary=came_of_it
        )
        say(f"Sent to {where}.")


def _show_sizes(args: argparse.Namespace, say: Callable[[str], None]) -> None:
    from tunebench.reports import finite, read_results, sizes_figure, sizes_lines
    from tunebench.statistics import accuracy_by_size

    if args.wandb or args.tensorboard is not None:
        raise UsageError(
            "--wandb and --tensorboard take a job, and --sizes shows none: leave them out, or "
            "name a JOB."
        )
    path: Path = args.sizes
    try:
        sizes = accuracy_by_size(read_results(path)["cells"])
    except ResultsError as error:
        raise UsageError(f"{path}: {error}") from error
    if sizes.empty:
        raise UsageError(
            f"{path}: no row is of a fine-tuned cell; name the results of an experiment with "
            "train_sizes in its [matrix]."
        )
    if args.json:
        print(json.dumps(finite({"rows": _rows(sizes)})))
    for line in sizes_lines(sizes):
        say(line)
    _write_csv(args, sizes, say)
    if args.figure is not None:
        _write_figure(args, sizes_figure(sizes), say)


def _read_job(args: argparse.Namespace) -> JobCurve:
    from tunebench.cli.curve_jobs import from_cassette, from_provider
    from tunebench.evaluation import key_of

    if not _JOB_ID.fullmatch(args.job) or Path(args.job).exists():
        return from_cassette(Path(args.job))
    return from_provider(args.job, args.base_url, key_of(args.api_key_env, args.base_url))


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): cell for name, cell in row.items()} for row in frame.to_dict("records")]


def _write_csv(args: argparse.Namespace, frame: pd.DataFrame, say: Callable[[str], None]) -> None:
    if args.csv is not None:
        _write(args.csv, frame.to_csv(index=False, lineterminator="\n").encode(), args.force)
        say(f"Wrote {args.csv}.")


def _write_figure(args: argparse.Namespace, figure: Any, say: Callable[[str], None]) -> None:
    from tunebench.reports import render

    _write(args.figure, render(figure, args.figure.suffix[1:]), args.force)
    say(f"Wrote {args.figure}.")


def _write(path: Path, content: bytes, force: bool) -> None:
    from tunebench.files import whole_files

    with whole_files([path], overwrite=force) as (file,):
        file.write(content)
