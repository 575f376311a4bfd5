"""Charts of estimates with their intervals, a line each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunebench.reports.page.svg import GRID, INK, MUTED, SERIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

WIDTH = 6.9
_LONGEST = 48


@dataclass(frozen=True)
class Estimate:
    """One line of the chart.

    Attributes:
        group: the heading it stands under.
        label: its name there.
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


def interval_figure(
    estimates: Sequence[Estimate],
    kinds: Sequence[str],
    *,
    title: str,
    form: str,
    limits: tuple[float, float],
    line: tuple[float, str] | None,
) -> Figure:
    """Draw estimates with their intervals.

    Args:
        estimates: from top to bottom; those of one group together.
        kinds: at most three, which differ by colour, shape and filling.
        title: of the axis.
        form: how values are written.
        limits: of the axis.
        line: where a dashed line stands, and what it is.
    """
    from matplotlib.figure import Figure

    lines = _lines(estimates)
    figure = Figure(figsize=(WIDTH, 1.1 + 0.25 * len(lines)), layout="constrained")
    axes = figure.subplots()
    styles: dict[str, dict[str, Any]] = {
        kind: {"marker": marker, "color": SERIES[number], "markerfacecolor": fill}
        for number, (kind, marker, fill) in enumerate(
            zip(kinds, "oDs", (SERIES[0], "none", SERIES[2]), strict=False)
        )
    }
    if line is not None:
        axes.axvline(line[0], color=MUTED, linestyle=(0, (4, 3)), linewidth=1, label=line[1])
    for y, estimate in enumerate(lines):
        if isinstance(estimate, Estimate):
            style = styles[estimate.kind]
            axes.plot(
                [estimate.low, estimate.high],
                [y, y],
                color=style["color"],
                linewidth=1.4,
                solid_capstyle="butt",
            )
            axes.plot([estimate.value], [y], **style, markersize=6, linestyle="none")
            axes.text(
                1.015,
                y,
                format(estimate.value, form),
                transform=axes.get_yaxis_transform(),
                va="center_baseline",
            )
    for kind in kinds:
        if any(estimate.kind == kind for estimate in estimates):
            axes.plot([], [], label=kind, linestyle="none", markersize=6, **styles[kind])
    axes.set_xlim(*limits)
    axes.set_ylim(len(lines) - 0.4, -0.6)
    labels = [found.label if isinstance(found, Estimate) else found for found in lines]
    axes.set_yticks(range(len(lines)), [shortened(label) for label in labels])
    for text, found in zip(axes.get_yticklabels(), lines, strict=True):
        if not isinstance(found, Estimate):
            text.set_fontweight("bold")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(title, color=INK)
    figure.legend(loc="outside upper left", ncols=len(kinds) + 1, handletextpad=0.3)
    return figure


def shortened(label: str) -> str:
    """A name that fits into a chart and that XML can hold."""
    label = " ".join("".join(c if c.isprintable() else " " for c in label).split())
    return label if len(label) <= _LONGEST else label[: _LONGEST - 1] + "…"


def _lines(estimates: Sequence[Estimate]) -> list[Estimate | str]:
    lines: list[Estimate | str] = []
    group = None
    for estimate in estimates:
        if estimate.group != group:
            group = estimate.group
            lines.append(group)
        lines.append(estimate)
    return lines
