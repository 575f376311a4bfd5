"""The parts of a chart: scales, axes, marks, keys, and the SVG that holds them.

Positions are in per cent of the drawing's width from left to right, and in pixels from top to
bottom: a chart is as wide as its place on the page, and its text is as large at any width.
"""

from __future__ import annotations

import itertools
import math
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Sequence

    Anchor = Literal["start", "middle", "end"]

NARROWEST = 250.0  # pixels: labels are placed so that they do not touch at this width
_LONGEST = 80
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


class Key(NamedTuple):
    """A mark or line of a chart with its meaning.

    Attributes:
        mark: one of the marks, or ``line``.
        classes: of page.css; with a dash the mark has a line.
        name: what it means.
    """

    mark: str
    classes: str
    name: str


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
        start: a position.
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
        height: in pixels.
    """

    def __init__(self, height: float) -> None:
        self._parts: list[Markup] = []
        self.height = height

    def line(self, points: Sequence[tuple[float, float]], classes: str) -> None:
        """Draw a line through points."""
        part = Markup('<line class="line {}" x1="{}%" y1="{}" x2="{}%" y2="{}"/>')
        for (x1, y1), (x2, y2) in itertools.pairwise(points):
            ends = (_short(x1), _short(y1), _short(x2), _short(y2))
            self._parts.append(part.format(classes, *ends))

    def mark(self, kind: str, x: float, y: float, classes: str, size: float = 3.7) -> None:
        """Draw a mark of `_MARKS`."""
        self._parts.append(_mark(kind, f"{_short(x)}%", y, classes, size))

    def text(
        self,
        x: float,
        y: float,
        text: str,
        anchor: Anchor = "start",
        classes: str = "",
        *,
        shift: float = 0,
    ) -> None:
        """Write a text whose middle line is at `y`, `shift` pixels to the right of `x`."""
        self._parts.append(
            Markup('<text x="{}%" y="{}"{}{}{}>{}</text>').format(
                _short(x),
                _short(y + 4.5),
                Markup(' dx="{}"').format(_short(shift)) if shift else "",
                Markup(' text-anchor="{}"').format(anchor) if anchor != "start" else "",
                Markup(' class="{}"').format(classes) if classes else "",
                text,
            )
        )

    def label(self, y: float, lines: Sequence[str], classes: str) -> None:
        """Write the lines of a row's name, the first at `y`; wide pages move it to the left."""
        parts = Markup("").join(
            Markup('<tspan x="0" y="{}">{}</tspan>').format(_short(y + 15 * i + 4.5), line)
            for i, line in enumerate(lines)
        )
        self._parts.append(Markup('<text class="label{}">{}</text>').format(classes, parts))

    def x_axis(
        self, scale: Scale, y: float, title: str, labels: Sequence[tuple[float, str]]
    ) -> None:
        """Draw a horizontal axis; a label that would touch the one before it is left out."""
        self.line([(scale.start, y), (scale.end, y)], "grid")
        free = -math.inf
        for value, label in labels:
            x, half = scale(value), text_width(label) / 2
            self.line([(x, y), (x, y + 4)], "grid")
            if x / 100 * NARROWEST - half > free:
                self.text(x, y + 14, label, "middle", "muted")
                free = x / 100 * NARROWEST + half + 6
        self.text((scale.start + scale.end) / 2, y + 33, title, "middle")

    def y_axis(self, scale: Scale, title: str, labels: Sequence[tuple[float, str]]) -> None:
        """Draw the lines of a vertical axis, their labels, and its title above them."""
        for value, label in labels:
            self.line([(0, scale(value)), (100, scale(value))], "grid")
            self.text(0, scale(value), label, "end", "muted", shift=-8)
        self.text(0, scale.end - 16, title, shift=-40)

    def svg(self, name: str, title: str, description: str, classes: str = "") -> Markup:
        """The chart as an element of a page.

        Args:
            name: the beginning of its ids.
            title: what it is, in a few words.
            description: what it shows, for readers who cannot see it.
            classes: of page.css, for the room at its sides.
        """
        return Markup(
            '<svg class="{5}" width="100%" height="{0}" role="img" '
            'aria-labelledby="{1}-title {1}-desc"><title id="{1}-title">{2}</title>'
            '<desc id="{1}-desc">{3}</desc>{4}</svg>'
        ).format(
            _short(self.height),
            name,
            title,
            description,
            Markup("\n").join(self._parts),
            f"plot {classes}".strip(),
        )

    @staticmethod
    def of_key(key: Key) -> Markup:
        """The mark or line of a key, for a drawing of 22 by 14 pixels."""
        line = Markup('<path class="line {}" d="M1 7H21"/>').format(key.classes)
        if key.mark == "line":
            return line
        return (line if "dash-" in key.classes else Markup("")) + _mark(
            key.mark, "11", 7, key.classes, 4
        )


def _mark(kind: str, x: str, y: float, classes: str, size: float) -> Markup:
    corners = _MARKS[kind]
    if corners is None:
        circle = Markup('<circle class="mark {}" cx="{}" cy="{}" r="{}"/>')
        return circle.format(classes, x, _short(y), size)
    path = "L".join(f"{_short(a * size)} {_short(b * size)}" for a, b in corners)
    return Markup('<svg x="{}" y="{}"><path class="mark {}" d="M{}Z"/></svg>').format(
        x, _short(y), classes, path
    )


def text_width(text: str) -> float:
    """About how wide a text is, in pixels, in the fonts of page.css."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return 7.0 * (len(text) - wide) + 12.7 * wide


def shortened(name: str, longest: int = _LONGEST) -> str:
    """A name that fits into a chart, without what XML cannot hold."""
    name = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    return name if len(name) <= longest else name[: longest - 1] + "…"


def _short(position: float) -> str:
    return f"{position:.1f}".removesuffix(".0")
