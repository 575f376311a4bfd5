"""The options of an experiment: every way to do its task that was tried."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tunebench.evaluation import RULES
from tunebench.reports import Option
from tunebench.statistics import clustered_interval, run_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tunebench.reports import About, CellRow, RivalRow

_CONSTANT = "majority class"


@dataclass(frozen=True, eq=False)
class Tried:
    """An option, with the answers behind it.

    Attributes:
        option: what the answer shows of it.
        predictions: label ids, -1 where an answer stated none: runs by texts.
        correct: whether each is right.
        tokens: of all its prompts and answers; 0 for what has none.
    """

    option: Option
    predictions: NDArray[np.int64]
    correct: NDArray[np.bool_]
    tokens: int = 0

    @property
    def runs(self) -> int:
        """How many trainings of it there are; 1 where nothing was trained by chance."""
        return len(self.correct)

    @property
    def same(self) -> bytes:
        """Equal for options that cannot be told apart by their predictions."""
        return b"".join(sorted(run.tobytes() for run in self.predictions))


def options_of(about: About, cells: Sequence[CellRow], rivals: Sequence[RivalRow]) -> list[Tried]:
    """All options: the constant, rivals, prompts, then fine-tuned models, in the order of the rows.

    The cells of a fine-tuned model that differ in their seed only are the runs of one option.
    """
    labels = np.array(about.label_ids)
    tuned: dict[tuple[str, int, str], list[CellRow]] = {}
    for row in cells:
        if row.train_size:
            key = row.model, row.train_size, row.decision_rule
            tuned.setdefault(key, []).append(row)
    return [
        _constant(about, labels),
        *(
            _rival(row, about, labels)
            for row in rivals
            if row.model != _CONSTANT and row.predictions is not None
        ),
        *(_of_cells([row], about, labels) for row in cells if not row.train_size),
        *(_of_cells(rows, about, labels) for rows in tuned.values()),
    ]


def _constant(about: About, labels: NDArray[np.int64]) -> Tried:
    """The label that is most frequent among the test texts: no other constant does better."""
    counts = Counter(about.label_ids)
    most = min(counts, key=lambda label: (-counts[label], label))
    predictions = np.full((1, len(labels)), most)
    return _tried(
        about,
        labels,
        predictions,
        {"name": f"always answering {about.labels[most]}", "kind": "constant"},
    )


def _rival(row: RivalRow, about: About, labels: NDArray[np.int64]) -> Tried:
    fields = {
        "name": f"{row.model} on {row.train_size:,} rows",
        "kind": "rival",
        "model": row.model,
        "train_size": row.train_size,
    }
    return _tried(about, labels, _ids([row]), fields)


def _of_cells(rows: list[CellRow], about: About, labels: NDArray[np.int64]) -> Tried:
    first = rows[0]
    fields = {
        "name": _named(first),
        "kind": "fine-tuned" if first.train_size else "prompt",
        "model": first.model,
        "train_size": first.train_size,
        "decision_rule": first.decision_rule,
        "cells": [row.cell for row in rows],
        "auc": _mean([row.auc for row in rows]),
        "cost_per_1000": _mean([row.cost_per_1000 for row in rows]),
        "training_cost": _mean([row.training_cost for row in rows]),
        "currency": first.currency,
    }
    tokens = sum((row.prompt_tokens or 0) + (row.completion_tokens or 0) for row in rows)
    return _tried(about, labels, _ids(rows), fields, tokens)


def _tried(
    about: About,
    labels: NDArray[np.int64],
    predictions: NDArray[np.int64],
    fields: Mapping[str, object],
    tokens: int = 0,
) -> Tried:
    correct = predictions == labels
    counts = correct.sum(1).tolist()
    n = len(labels)
    if len(counts) == 1:
        low, high = clustered_interval(correct[0].tolist(), about.groups)
    else:
        low, high = run_interval(correct, groups=about.groups)
    accuracy = sum(counts) / (n * len(counts))
    measured = {"accuracy": accuracy, "runs": [count / n for count in counts]}
    option = Option.model_validate({**fields, **measured, "ci_low": low, "ci_high": high})
    return Tried(option, predictions, correct, tokens)


def _ids(rows: Sequence[CellRow | RivalRow]) -> NDArray[np.int64]:
    return np.array([[-1 if p is None else p for p in row.predictions or ()] for row in rows])


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _named(row: CellRow) -> str:
    """An option in words; no two of an experiment have the same."""
    if row.train_size:
        parts = [f"{row.model} fine-tuned on {row.train_size:,} rows"]
    else:
        examples = "1 example" if row.shots == 1 else f"{row.shots or 'no'} examples"
        parts = [f"{row.model} with {examples}"]
    if row.instruction is not None:
        parts.append(f"wording {row.instruction}")
    if row.example_draw is not None:
        parts.append(f"draw {row.example_draw}")
    if described := RULES[row.decision_rule].described:
        parts.append(described)
    return ", ".join(parts)
