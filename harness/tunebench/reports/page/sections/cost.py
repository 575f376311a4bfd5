"""Accuracy against cost, where prices are known."""

from __future__ import annotations

from tunebench.reports.page import blocks
from tunebench.reports.page.charts import Point, kind_keys, spent_chart, unbeaten
from tunebench.reports.page.section import Blocks, Section, View


def _content(view: View) -> Blocks:
    said = [blocks.paragraph(each.sentence) for each in view.results.break_evens]
    priced = [
        (option.cost_per_1000, option)
        for option in view.options
        if option.cost_per_1000 is not None
    ]
    if not priced:
        return said
    currency = next((one.currency for _, one in priced if one.currency), "")
    title = f"cost of 1,000 answers{currency and f', {currency}'}"
    points = [
        Point(one.kind, one.name, cost, one.accuracy, one.ci_low, one.ci_high)
        for cost, one in priced
    ]
    best = unbeaten(points)
    text = [
        *said,
        blocks.legend(kind_keys(point.series for point in points)),
        blocks.paragraph("No other option is more accurate at the same cost or less:"),
        blocks.bullets(
            (f"{point.label}: {point.y:.3f} for {point.x:,.4g} {currency}" for point in best),
            tag="ol",
        ),
    ]
    drawing = spent_chart(points, title).svg(
        f"{view.id}-cost-chart",
        f"Accuracy against {title}",
        f"{len(points)} options. The table of all options has all values.",
        "axis",
    )
    return [blocks.group("split", blocks.group("text", *text), blocks.figure(drawing))]


SECTION = Section("cost", "Cost against accuracy", _content)
