"""Figures as SVG inside a page: no ids that clash, colours that follow the reader's scheme.

matplotlib writes colours into style attributes. Here each distinct style becomes a class of one
style sheet, in which the colours below are variables of the page. So the page can forbid styles
that it did not bring along, and one figure serves the light and the dark scheme.
"""

from __future__ import annotations

import io
import re
import warnings
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

# Colours that stand for the page's variables; matplotlib takes nothing but real ones.
INK, MUTED, GRID = "#010101", "#010102", "#010103"
SERIES = ("#020101", "#020102", "#020103", "#020104", "#020105", "#020106")
_VARIABLES = {INK: "ink", MUTED: "muted", GRID: "grid"} | {
    colour: f"series-{number}" for number, colour in enumerate(SERIES, 1)
}
_POINTS_TO_PIXELS = 96 / 72
_RC = {
    "axes.edgecolor": GRID,
    "axes.facecolor": "none",
    "axes.labelcolor": MUTED,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "none",
    "font.size": 9.5,
    "grid.color": GRID,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "svg.fonttype": "none",
    "svg.hashsalt": "tunebench",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.color": GRID,
    "ytick.labelcolor": INK,
}


class Drawings:
    """The figures of one page, which share a style sheet."""

    def __init__(self) -> None:
        self._classes: dict[str, str] = {}
        self._count = 0

    def draw(self, make: Callable[[], Figure], title: str, description: str) -> Markup:
        """Draw a figure.

        Args:
            make: makes it.
            title: what it is, in a few words.
            description: what there is to see, for those who don't.
        """
        import matplotlib.style

        # A reader's own settings of matplotlib would change the page.
        with matplotlib.style.context(["default", _RC]), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the reader's fonts draw the text, not matplotlib's
            file = io.BytesIO()
            make().savefig(file, format="svg", metadata={"Date": None})
        self._count += 1
        return self._inline(ET.fromstring(file.getvalue()), title, description)

    @property
    def css(self) -> str:
        """The style sheet of what was drawn so far."""
        return "".join(f".{name}{{{style}}}\n" for style, name in self._classes.items())

    def _inline(self, svg: ET.Element, title: str, description: str) -> Markup:
        prefix = f"chart{self._count}"
        _drop(svg, ("metadata", "style"))
        ids = {
            name: f"{prefix}-{number}"
            for number, name in enumerate(dict.fromkeys(_references(svg)), 1)
        }
        for element in svg.iter():
            element.tag = _local(element.tag)
            self._rewrite(element, ids)
        width, height = (float(number) for number in svg.attrib["viewBox"].split()[2:])
        svg.attrib = {
            "viewBox": svg.attrib["viewBox"],
            "width": f"{width * _POINTS_TO_PIXELS:.0f}",
            "height": f"{height * _POINTS_TO_PIXELS:.0f}",
            "role": "img",
            "aria-labelledby": f"{prefix}-title {prefix}-desc",
        }
        for place, (tag, text) in enumerate((("title", title), ("desc", description))):
            element = ET.Element(tag, {"id": f"{prefix}-{tag}"})
            element.text = text
            svg.insert(place, element)
        return Markup(ET.tostring(svg, encoding="unicode"))

    def _rewrite(self, element: ET.Element, ids: dict[str, str]) -> None:
        attributes = {}
        for name, value in element.attrib.items():
            if name == "id":
                if value in ids:
                    attributes["id"] = ids[value]
            elif name == "style":
                if style := _style(value):
                    attributes["class"] = self._classes.setdefault(
                        style, f"d{len(self._classes) + 1}"
                    )
            elif name == "clip-path":
                attributes[name] = f"url(#{ids[value[5:-1]]})"
            elif _local(name) == "href":
                attributes["href"] = f"#{ids[value[1:]]}"
            else:
                attributes[_local(name)] = value
        element.attrib = attributes


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _drop(svg: ET.Element, tags: tuple[str, ...]) -> None:
    for parent in list(svg.iter()):
        for child in list(parent):
            if _local(child.tag) in tags:
                parent.remove(child)


def _references(svg: ET.Element) -> list[str]:
    found = []
    for element in svg.iter():
        for name, value in element.attrib.items():
            if name == "clip-path":
                found.append(value[5:-1])
            elif _local(name) == "href":
                found.append(value[1:])
    return found


def _style(text: str) -> str:
    """A style with variables for colours and the page's own font."""
    kept = []
    for part in text.split(";"):
        name, _, value = (piece.strip() for piece in part.partition(":"))
        if name == "font":
            size = re.search(r"[\d.]+px", value)
            weight = re.match(r"(bold|\d{3}) ", value)
            kept.append(f"font-size:{size[0] if size else '10px'}")
            if weight:
                kept.append(f"font-weight:{weight[1]}")
        elif name and name not in ("font-family", "font-stretch", "font-variant"):
            value = re.sub(r"#[0-9a-f]{6}", lambda found: _variable(found[0]), value)
            kept.append(f"{name}:{value}")
    return ";".join(kept)


def _variable(colour: str) -> str:
    return f"var(--{_VARIABLES[colour]})"
