"""Charts as SVG; their colours are classes of page.css, so they follow the reader's scheme."""

from tunebench.reports.page.charts.intervals import Estimate, interval_chart
from tunebench.reports.page.charts.lines import (
    Point,
    curve_chart,
    sizes_chart,
    spent_chart,
    unbeaten,
)

__all__ = [
    "Estimate",
    "Point",
    "curve_chart",
    "interval_chart",
    "sizes_chart",
    "spent_chart",
    "unbeaten",
]
