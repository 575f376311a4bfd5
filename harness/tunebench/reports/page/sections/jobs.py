"""The learning curve of every fine-tuning job."""

from __future__ import annotations

from markupsafe import Markup

from tunebench.reports.page import blocks
from tunebench.reports.page.charts import curve_chart
from tunebench.reports.page.section import Blocks, Row, Rows, Section, View

_MOST_CHARTS = 24
_MOST_STEPS = 24
_METRICS = {
    "training_loss": "training loss",
    "validation_loss": "validation loss",
    "classification/accuracy": "accuracy",
}


def _content(view: View) -> Blocks:
    return [_job(view, job, number) for number, job in enumerate(view.parts["jobs"], 1)]


def _job(view: View, job: Row, number: int) -> Markup:
    name = f"{view.id}-jobs-{number}"
    steps = [step for step in job.get("curve") or () if step.get("step") is not None]
    content = [blocks.facts(_facts(job))]
    if job.get("served"):
        content.append(blocks.paragraph(job["served"]))
    if steps and number <= _MOST_CHARTS:
        chart = curve_chart(steps).svg(
            f"{name}-chart",
            f"Losses of {job['name']} by step",
            f"{len(steps)} steps. The table below has some of them.",
        )
        content.append(blocks.figure(chart))
    if steps:
        content.append(blocks.folded("Steps as a table", _table(name, job["name"], _some(steps))))
    else:
        content.append(blocks.paragraph("The results have no curve of this job.", "note"))
    return Markup(
        '<article aria-labelledby="{0}">\n<h{1} id="{0}">{2}</h{1}>\n{3}\n</article>'
    ).format(name, view.level + 1, job["name"], Markup("\n").join(content))


def _facts(job: Row) -> list[tuple[str, str]]:
    minutes = None if job.get("seconds") is None else job["seconds"] / 60
    found = [
        ("job", blocks.written(job.get("id"))),
        ("base", blocks.written(job.get("base"))),
        ("model", blocks.written(job.get("model"))),
        ("trained tokens", blocks.written(job.get("trained_tokens"), ",")),
        ("minutes", blocks.written(minutes, ".1f")),
    ]
    chosen = (job.get("hyperparameters") or {}).items()
    return found + [(str(name), blocks.written(value)) for name, value in chosen]


def _table(name: str, job: str, steps: Rows) -> Markup:
    known = [key for key in _METRICS if any(step.get(key) is not None for step in steps)]
    columns = [
        blocks.column("step", "step", ","),
        *(blocks.column(_METRICS[key], key, ".4f") for key in known),
    ]
    return blocks.table(f"{name}-table", f"Steps of {job}", columns, steps)


def _some(steps: Rows) -> Rows:
    """The steps with a validation, or else some at equal distances; always the last one."""
    marks = ("validation_loss", "classification/accuracy")
    validated = [step for step in steps if any(step.get(mark) is not None for mark in marks)]
    found = validated or steps
    every = -(-len(found) // _MOST_STEPS)
    return found[::-1][::every][::-1]


SECTION = Section("jobs", "Learning curves", _content)
