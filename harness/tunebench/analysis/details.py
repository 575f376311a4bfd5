"""A result as a row of ``results.json``, and what is made of it only where results are written."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from tunebench.analysis.gates import judge_limits, verdict_of
from tunebench.errors import ResultsError
from tunebench.evaluation import prompt_sha256_of
from tunebench.reports import About, CellRow, Job, Skipped, checked, finite
from tunebench.statistics import (
    balanced_accuracy,
    brier_score,
    clopper_pearson,
    confusion_matrix,
    curve_of_metrics,
    expected_calibration_error,
    macro_f1,
    matthews,
    read_curve,
)
from tunebench.tables import Values

if TYPE_CHECKING:
    from tunebench.api import FineTuned
    from tunebench.evaluation import Result
    from tunebench.experiment import Experiment


# Of more texts results hold no places and no hashes of prompts, 200 bytes a text that follow from
# the data.
_MOST_LISTED = 100_000


def row_of(result: Result) -> CellRow:
    """A result as a row of ``results.json``, without its details.

    Its verdict is on the limits that it decides alone.

    Raises:
        WrongJson: a name or a number that a provider gave cannot be in results.
    """
    cell, made = result.cell, result.fine_tuned
    judged = judge_limits(result)
    low, high = result.interval
    fields = {
        "experiment": cell.experiment.name,
        "cell": str(cell),
        "model": cell.model,
        "shots": cell.shots,
        "train_size": cell.train_size,
        "decision_rule": cell.decision_rule,
        "instruction": cell.instruction,
        "example_draw": cell.example_draw,
        "seed": cell.seed,
        "n": result.n,
        "correct": result.correct,
        "unread": result.unread,
        "readings": result.readings,
        "accuracy": result.accuracy,
        "ci_low": low,
        "ci_high": high,
        "majority_rate": result.majority_rate,
        "min_accuracy": None if cell.threshold is None else cell.min_accuracy,
        "recorded_limits": result.recorded_limits,
        "verdict": verdict_of(judged),
        "prompt_tokens": result.prompt_tokens,
        "completion_tokens": result.completion_tokens,
        "latency_ms_median": result.latency_ms_median,
        "cassette": cell.cassette_name,
        "recorded_at": result.recorded_at,
        "job": (made.job or None) if made else None,
        "fine_tuned_model": made.model if made else None,
        "pinned": result.pinned,
        "trained_tokens": result.trained_tokens,
        "training_seconds": result.training_seconds,
        "server": result.server or None,
        "answered_as": result.answered_as or None,
        "overrides": {name: asked for name, (_, asked) in result.overrides.items()},
        "cost_per_1000": result.cost_per_1000,
        "training_cost": result.training_cost,
        "currency": result.prices.currency if result.prices else None,
        "auc": result.auc,
        "calibration": _calibration(result),
        "gates": [gate.row() for gate in judged],
        "predictions": result.predictions,
    }
    return checked(CellRow, finite(fields))


def detailed(row: CellRow, result: Result) -> CellRow:
    """The row with the details of the result."""
    return checked(CellRow, {**dict(row), **finite(details_of(result))})


def details_of(result: Result) -> dict[str, Any]:
    """The further fields of a cell in ``results.json``, plain JSON values."""
    labels = result.judgements["label"].tolist()
    matrix = confusion_matrix(labels, result.predictions, len(result.cell.experiment.task.labels))
    exact_low, exact_high = None, None
    if result.groups is None:  # it is exact for texts on their own only
        exact_low, exact_high = clopper_pearson(result.correct, result.n)
    rows, truths = result.with_probabilities
    return {
        "exact_low": exact_low,
        "exact_high": exact_high,
        "balanced_accuracy": balanced_accuracy(matrix),
        "macro_f1": macro_f1(matrix),
        "matthews": matthews(matrix),
        "brier": brier_score(rows, truths) if rows else None,
        "calibration_error": expected_calibration_error(rows, truths) if rows else None,
        "confusion": matrix,
        "probabilities": result.probabilities,
        "prompt_sha256": prompt_sha256_of(result.cell) if result.n <= _MOST_LISTED else None,
    }


def about(result: Result) -> About:
    """A result's experiment as an entry of ``experiments`` in ``results.json``."""
    experiment = result.cell.experiment
    items = Values(result.judgements["item"])
    places, listed = result.places, result.n <= _MOST_LISTED
    fields = {
        "name": experiment.name,
        "dataset": experiment.task.dataset,
        "instruction": experiment.task.instruction,
        "seed": experiment.task.seed,
        "fine_tuning_seed": experiment.fine_tuning.first_seed,
        "sha256": meaning(experiment),
        "labels": experiment.task.labels,
        "n": result.n,
        "items": items,
        "places": [places[item] for item in items] if places and listed else None,
        "label_ids": result.judgements["label"].tolist(),
        "groups": None if result.groups is None else list(result.groups),
        "checked_against_data": result.checked_against_data,
        "majority_rate": result.majority_rate,
        "train_sizes": experiment.matrix.train_sizes,
        "cells": list(map(str, experiment.cells)),
        "local_models": [
            name
            for name, model in experiment.models.items()
            if experiment.providers[model.provider].is_local
        ],
        "smallest_gain": experiment.answer.smallest_gain,
        "skipped": _skipped(experiment),
    }
    return checked(About, fields)


def meaning(experiment: Experiment) -> str:
    """A hash of what the experiment file says: its values that are not the defaults.

    The providers' addresses do not count: a replay of the same file elsewhere is the same.
    """
    tables = {
        "task": experiment.task,
        "provider": experiment.providers,
        "model": experiment.models,
        "matrix": experiment.matrix,
        "fine_tuning": experiment.fine_tuning,
        **({"calibration": experiment.calibration} if experiment.calibrated_cells else {}),
        "answer": experiment.answer,
        "threshold": experiment.thresholds,
    }
    if experiment.fine_tuned_models:
        tables["fine_tuned"] = experiment.fine_tuned_models
    if experiment.embedding_rivals:
        tables["rival"] = experiment.embedding_rivals
    values = json.dumps(
        tables,
        default=lambda table: table.model_dump(exclude_defaults=True, exclude={"base_url"}),
        sort_keys=True,
    )
    return hashlib.sha256(values.encode()).hexdigest()


def job_of(result: Result, made: FineTuned) -> Job:
    """The job behind a fine-tuned cell as an entry of ``jobs`` in ``results.json``."""
    cell = result.cell
    fields = {
        "experiment": cell.experiment.name,
        "name": cell.job,
        "id": made.job,
        "base": made.base,
        "model": made.model,
        "train_size": cell.train_size,
        "trained_tokens": result.trained_tokens,
        "seconds": result.training_seconds,
        "hyperparameters": made.hyperparameters if isinstance(made.hyperparameters, dict) else {},
        "messages": [event.message for event in made.events if event.message and not event.metrics],
        "curve": _curve(made),
    }
    return checked(Job, finite(fields))


def _calibration(result: Result) -> dict[str, Any] | None:
    one = result.calibration
    if one is None:
        return None
    return {
        "method": one.biases.method,
        "texts": one.biases.texts,
        "biases": list(one.biases.values),
        "unseen": list(one.biases.unseen),
        "prompt_tokens": one.prompt_tokens,
        "completion_tokens": one.completion_tokens,
        "cost": result.calibration_cost,
    }


def _skipped(experiment: Experiment) -> list[Skipped]:
    return [
        Skipped(**vars(which), reason=reason)
        for which in experiment.combinations
        if (reason := experiment.skipped(which)) is not None
    ]


def _curve(made: FineTuned) -> list[dict[str, Any]]:
    """The job's metrics, a row a step; empty where they are not a curve.

    What is missing at a step is left out, what is not a finite number is None.
    """
    try:
        if made.metrics:
            curve = read_curve(made.metrics)
        else:
            metrics = (event.metrics for event in made.events if event.metrics)
            curve = curve_of_metrics(metrics, source=made.job)
    except ResultsError:
        return []
    rows: list[dict[str, Any]] = [
        {str(name): value for name, value in row.items() if value == value}
        for row in curve.astype(object).to_dict("records")
    ]
    for name, places in curve.attrs["not_finite"].items():
        for place in places:
            rows[place][name] = None
    return rows
