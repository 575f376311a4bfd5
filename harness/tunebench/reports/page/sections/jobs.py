"""The learning curve of every fine-tuning job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from tunebench.reports.page.blocks import (
    column,
    facts,
    figure,
    folded,
    paragraph,
    table,
    written,
)
from tunebench.reports.page.charts import curve_chart
from tunebench.reports.page.section import Row, Section, View

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_CHARTS = 24
_MOST_STEPS = 24
_METRICS = {
    "training_loss": "training loss",
    "validation_loss": "validation loss",
    "classification/accuracy": "accuracy",
}


def _content(view: View) -> Sequence[Markup]:
    return [_job(view, job, number) for number, job in enumerate(view.parts["jobs"], 1)]


def _job(view: View, job: Row, number: int) -> Markup:
    name = f"{view.id}-job{number}"
    steps = [step for step in job.get("curve") or () if step.get("step") is not None]
    blocks = [facts(_facts(job))]
    if job.get("served"):
        blocks.append(paragraph(job["served"]))
    if steps and number <= _MOST_CHARTS:
        chart = curve_chart(steps).svg(
            f"{name}-chart",
            f"Losses of {job['name']} by step",
            f"{len(steps)} steps. The table below has some of them.",
        )
        blocks.append(figure(chart))
    if steps:
        blocks.append(folded("Steps as a table", _table(name, job["name"], _some(steps))))
    else:
        blocks.append(paragraph("The results have no curve of this job.", "note"))
    return Markup(
        '<article aria-labelledby="{0}">\n<h{1} id="{0}">{2}</h{1}>\n{3}\n</article>'
    ).format(name, view.level + 1, job["name"], Markup("\n").join(blocks))


def _facts(job: Row) -> list[tuple[str, str]]:
    minutes = None if job.get("seconds") is None else job["seconds"] / 60
    found = [
        ("job", written(job.get("id"))),
        ("base", written(job.get("base"))),
        ("model", written(job.get("model"))),
        ("trained tokens", written(job.get("trained_tokens"), ",")),
        ("minutes", written(minutes, ".1f")),
    ]
    chosen = (job.get("hyperparameters") or {}).items()
    return found + [(str(name), written(value)) for name, value in chosen]


def _table(name: str, job: str, steps: Sequence[Row]) -> Markup:
    known = [key for key in _METRICS if any(step.get(key) is not None for step in steps)]
    columns = [column("step", "step", ","), *(column(_METRICS[key], key, ".4f") for key in known)]
    return table(f"{name}-table", f"Steps of {job}", columns, steps)


def _some(steps: Sequence[Row]) -> Sequence[Row]:
    """The steps with a validation, or else some at equal distances; always the last one."""
    marks = ("validation_loss", "classification/accuracy")
    validated = [step for step in steps if any(step.get(mark) is not None for mark in marks)]
    found = validated or steps
    every = -(-len(found) // _MOST_STEPS)
    return found[::-1][::every][::-1]


SECTION = Section("jobs", "Learning curves", _content)
