"""The parts of a chart: scales, axes, marks, legend, and the SVG that holds them."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Sequence

    Anchor = Literal["start", "middle", "end"]

WIDTH = 690.0
_LINE = 19.0  # from one line of text to the next
_LONGEST = 48
# Outlines of the marks around 0, as large as a circle of radius 1; None is the circle.
_MARKS: dict[str, Sequence[tuple[float, float]] | None] = {
    "circle": None,
    "square": [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
    "diamond": [(0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)],
    "up": [(0, -1.15), (1.1, 0.9), (-1.1, 0.9)],
    "down": [(0, 1.15), (1.1, -0.9), (-1.1, -0.9)],
}
_COLOURS = 6
_DASHES = 3


def style(number: int) -> str:
    """The classes of a series: its colour and the dashes of its line."""
    return f"series-{number % _COLOURS + 1} dash-{number % _DASHES + 1}"


def shape(number: int) -> str:
    """The mark of a series."""
    return list(_MARKS)[number % len(_MARKS)]


@dataclass(frozen=True)
class Scale:
    """A linear or logarithmic map from values to positions.

    Attributes:
        low: the value at `start`.
        high: the value at `end`.
        start: a position in pixels.
        end: another.
        log: whether equal ratios have equal distances; `low` is above 0 then.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The position of a value."""
        low, high, value = ((math.log(x) if self.log else x) for x in (self.low, self.high, value))
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Round values between the ends: 1, 2 and 5 times powers of ten, or multiples of one."""
        if self.log:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            found = [float(f"{digit}e{power}") for power in powers for digit in (1, 2, 5)]
        else:
            rough = (self.high - self.low) / 7
            power = math.floor(math.log10(rough))
            step = next(d for d in (1, 2, 5, 10) if d * 10.0**power >= rough * (1 - 1e-9))
            first = math.ceil(self.low / (step * 10.0**power) - 1e-9)
            last = math.floor(self.high / (step * 10.0**power) + 1e-9)
            # By its decimals, so that three times 0.1 is 0.3.
            found = [float(f"{n * step}e{power}") for n in range(first, last + 1)]
        return [tick for tick in found if self.low <= tick <= self.high]


class Chart:
    """A chart that is being drawn.

    Args:
        height: in pixels, without the legend.
        legend: of each series its mark (or ``line``), its classes and its name.
    """

    def __init__(self, height: float, legend: Sequence[tuple[str, str, str]] = ()) -> None:
        self._parts: list[Markup] = []
        self.height = height
        self.top = self._draw_legend(legend)

    def line(self, points: Sequence[tuple[float, float]], classes: str) -> None:
        """Draw a line through points."""
        path = "M" + "L".join(f"{_pixel(x)} {_pixel(y)}" for x, y in points)
        self._parts.append(Markup('<path class="{}" d="{}"/>').format(f"line {classes}", path))

    def mark(self, kind: str, x: float, y: float, classes: str, size: float = 3.7) -> None:
        """Draw a mark of `_MARKS`."""
        classes, corners = f"mark {classes}", _MARKS[kind]
        if corners is None:
            self._parts.append(
                Markup('<circle class="{}" cx="{}" cy="{}" r="{}"/>').format(
                    classes, _pixel(x), _pixel(y), size
                )
            )
        else:
            path = "L".join(f"{_pixel(x + a * size)} {_pixel(y + b * size)}" for a, b in corners)
            self._parts.append(Markup('<path class="{}" d="M{}Z"/>').format(classes, path))

    def text(
        self, x: float, y: float, text: str, anchor: Anchor = "start", classes: str = ""
    ) -> None:
        """Write a text whose middle line is at `y`."""
        self._parts.append(
            Markup('<text x="{}" y="{}" text-anchor="{}"{}>{}</text>').format(
                _pixel(x),
                _pixel(y + 4.5),
                anchor,
                Markup(' class="{}"').format(classes) if classes else "",
                text,
            )
        )

    def x_axis(
        self, scale: Scale, y: float, title: str, labels: Sequence[tuple[float, str]]
    ) -> None:
        """Draw a horizontal axis; a label that would touch the one before it is left out."""
        self.line([(scale.start, y), (scale.end, y)], "grid")
        free = -math.inf
        for value, label in labels:
            x, half = scale(value), text_width(label) / 2
            self.line([(x, y), (x, y + 4)], "grid")
            if x - half > free:
                self.text(x, y + 14, label, "middle", "muted")
                free = x + half + 6
        self.text((scale.start + scale.end) / 2, y + 34, title, "middle")

    def y_axis(
        self,
        scale: Scale,
        left: float,
        right: float,
        title: str,
        labels: Sequence[tuple[float, str]],
    ) -> None:
        """Draw the lines of a vertical axis, their labels, and its title above them."""
        for value, label in labels:
            self.line([(left, scale(value)), (right, scale(value))], "grid")
            self.text(left - 8, scale(value), label, "end", "muted")
        self.text(left - 40, scale.end - 16, title)

    def svg(self, name: str, title: str, description: str) -> Markup:
        """The chart as an element of a page.

        Args:
            name: the beginning of its ids.
            title: what it is, in a few words.
            description: what it shows, for readers who cannot see it.
        """
        return Markup(
            '<svg viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img" '
            'aria-labelledby="{2}-title {2}-desc"><title id="{2}-title">{3}</title>'
            '<desc id="{2}-desc">{4}</desc>{5}</svg>'
        ).format(
            _pixel(WIDTH),
            _pixel(self.top + self.height),
            name,
            title,
            description,
            Markup("\n").join(self._parts),
        )

    def _draw_legend(self, entries: Sequence[tuple[str, str, str]]) -> float:
        """The height that the legend takes."""
        x, y = 12.0, _LINE / 2
        for kind, classes, name in entries:
            wide = 46 + text_width(name)
            if x > 12 and x + wide > WIDTH:
                x, y = 12.0, y + _LINE
            if kind == "line" or "dash-" in classes:
                self.line([(x - 10, y), (x + 10, y)], classes)
            if kind != "line":
                self.mark(kind, x, y, classes)
            self.text(x + 16, y, name)
            x += wide
        return y + _LINE if entries else 8.0


def text_width(text: str) -> float:
    """About how wide a text is, in pixels, in the fonts of page.css."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return 7.0 * (len(text) - wide) + 12.7 * wide


def shortened(name: str) -> str:
    """A name that fits into a chart, without what XML cannot hold."""
    name = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"


def _pixel(position: float) -> str:
    return f"{position:.1f}".removesuffix(".0")
