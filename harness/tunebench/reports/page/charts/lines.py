"""Charts over an axis of training sizes, costs, steps or probabilities."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from tunebench.reports.page.charts.dots import KINDS
from tunebench.reports.page.charts.svg import (
    NARROWEST,
    Chart,
    Key,
    Scale,
    shape,
    shortened,
    style,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ABOVE, _BELOW = 30.0, 46.0  # for the titles of the axes


@dataclass(frozen=True)
class Point:
    """An option in a chart.

    Attributes:
        series: the name of its line, or its kind.
        label: its own name.
        x: its training size, or what its answers cost.
        y: its accuracy.
        low: lower end of the accuracy's interval.
        high: upper end.
        runs: the accuracies of several trainings, drawn faintly.
    """

    series: str
    label: str
    x: float
    y: float
    low: float
    high: float
    runs: Sequence[float] = ()


def sizes_chart(
    points: Sequence[Point], lines: Sequence[tuple[Key, float]]
) -> tuple[Chart, list[Key]]:
    """Draw accuracy by training size, one line per series.

    Args:
        points: with sizes above 0.
        lines: horizontal lines by their key: what needs no training of this kind.

    Returns:
        The chart and its legend.
    """
    names = list(dict.fromkeys(point.series for point in points))
    keys = [key for key, _ in lines]
    keys += [Key(shape(i), style(i), shortened(name)) for i, name in enumerate(names)]
    chart = Chart(330)
    sizes = sorted({point.x for point in points})
    x = Scale(sizes[0] / 1.3, sizes[-1] * 1.3, 0, 100, log=True)
    lowest = min([point.low for point in points] + [at for _, at in lines])
    y = _accuracy_axis(chart, math.floor(lowest * 10) / 10)
    chart.x_axis(x, y.start, "training rows", [(size, f"{size:,.0f}") for size in sizes])
    for key, at in lines:
        chart.line([(0, y(at)), (100, y(at))], key.classes)
    for i, name in enumerate(names):
        # A little apart, so that intervals at the same size do not hide each other.
        apart = 2 * (i - (len(names) - 1) / 2)
        line = sorted((point for point in points if point.series == name), key=lambda p: p.x)
        placed = [(x(point.x) + apart, point) for point in line]
        for at, point in placed:
            chart.line([(at, y(point.low)), (at, y(point.high))], style(i).split()[0])
            for run in point.runs if len(point.runs) > 1 else ():
                chart.mark("circle", at, y(run), f"{style(i).split()[0]} run", 3)
        chart.line([(at, y(point.y)) for at, point in placed], style(i))
        for at, point in placed:
            chart.mark(shape(i), at, y(point.y), style(i))
    return chart, keys


def spent_chart(points: Sequence[Point], title: str) -> Chart:
    """Draw accuracy against cost; `unbeaten` points are joined and numbered, cheapest first."""
    chart = Chart(340)
    spent = [point.x for point in points]
    low, high = min(spent), max(spent)
    log = low > 0 and high / low > 8
    margin = (high / low) ** 0.06 if log else (high - low) * 0.06 or high * 0.1 or 1
    ends = (low / margin, high * margin) if log else (low - margin, high + margin)
    x = Scale(*ends, 0, 100, log)
    y = _accuracy_axis(chart, math.floor(min(point.y for point in points) * 10) / 10)
    chart.x_axis(x, y.start, title, [(tick, f"{tick:,.6g}") for tick in x.ticks() if tick >= 0])
    best = unbeaten(points)
    steps = [(x(best[0].x), y(best[0].y))]
    for before, point in pairwise(best):
        steps += [(x(point.x), y(before.y)), (x(point.x), y(point.y))]
    chart.line(steps, "reference")
    for point in points:
        mark, classes = KINDS[point.series]
        chart.mark(mark, x(point.x), y(point.y), classes, 4.3)
    before_at, above = -math.inf, math.inf
    for number, point in enumerate(best, 1):
        at, height = x(point.x), y(point.y) - 13
        if (at - before_at) / 100 * NARROWEST < 20:
            height = min(height, above - 15)
        before_at, above = at, height
        chart.text(at, height, str(number), "middle", "strong")
    return chart


def unbeaten(points: Sequence[Point]) -> list[Point]:
    """The points that no other beats in accuracy at the same cost or less, cheapest first."""
    best: list[Point] = []
    for point in sorted(points, key=lambda point: (point.x, -point.y)):
        if not best or point.y > best[-1].y:
            best.append(point)
    return best


def curve_chart(
    curves: Mapping[str, Sequence[Sequence[tuple[float, float]]]], title: str
) -> tuple[Chart, list[Key]]:
    """Draw losses by step.

    Args:
        curves: the curves of each series, by its name; points are steps with their losses.
        title: title of the losses.

    Returns:
        The chart and its legend.
    """
    points = [point for lines in curves.values() for line in lines for point in line]
    steps, losses = [step for step, _ in points], [loss for _, loss in points]
    # The first steps of a job can lose so much that the rest would be flat.
    log = min(losses) > 0 and max(losses) / min(losses) > 20
    low, high = min(losses) / 1.1 if log else min(0, *losses), 1.08 * max(losses) or 1
    chart = Chart(320)
    y = Scale(low, high, chart.height - _BELOW, _ABOVE, log)
    room = (max(steps) - min(steps)) * 0.03 or 1
    x = Scale(min(steps) - room, max(steps) + room, 0, 100)
    chart.y_axis(y, title + ", logarithmic" * log, [(tick, f"{tick:,.6g}") for tick in y.ticks()])
    whole = [(tick, f"{tick:,.0f}") for tick in x.ticks() if tick >= 0 and tick == int(tick)]
    chart.x_axis(x, y.start, "step", whole)
    for i, lines in enumerate(curves.values()):
        for line in lines:
            places = [(x(step), y(loss)) for step, loss in line]
            chart.line(places, style(i))
            for place in places if len(places) < 40 else ():
                chart.mark(shape(i), *place, style(i).split()[0], 3.3)
    return chart, [Key(shape(i), style(i), shortened(name)) for i, name in enumerate(curves)]


def reliability_chart(bins: Sequence[tuple[float, float]]) -> Chart:
    """Draw the share of right answers by stated probability; the diagonal is where they agree."""
    chart = Chart(190)
    x = Scale(0, 1, 0, 100)
    y = Scale(0, 1, chart.height - _BELOW, 10)
    labels = [(0, "0"), (0.5, "0.5"), (1, "1")]
    for value, label in labels:
        chart.line([(0, y(value)), (100, y(value))], "grid")
        chart.text(0, y(value), label, "end", "muted", shift=-8)
    chart.x_axis(x, y.start, "probability", labels)
    chart.line([(0, y(0)), (100, y(1))], "reference")
    places = [(x(stated), y(share)) for stated, share in bins]
    chart.line(places, "series-1")
    for place in places:
        chart.mark("circle", *place, "series-1", 4)
    return chart


def _accuracy_axis(chart: Chart, lowest: float = 0) -> Scale:
    scale = Scale(lowest - 0.02, 1.05, chart.height - _BELOW, _ABOVE)
    every = 1 if lowest > 0.4 else 2
    ticks = [tick / 10 for tick in range(round(lowest * 10), 11, every)]
    chart.y_axis(scale, "accuracy", [(tick, f"{tick:.1f}") for tick in ticks])
    return scale
