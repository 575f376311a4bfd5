"""Charts over an axis of sizes, costs or steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunebench.reports.page.interval_charts import WIDTH, shortened
from tunebench.reports.page.svg import GRID, INK, MUTED, SERIES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS = "osD^vPX"
_DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)))


@dataclass(frozen=True)
class Point:
    """A cell in a chart.

    Attributes:
        series: the line or the kind of mark that it belongs to.
        label: its own name.
        x: what it takes.
        y: its accuracy.
        low: lower end of the accuracy's interval.
        high: upper end.
        tuned: whether its model was fine-tuned.
    """

    series: str
    label: str
    x: float
    y: float
    low: float
    high: float
    tuned: bool


def sizes_figure(points: Sequence[Point], majority: float | None) -> Figure:
    """Draw accuracy by training size, a line a series; size 0 stands apart on the left."""
    figure, axes = _figure(3.9)
    sizes = sorted({point.x for point in points if point.x > 0})
    nothing = sizes[0] / 2.2
    names = list(dict.fromkeys(point.series for point in points))
    if majority is not None:
        axes.axhline(
            majority, color=MUTED, linestyle=(0, (4, 3)), linewidth=1, label="majority label"
        )
    for number, name in enumerate(names):
        line = sorted((point for point in points if point.series == name), key=lambda p: p.x)
        # A little apart, for intervals at the same place hide each other.
        apart = 1.025 ** (number - (len(names) - 1) / 2)
        x = [(point.x or nothing) * apart for point in line]
        style = _style(number)
        for place, point in zip(x, line, strict=True):
            axes.plot([place, place], [point.low, point.high], color=style["color"], linewidth=1.1)
        trained = [(a, point.y) for a, point in zip(x, line, strict=True) if point.x > 0]
        axes.plot(*zip(*trained, strict=True), label=shortened(name), markersize=5.5, **style)
        for place, point in zip(x, line, strict=True):
            if point.x == 0:
                hollow = style | {"linestyle": "none", "markerfacecolor": "none"}
                axes.plot([place], [point.y], markersize=5.5, **hollow)
    axes.set_xscale("log")
    marks = [nothing] if any(point.x == 0 for point in points) else []
    ticks = [*marks, *sizes]
    axes.set_xticks(ticks, [*("0 (best prompt)" for _ in marks), *(f"{size:,}" for size in sizes)])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("training rows", color=INK)
    lowest = min([point.low for point in points] + ([] if majority is None else [majority]))
    _accuracy_axis(axes, math.floor(lowest * 10) / 10)
    _legend(figure, len(names) + 1)
    return figure


def spent_figure(points: Sequence[Point], title: str) -> Figure:
    """Draw accuracy against what an answer takes; cells that none beats for less are named."""
    figure, axes = _figure(4.4)
    names = list(dict.fromkeys(point.series for point in points))
    best = unbeaten(points)
    axes.step(
        [point.x for point in best],
        [point.y for point in best],
        where="post",
        color=MUTED,
        linestyle=(0, (4, 3)),
        linewidth=1,
        label="the most for as little",
    )
    for number, name in enumerate(names):
        style = _style(number) | {"linestyle": "none", "markersize": 6.5}
        axes.plot([], [], label=shortened(name), **style)
        for point in points:
            if point.series == name:
                fill = style["color"] if point.tuned else "none"
                axes.plot([point.x], [point.y], markerfacecolor=fill, **style)
    for point in best:
        axes.annotate(
            shortened(point.label), (point.x, point.y), (5, 7), textcoords="offset points"
        )
    spent = [point.x for point in points]
    if min(spent) > 0 and max(spent) / min(spent) > 8:
        axes.set_xscale("log")
        axes.margins(x=0.12)
        ticks = _round_numbers(*axes.get_xlim())
        axes.set_xticks(ticks, [f"{tick:,.6g}" for tick in ticks])
        axes.set_xticks([], minor=True)
    else:
        axes.margins(x=0.12)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.6g}")
    axes.set_xlabel(title, color=INK)
    _accuracy_axis(axes)
    _legend(figure, len(names) + 1)
    return figure


def unbeaten(points: Sequence[Point]) -> list[Point]:
    """The points that no other one beats in accuracy for as little or less, cheapest first."""
    best: list[Point] = []
    for point in sorted(points, key=lambda point: (point.x, -point.y)):
        if not best or point.y > best[-1].y:
            best.append(point)
    return best


def curve_figure(steps: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw a job: its losses by step and, where it is known, its accuracy as a classifier."""
    from matplotlib.figure import Figure

    accuracy = _known(steps, "classification/accuracy")
    figure = Figure(figsize=(WIDTH, 2.7), layout="constrained")
    columns = 2 if accuracy else 1
    panels: list[Axes] = list(figure.subplots(1, columns, sharex=True, squeeze=False)[0])
    losses, *rest = panels
    if known := _known(steps, "training_loss"):
        losses.plot(*zip(*known, strict=True), color=SERIES[0], linewidth=1, label="training")
    if known := _known(steps, "validation_loss"):
        style: dict[str, Any] = {"color": SERIES[1], "marker": "o", "linestyle": (0, (5, 2))}
        losses.plot(*zip(*known, strict=True), **style, markersize=5, label="validation")
    values = [y for name in ("training_loss", "validation_loss") for _, y in _known(steps, name)]
    # The first steps of a job can lose so much that the rest would be a line on the ground.
    if values and min(values) > 0 and max(values) / min(values) > 20:
        losses.set_yscale("log")
        ticks = _round_numbers(*losses.get_ylim())
        losses.set_yticks(ticks, [f"{tick:,.6g}" for tick in ticks])
        losses.set_yticks([], minor=True)
        losses.set_ylabel("loss, logarithmic", color=INK)
    else:
        losses.set_ylim(bottom=0)
        losses.set_ylabel("loss", color=INK)
    losses.legend(loc="upper right")
    for axes in rest:
        axes.plot(*zip(*accuracy, strict=True), color=SERIES[1], marker="o", markersize=5)
        axes.set_ylim(-0.02, 1.02)
        axes.set_ylabel("validation accuracy", color=INK)
    for axes in panels:
        axes.set_xlabel("step", color=INK)
        axes.grid(axis="y", color=GRID, linewidth=0.6)
    return figure


def _round_numbers(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten between two numbers."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    numbers = [float(f"{digit}e{power}") for power in powers for digit in (1, 2, 5)]
    return [number for number in numbers if low <= number <= high]


def _known(steps: Sequence[Mapping[str, Any]], name: str) -> list[tuple[float, float]]:
    return [
        (step["step"], step[name])
        for step in steps
        if step.get(name) is not None and step.get("step") is not None
    ]


def _figure(height: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.subplots()


def _style(number: int) -> dict[str, Any]:
    return {
        "color": SERIES[number % len(SERIES)],
        "marker": _MARKERS[number % len(_MARKERS)],
        "linestyle": _DASHES[number % len(_DASHES)],
        "linewidth": 1.6,
    }


def _accuracy_axis(axes: Axes, lowest: float = 0) -> None:
    axes.set_ylim(lowest - 0.02, 1.05)
    axes.set_yticks([tick / 10 for tick in range(round(lowest * 10), 11, 1 if lowest > 0.4 else 2)])
    axes.set_ylabel("accuracy", color=INK)
    axes.grid(axis="y", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)


def _legend(figure: Figure, entries: int) -> None:
    figure.legend(loc="outside upper left", ncols=min(entries, 3), handletextpad=0.5)
