"""Learning curves as figures, drawn with matplotlib, which is an extra."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from tunebench.errors import ResultsError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def job_figure(curve: pd.DataFrame, title: str) -> Figure:
    """Draw a job: the loss by step, and below it the accuracy as a classifier if it is known.

    Args:
        curve: a row a step with the column `step` and those of `training_loss`,
            `validation_loss` and `classification/accuracy` that there are.
        title: of the figure.

    Raises:
        ResultsError: matplotlib is missing.
    """
    accuracy = "classification/accuracy"
    panels = 2 if accuracy in curve and curve[accuracy].notna().any() else 1
    figure = _new_figure(height=1.2 + 2.4 * panels)
    axes: list[Axes] = list(figure.subplots(panels, sharex=True, squeeze=False)[:, 0])
    _line(axes[0], curve, "training_loss", label="training", color="C0", alpha=0.4, linewidth=1)
    _line(axes[0], curve, "validation_loss", label="validation", color="C1", marker="o")
    axes[0].set_ylabel("loss")
    if axes[0].lines:
        axes[0].legend()
    if panels == 2:
        _line(axes[1], curve, accuracy, label="validation", color="C1", marker="o")
        axes[1].set_ylabel("classification accuracy")
    axes[-1].set_xlabel("step")
    figure.suptitle(title)
    return figure


def sizes_figure(sizes: pd.DataFrame) -> Figure:
    """Draw accuracy by training size: a line for each model and decision rule.

    Args:
        sizes: a row a cell with the columns `model`, `decision_rule`, `train_size` (above 0),
            `accuracy`, `ci_low` and `ci_high`.

    Raises:
        ResultsError: matplotlib is missing.
    """
    figure = _new_figure(height=4.4)
    axes: Axes = figure.subplots()
    lines = list(sizes.groupby(["model", "decision_rule"]))
    for i, ((model, rule), line) in enumerate(lines):
        # A little apart, for intervals at the same place hide each other.
        x = line["train_size"] * 1.03 ** (i - (len(lines) - 1) / 2)
        accuracy = line["accuracy"]
        # At 0 and 1 rounding can put the end of an interval a hair on the wrong side.
        ends = [(accuracy - line["ci_low"]).clip(0), (line["ci_high"] - accuracy).clip(0)]
        axes.errorbar(x, accuracy, ends, label=f"{model}, {rule}", marker="o", capsize=3)
    axes.set_xscale("log")
    marks = sorted(sizes["train_size"].unique())
    axes.set_xticks(marks, [str(mark) for mark in marks])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("training size")
    axes.set_ylabel("accuracy, 95 % interval")
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def render(figure: Figure, kind: str) -> bytes:
    """A figure as the bytes of a file, the same for the same figure.

    Args:
        figure: as the functions above give it.
        kind: ``svg`` or ``png``.
    """
    import matplotlib as mpl

    file = io.BytesIO()
    metadata: dict[str, Any] = {"Date": None} if kind == "svg" else {}
    # Text stays text in an SVG, and its ids do not come from chance.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "tunebench"}):
        figure.savefig(file, format=kind, dpi=150, metadata=metadata)
    return file.getvalue()


def _new_figure(height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        hint = "pip install 'tunebench[figures]'"
        raise ResultsError("matplotlib is not installed", hint=hint) from error

    return Figure(figsize=(7, height), layout="constrained")


def _line(axes: Axes, curve: pd.DataFrame, name: str, **style: Any) -> None:
    """Draw a column by step, over the steps at which it is known."""
    if name in curve and len(known := curve[curve[name].notna()]):
        axes.plot(known["step"], known[name], **style)
