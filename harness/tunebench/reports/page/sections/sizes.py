"""Accuracy by training size, and what more training data would give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebench.reports.page import blocks
from tunebench.reports.page.charts import Key, Point, sizes_chart
from tunebench.reports.page.section import Blocks, Section, View

if TYPE_CHECKING:
    from markupsafe import Markup

    from tunebench.reports.answers import Option

_MOST_SERIES = 8


def _content(view: View) -> Blocks:
    series: dict[str, list[Option]] = {}
    for option in view.options:
        if option.train_size and option.kind in ("fine-tuned", "rival"):
            series.setdefault(_series(option), []).append(option)
    needs = [need.sentence for need in view.results.data_needs]
    forecast = [blocks.folded("What more rows would give", blocks.bullets(needs))] if needs else []
    if not any(option.kind == "fine-tuned" for line in series.values() for option in line):
        return forecast
    names = list(series)
    shown = blocks.some(names, _MOST_SERIES, lambda name: -series[name][0].accuracy)
    chart, keys = _chart(view, [option for name in shown for option in series[name]])
    said = (
        "Vertical lines are 95 % intervals, faint dots single trainings. The horizontal lines are "
        "the most frequent label and the best option without fine-tuning."
    )
    text = [
        blocks.paragraph(said),
        blocks.legend(keys),
        *blocks.bounded(len(shown), len(names), "that reach the highest accuracy", "lines"),
        *forecast,
    ]
    return [blocks.group("split", blocks.group("text", *text), blocks.figure(chart))]


def _series(option: Option) -> str:
    """The name of an option's line: a model under a decision rule, or a rival."""
    rule = option.decision_rule if option.decision_rule != "text" else None
    return ", ".join(part for part in (option.model or option.name, rule) if part)


def _chart(view: View, options: list[Option]) -> tuple[Markup, list[Key]]:
    lines = []
    for kinds, classes in ((("constant",), "reference"), (("prompt", "rival"), "reference rival")):
        if best := next((one for one in view.options if one.kind in kinds), None):
            lines.append((Key("line", classes, f"{best.name}: {best.accuracy:.3f}"), best.accuracy))
    points = [
        Point(
            _series(one), one.name, one.train_size, one.accuracy, one.ci_low, one.ci_high, one.runs
        )
        for one in options
    ]
    chart, keys = sizes_chart(points, lines)
    drawing = chart.svg(
        f"{view.id}-sizes-chart",
        "Accuracy by training size",
        f"{len(points)} options. The table of all options has all values.",
        "axis",
    )
    return drawing, keys


SECTION = Section("sizes", "Accuracy by training size", _content)
