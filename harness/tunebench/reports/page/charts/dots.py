"""The dot-and-interval chart: an option a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunebench.reports.page.charts.svg import Chart, Key, Scale, shortened, text_width

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_ROOM = 285.0  # pixels for a line of a name
_LINE = 15.0
KINDS = {
    "fine-tuned": ("circle", "series-1"),
    "prompt": ("square", "series-2 hollow"),
    "rival": ("diamond", "series-3"),
    "constant": ("up", "constant"),
}


@dataclass(frozen=True)
class Dot:
    """A row of the chart.

    Attributes:
        label: its name.
        kind: the kind of the option, which decides on colour and shape.
        value: where its mark is.
        low: lower end of its interval.
        high: upper end.
        runs: the values of several trainings, drawn faintly.
        strong: whether its name is bold.
    """

    label: str
    kind: str
    value: float
    low: float
    high: float
    runs: Sequence[float] = ()
    strong: bool = False

    @property
    def lines(self) -> list[str]:
        """Its name in one line, or in two of about the same length."""
        room, name = _ROOM / (1.08 if self.strong else 1), shortened(self.label)
        if text_width(name) <= room:
            return [name]
        fits = int(room * len(name) / text_width(name))
        spaces = [i for i, letter in enumerate(name) if letter == " "]
        at = min(spaces, key=lambda i: abs(2 * i - len(name)), default=fits)
        return [shortened(part, fits) for part in (name[:at], name[at:])]

    @property
    def height(self) -> float:
        """The height of its row, in pixels."""
        return 20 + _LINE * len(self.lines)


def kind_keys(kinds: Iterable[str]) -> list[Key]:
    """The legend of kinds of options."""
    used = set(kinds)
    return [Key(*KINDS[kind], kind) for kind in KINDS if kind in used]


def dot_keys(dots: Sequence[Dot]) -> list[Key]:
    """The legend of the chart."""
    keys = kind_keys(dot.kind for dot in dots)
    if any(len(dot.runs) > 1 for dot in dots):
        keys.append(Key("circle", "constant run", "one training"))
    return keys


def dot_chart(
    dots: Sequence[Dot], *, title: str, form: str, limits: tuple[float, float], line: float | None
) -> Chart:
    """Draw rows from top to bottom.

    Args:
        dots: the rows.
        title: title of the axis.
        form: format of the values.
        limits: ends of the axis.
        line: position of a dashed line.
    """
    bottom = sum(dot.height for dot in dots) + 4
    chart = Chart(bottom + 40)
    x = Scale(*limits, 0, 100)
    for tick in x.ticks():
        chart.line([(x(tick), 0), (x(tick), bottom)], "grid")
    if line is not None:
        chart.line([(x(line), 0), (x(line), bottom)], "reference")
    chart.x_axis(x, bottom, title, [(tick, f"{tick:g}") for tick in x.ticks()])
    top = 0.0
    for dot in dots:
        mark, classes = KINDS[dot.kind]
        kinds = [" two"] * (len(dot.lines) > 1) + [" strong"] * dot.strong
        chart.label(top + 10, dot.lines, "".join(kinds))
        top += dot.height
        y = top - 10
        chart.line([(x(dot.low), y), (x(dot.high), y)], f"whisker {classes}")
        for run in dot.runs if len(dot.runs) > 1 else ():
            chart.mark("circle", x(run), y, f"{classes} run", 3.2)
        chart.mark(mark, x(dot.value), y, classes, 4.6)
        chart.text(100, y, format(dot.value, form), "start", "strong" * dot.strong, shift=8)
    return chart
