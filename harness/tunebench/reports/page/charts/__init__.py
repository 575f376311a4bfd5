"""Charts as SVG; their colours are classes of page.css, so they follow the reader's scheme."""

from tunebench.reports.page.charts.dots import Dot, dot_chart, dot_keys, kind_keys
from tunebench.reports.page.charts.lines import (
    Point,
    curve_chart,
    reliability_chart,
    sizes_chart,
    spent_chart,
    unbeaten,
)
from tunebench.reports.page.charts.svg import Chart, Key

__all__ = [
    "Chart",
    "Dot",
    "Key",
    "Point",
    "curve_chart",
    "dot_chart",
    "dot_keys",
    "kind_keys",
    "reliability_chart",
    "sizes_chart",
    "spent_chart",
    "unbeaten",
]
