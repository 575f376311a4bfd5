"""The learning curves of the fine-tuning jobs in one chart, and the jobs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tunebench.reports.page import blocks
from tunebench.reports.page.charts import curve_chart
from tunebench.reports.page.section import Blocks, Section, View

if TYPE_CHECKING:
    from markupsafe import Markup

    from tunebench.reports.rows import Job

_MOST_SERIES = 12
_LOSSES = ("validation_loss", "training_loss")


def _content(view: View) -> Blocks:
    jobs = view.results.jobs
    if not jobs:
        return []
    columns: list[blocks.Column[Job]] = [
        blocks.words("job", lambda job: job.name),
        blocks.words("id", lambda job: job.id),
        blocks.numbers("rows", ",", lambda job: job.train_size),
        blocks.numbers("trained tokens", ",", lambda job: job.trained_tokens),
        blocks.numbers("minutes", ".1f", _minutes),
        ("last losses", False, _last),
        blocks.words("model", lambda job: job.model),
        ("hyperparameters", False, _chosen),
        blocks.words("messages", lambda job: " · ".join(job.messages)),
    ]
    return [
        *_chart(view),
        blocks.table(f"{view.id}-jobs-table", "Fine-tuning jobs", columns, jobs),
    ]


def _chart(view: View) -> list[Markup]:
    jobs = view.results.jobs
    # Of the first kind that any job has, so that all curves mean the same.
    loss = next((loss for loss in _LOSSES if any(_curve(job, loss) for job in jobs)), None)
    if loss is None:
        return [blocks.paragraph("The results have no curves of these jobs.", "note")]
    series: dict[str, list[list[tuple[float, float]]]] = {}
    for job in jobs:
        if curve := _curve(job, loss):
            series.setdefault(re.sub(r"-seed\d+$", "", job.name), []).append(curve)
    shown = dict(list(series.items())[:_MOST_SERIES])
    what = loss.replace("_", " ")
    chart, keys = curve_chart(shown, what)
    drawing = chart.svg(
        f"{view.id}-jobs-chart",
        f"The {what} of each job by step",
        f"{sum(map(len, shown.values()))} curves. The table below has the last losses.",
        "axis",
    )
    note = blocks.bounded(len(shown), len(series), "first", "lines")
    return [blocks.figure(drawing, keys), *note]


def _curve(job: Job, loss: str) -> list[tuple[float, float]]:
    """The steps of a job with a loss."""
    return [
        (at, value)
        for step in job.curve or ()
        if isinstance(value := step.get(loss), int | float)
        and isinstance(at := step["step"], int | float)
    ]


def _last(job: Job) -> str:
    curves = {loss.partition("_")[0]: _curve(job, loss) for loss in _LOSSES}
    return ", ".join(f"{name} {c[-1][1]:.4g}" for name, c in curves.items() if c) or blocks.NOTHING


def _minutes(job: Job) -> float | None:
    return None if job.seconds is None else job.seconds / 60


def _chosen(job: Job) -> str:
    chosen = (job.hyperparameters or {}).items()
    return ", ".join(f"{name} = {value}" for name, value in chosen if value is not None)


SECTION = Section("jobs", "Learning curves", _content, folded=True)
