"""Learning curves as lines of text with aligned columns."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tunebench.reports.alignment import aligned

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

_TITLES = {
    "step": "step",
    "mean_training_loss": "training loss",
    "validation_loss": "validation loss",
    "validation_sequence_accuracy": "sequence accuracy",
    "validation_token_accuracy": "token accuracy",
    "classification/accuracy": "accuracy",
    "classification/precision": "precision",
    "classification/recall": "recall",
    "classification/f1.0": "f1",
    "classification/auroc": "auroc",
    "classification/auprc": "auprc",
}


def job_lines(
    name: str, job: Mapping[str, Any], curve: pd.DataFrame, epochs: pd.DataFrame
) -> list[str]:
    """What is known of a job, and a line an epoch.

    Args:
        name: the job's name for people.
        job: `id`, `model`, `status`, `fine_tuned_model`, `trained_tokens` and `minutes`.
        curve: a row a step.
        epochs: the rows of the curve's epochs with `mean_training_loss`.
    """
    about = {
        "job": job["id"] if name == job["id"] else f"{name}, {job['id']}",
        "model": job["model"],
        "status": job["status"],
        "fine-tuned": job["fine_tuned_model"],
        "tokens": job["trained_tokens"],
        "minutes": job["minutes"],
    }
    lines = [f"{title:<10}  {'-' if value is None else value}" for title, value in about.items()]
    if epochs.empty:
        loss = curve["training_loss"].mean() if "training_loss" in curve else math.nan
        mean = _number("training_loss", loss)
        said = f"{len(curve)} steps, mean training loss {mean}; no step was validated."
        return [*lines, "", said]
    names = [name for name in _TITLES if name in epochs and epochs[name].notna().any()]
    rows = [[_number(name, row[name]) for name in names] for row in epochs.to_dict("records")]
    return [*lines, "", *aligned([_TITLES[name] for name in names], rows)]


def sizes_lines(sizes: pd.DataFrame) -> list[str]:
    """Accuracy by training size, a line a cell, header first.

    Args:
        sizes: as `tunebench.statistics.learning_curves.accuracy_by_size` gives it.
    """
    rows = [
        [
            row["model"],
            row["decision_rule"],
            str(row["train_size"]),
            f"{row['accuracy']:.3f}",
            f"{row['ci_low']:.3f}-{row['ci_high']:.3f}",
        ]
        for row in sizes.to_dict("records")
    ]
    header = ["model", "rule", "training size", "accuracy", "95 % interval"]
    return aligned(header, rows)


def _number(name: str, value: float) -> str:
    if value != value:  # NaN: not known at this step, or not finite
        return "-"
    return str(value) if name == "step" else f"{value:.{4 if name.endswith('loss') else 3}f}"
