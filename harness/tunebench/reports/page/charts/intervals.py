"""Charts of estimates with their intervals, one line each."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from tunebench.reports.page.charts.svg import WIDTH, Chart, Scale, shortened, text_width

if TYPE_CHECKING:
    from collections.abc import Sequence

_ROW = 24.0
_MARKS = (("circle", "series-1"), ("square", "series-2 hollow"), ("diamond", "series-3"))


@dataclass(frozen=True)
class Estimate:
    """One line of the chart.

    Attributes:
        group: the heading above it.
        label: its name.
        kind: one of the chart's kinds.
        value: the estimate.
        low: lower end of its interval.
        high: upper end.
    """

    group: str
    label: str
    kind: str
    value: float
    low: float
    high: float


def interval_chart(
    estimates: Sequence[Estimate],
    kinds: Sequence[str],
    *,
    title: str,
    form: str,
    limits: tuple[float, float],
    line: tuple[float, str] | None,
) -> Chart:
    """Draw estimates with their intervals.

    Args:
        estimates: from top to bottom; those of one group are next to each other.
        kinds: at most three, which differ in colour and shape.
        title: title of the axis.
        form: format of the values.
        limits: ends of the axis.
        line: position and meaning of a dashed line.
    """
    styles = dict(zip(kinds, _MARKS, strict=False))
    used = {estimate.kind for estimate in estimates}
    legend = [] if line is None else [("line", "reference", line[1])]
    legend += [(*styles[kind], kind) for kind in kinds if kind in used]
    groups = [(name, list(group)) for name, group in groupby(estimates, lambda e: e.group)]
    bottom = _ROW * (len(estimates) + len(groups))
    chart = Chart(bottom + 46, legend)
    labels = [shortened(text) for e in estimates for text in (e.label, e.group)]
    left, right = 12 + max(map(text_width, labels)), WIDTH - 56
    x = Scale(*limits, left, right)
    chart.x_axis(x, chart.top + bottom, title, [(tick, f"{tick:g}") for tick in x.ticks()])
    for tick in x.ticks():
        chart.line([(x(tick), chart.top), (x(tick), chart.top + bottom)], "grid")
    if line is not None:
        ends = (chart.top, chart.top + bottom)
        chart.line([(x(line[0]), y) for y in ends], "reference")
    y = chart.top - _ROW / 2
    for name, group in groups:
        y += _ROW
        chart.text(left - 8, y, shortened(name), "end", "group")
        for estimate in group:
            y += _ROW
            mark, classes = styles[estimate.kind]
            chart.text(left - 8, y, shortened(estimate.label), "end")
            chart.line([(x(estimate.low), y), (x(estimate.high), y)], classes)
            chart.mark(mark, x(estimate.value), y, classes, 4)
            chart.text(right + 8, y, format(estimate.value, form))
    return chart
