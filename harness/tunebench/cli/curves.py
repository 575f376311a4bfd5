"""``tunebench curves``: how a fine-tuning job learned, or how accuracy grows with training size.

``--json`` prints one object. Of a job: ``name``, ``job`` (``id``, ``model``, ``status``,
``fine_tuned_model``, ``trained_tokens``, ``minutes``, ``hyperparameters``) and ``rows``, one a
step. With ``--sizes``: ``rows`` alone, one a fine-tuned cell. What is not known, or not a finite
number, is null.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tunebench.cli.commands import (
    PATH,
    ExistingPath,
    json_option,
    print_json,
    print_lines,
    refuse_existing,
)
from tunebench.errors import ResultsError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from tunebench.cli.job_curve import JobCurve

_JOB_ID = re.compile(r"ftjob-[\w-]+")
_FIGURES = (".svg", ".png")


@click.command()
@click.argument("job", required=False)
@click.option(
    "--sizes",
    type=ExistingPath(),
    metavar="RESULTS",
    help="Show accuracy by training size from what `pytest --results` wrote",
)
@click.option(
    "--base-url",
    default="http://127.0.0.1:8017/v1",
    metavar="URL",
    help="The API root of the job's provider",
)
@click.option("--api-key-env", metavar="VAR", help="The environment variable that holds its key")
@click.option("--csv", type=PATH, metavar="FILE", help="Write all steps, or all sizes")
@click.option("--figure", type=PATH, metavar="FILE", help="Draw them (.svg, .png)")
@click.option("--wandb", is_flag=True, help="Send the job to Weights & Biases")
@click.option("--wandb-project", default="tunebench", metavar="NAME", help="The project there")
@click.option("--tensorboard", type=PATH, metavar="DIR", help="Write the job's event file in DIR")
@click.option("--force", is_flag=True, help="Overwrite files that exist")
@json_option
def curves(
    job: str | None,
    sizes: Path | None,
    base_url: str,
    api_key_env: str | None,
    csv: Path | None,
    figure: Path | None,
    wandb: bool,
    wandb_project: str,
    tensorboard: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Show how a fine-tuning job learned, or how accuracy grows with training size.

    JOB is its cassette (cassettes/EXPERIMENT/jobs/MODEL-ftSIZE.jsonl), or its id at a provider
    (ftjob-...).
    """
    from tunebench.reports import finite

    if (job is None) == (sizes is None):
        raise click.UsageError("Give either JOB or --sizes RESULTS.")
    if figure is not None and figure.suffix not in _FIGURES:
        raise click.BadParameter(f"must end in {' or '.join(_FIGURES)}", param_hint="--figure")
    found = _read_job(job, base_url, api_key_env) if job is not None else None
    read = (
        sizes / "results.json" if sizes is not None and sizes.is_dir() else sizes or Path(job or "")
    )
    refuse_existing((path for path in (csv, figure) if path), force, "name", read)

    def say(text: str) -> None:
        if not as_json:
            print_lines(text.split("\n"))

    if found is not None:
        frame, draw = _show_job(found, say)
        document = {"name": found.name, "job": found.job, "rows": _rows(frame)}
    else:
        assert sizes is not None
        if wandb or tensorboard is not None:
            raise UsageError(
                "--wandb and --tensorboard take a job, and --sizes has none",
                hint="leave them out, or name a JOB",
            )
        frame, draw = _show_sizes(sizes, say)
        document = {"rows": _rows(frame)}
    if as_json:
        print_json(finite(document))
    if csv is not None:
        content = frame.to_csv(index=False, lineterminator="\n").encode()
        _write(csv, content, force, say)
    if figure is not None:
        from tunebench.reports import render

        _write(figure, render(draw(), figure.suffix[1:]), force, say)
    if found is not None:
        _track(found, tensorboard, wandb_project if wandb else None, force, say)


def _read_job(job: str, base_url: str, api_key_env: str | None) -> JobCurve:
    from tunebench.cli.job_curve import from_cassette, from_provider
    from tunebench.evaluation import key_of
    from tunebench.presets import started_at

    if not _JOB_ID.fullmatch(job) or Path(job).exists():
        return from_cassette(Path(job))
    local_url = base_url if started_at(base_url) else None
    return from_provider(job, base_url, key_of(api_key_env, base_url, local_url))


def _show_job(
    found: JobCurve, say: Callable[[str], None]
) -> tuple[pd.DataFrame, Callable[[], Any]]:
    """Print a job; its curve, and how to draw it."""
    from tunebench.reports import job_figure, job_lines
    from tunebench.statistics import epochs

    say("\n".join(job_lines(found.name, found.job, found.curve, epochs(found.curve))))
    return found.curve, lambda: job_figure(found.curve, found.name)


def _show_sizes(path: Path, say: Callable[[str], None]) -> tuple[pd.DataFrame, Callable[[], Any]]:
    """Print accuracy by training size; its table, and how to draw it."""
    from tunebench.reports import read_results, sizes_figure, sizes_lines
    from tunebench.statistics import accuracy_by_size

    try:
        frame = accuracy_by_size(read_results(path)["cells"])
    except ResultsError as error:
        raise ResultsError(error.problem, where=error.where or path, hint=error.hint) from error
    if frame.empty:
        raise UsageError(
            "the results have no fine-tuned cell",
            where=path,
            hint="name those of an experiment with train_sizes in its [matrix]",
        )
    say("\n".join(sizes_lines(frame)))
    return frame, lambda: sizes_figure(frame)


def _track(
    found: JobCurve,
    tensorboard: Path | None,
    wandb_project: str | None,
    force: bool,
    say: Callable[[str], None],
) -> None:
    from tunebench.reports import to_tensorboard, to_wandb

    names = ("id", "model", "hyperparameters")
    config = {name: found.job[name] for name in names}
    if tensorboard is not None:
        folder = tensorboard / found.name
        to_tensorboard(found.curve, folder, config=config, replace=force)
        say(f"Wrote {folder}.")
    if wandb_project is not None:
        summary = {n: v for n, v in found.job.items() if n not in names and v is not None}
        where = to_wandb(
            found.curve, project=wandb_project, name=found.name, config=config, summary=summary
        )
        say(f"Sent to {where}.")


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): cell for name, cell in row.items()} for row in frame.to_dict("records")]


def _write(path: Path, content: bytes, force: bool, say: Callable[[str], None]) -> None:
    from tunebench.files import whole_files

    with whole_files([path], overwrite=force) as (file,):
        file.write(content)
    say(f"Wrote {path}.")
