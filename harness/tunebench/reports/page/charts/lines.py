"""Charts over an axis of training sizes, costs or steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tunebench.reports.page.charts.svg import (
    WIDTH,
    Chart,
    Scale,
    shape,
    shortened,
    style,
    text_width,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LEFT, _RIGHT = 48.0, WIDTH - 8
_ABOVE, _BELOW = 30.0, 46.0  # for the titles of the axes


@dataclass(frozen=True)
class Point:
    """A cell in a chart.

    Attributes:
        series: the name of its line, or of its kind of mark.
        label: its own name.
        x: its training size, or what its answers cost.
        y: its accuracy.
        low: lower end of the accuracy's interval.
        high: upper end.
        tuned: whether its model is fine-tuned.
    """

    series: str
    label: str
    x: float
    y: float
    low: float
    high: float
    tuned: bool

    @classmethod
    def of(cls, row: Mapping[str, Any], series: str, x: float) -> Point:
        """The point of a cell or rival of the results."""
        label, tuned = str(row.get("cell") or series), bool(row.get("train_size"))
        return cls(series, label, x, row["accuracy"], row["ci_low"], row["ci_high"], tuned)


def sizes_chart(points: Sequence[Point], majority: float | None) -> Chart:
    """Draw accuracy by training size, one line per series; size 0 is apart on the left."""
    names = list(dict.fromkeys(point.series for point in points))
    legend = [] if majority is None else [("line", "reference", "majority label")]
    legend += [(shape(i), style(i), shortened(name)) for i, name in enumerate(names)]
    chart = Chart(370, legend)
    sizes = sorted({point.x for point in points if point.x > 0})
    prompted = any(point.x == 0 for point in points)
    zero = sizes[0] / 2.2
    x = Scale((zero if prompted else sizes[0]) / 1.3, sizes[-1] * 1.3, _LEFT, _RIGHT, log=True)
    labels = [(zero, "0 (best prompt)")] if prompted else []
    lowest = min([point.low for point in points] + ([] if majority is None else [majority]))
    y = _accuracy_axis(chart, math.floor(lowest * 10) / 10)
    chart.x_axis(x, y.start, "training rows", labels + [(size, f"{size:,}") for size in sizes])
    if majority is not None:
        chart.line([(_LEFT, y(majority)), (_RIGHT, y(majority))], "reference")
    for i, name in enumerate(names):
        # A little apart, so that intervals at the same size do not hide each other.
        apart = 7 * (i - (len(names) - 1) / 2)
        line = sorted((point for point in points if point.series == name), key=lambda p: p.x)
        placed = [(x(point.x or zero) + apart, point) for point in line]
        for at, point in placed:
            chart.line([(at, y(point.low)), (at, y(point.high))], style(i).split()[0])
        chart.line([(at, y(point.y)) for at, point in placed if point.x], style(i))
        for at, point in placed:
            chart.mark(shape(i), at, y(point.y), style(i) + ("" if point.x else " hollow"))
    return chart


def spent_chart(points: Sequence[Point], title: str) -> Chart:
    """Draw accuracy against cost; the cells of `unbeaten` are named."""
    names = list(dict.fromkeys(point.series for point in points))
    legend = [("line", "reference", "the most for as little")]
    legend += [(shape(i), style(i).split()[0], shortened(n)) for i, n in enumerate(names)]
    chart = Chart(420, legend)
    spent = [point.x for point in points]
    low, high = min(spent), max(spent)
    log = low > 0 and high / low > 8
    margin = (high / low) ** 0.12 if log else (high - low) * 0.12 or high * 0.1 or 1
    ends = (low / margin, high * margin) if log else (low - margin, high + margin)
    x = Scale(*ends, _LEFT, _RIGHT, log)
    y = _accuracy_axis(chart)
    chart.x_axis(x, y.start, title, [(tick, f"{tick:,.6g}") for tick in x.ticks() if tick >= 0])
    best = unbeaten(points)
    steps = [(x(best[0].x), y(best[0].y))]
    for before, point in pairwise(best):
        steps += [(x(point.x), y(before.y)), (x(point.x), y(point.y))]
    chart.line(steps, "reference")
    for i, name in enumerate(names):
        for point in points:
            if point.series == name:
                classes = style(i).split()[0] + ("" if point.tuned else " hollow")
                chart.mark(shape(i), x(point.x), y(point.y), classes, 4.3)
    for point in best:
        label = shortened(point.label)
        over = x(point.x) + 8 + text_width(label) > WIDTH
        at = x(point.x) + (-7 if over else 7)
        chart.text(at, y(point.y) - 11, label, "end" if over else "start")
    return chart


def unbeaten(points: Sequence[Point]) -> list[Point]:
    """The points that no other beats in accuracy at the same cost or less, cheapest first."""
    best: list[Point] = []
    for point in sorted(points, key=lambda point: (point.x, -point.y)):
        if not best or point.y > best[-1].y:
            best.append(point)
    return best


def curve_chart(steps: Sequence[Mapping[str, Any]]) -> Chart:
    """Draw a job: its losses by step and, if it is known, its accuracy as a classifier."""
    losses = [
        (classes, mark, _known(steps, name))
        for name, classes, mark in (
            ("training_loss", "series-1", None),
            ("validation_loss", "series-2 dash-2", "circle"),
        )
    ]
    accuracy = _known(steps, "classification/accuracy")
    legend = [("line", "series-1", "training"), ("circle", "series-2 dash-2", "validation")]
    chart = Chart(250, [entry for entry, (*_, known) in zip(legend, losses, strict=True) if known])
    middle = WIDTH / 2 if accuracy else WIDTH
    values = [value for _, _, known in losses for _, value in known]
    # The first steps of a job can lose so much that the rest would be flat.
    log = bool(values) and min(values) > 0 and max(values) / min(values) > 20
    low, high = min(values) / 1.1 if log else 0, 1.08 * max(values, default=0) or 1
    y = Scale(low, high, chart.top + 250 - _BELOW, chart.top + _ABOVE, log)
    title = "loss, logarithmic" if log else "loss"
    _curve_panel(chart, y, (_LEFT, middle - 12), title, losses, steps)
    if accuracy:
        y = Scale(-0.02, 1.02, y.start, y.end)
        curve = [("series-2", "circle", accuracy)]
        _curve_panel(chart, y, (middle + _LEFT, _RIGHT), "validation accuracy", curve, steps)
    return chart


def _curve_panel(
    chart: Chart,
    y: Scale,
    sides: tuple[float, float],
    title: str,
    curves: Sequence[tuple[str, str | None, Sequence[tuple[float, float]]]],
    steps: Sequence[Mapping[str, Any]],
) -> None:
    known = [step["step"] for step in steps]
    room = (max(known) - min(known)) * 0.04 or 1
    x = Scale(min(known) - room, max(known) + room, *sides)
    chart.y_axis(y, *sides, title, [(tick, f"{tick:,.6g}") for tick in y.ticks()])
    whole = [(tick, f"{tick:,.0f}") for tick in x.ticks() if tick >= 0 and tick == int(tick)]
    chart.x_axis(x, y.start, "step", whole)
    for classes, mark, curve in curves:
        points = [(x(step), y(value)) for step, value in curve]
        if points:
            chart.line(points, classes)
        for at in points if mark else ():
            chart.mark(mark or "", *at, classes.split()[0], 3.3)


def _known(steps: Sequence[Mapping[str, Any]], name: str) -> list[tuple[float, float]]:
    return [(step["step"], step[name]) for step in steps if step.get(name) is not None]


def _accuracy_axis(chart: Chart, lowest: float = 0) -> Scale:
    top, bottom = chart.top + _ABOVE, chart.top + chart.height - _BELOW
    scale = Scale(lowest - 0.02, 1.05, bottom, top)
    every = 1 if lowest > 0.4 else 2
    ticks = [tick / 10 for tick in range(round(lowest * 10), 11, every)]
    chart.y_axis(scale, _LEFT, _RIGHT, "accuracy", [(tick, f"{tick:.1f}") for tick in ticks])
    return scale
