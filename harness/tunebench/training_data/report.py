"""What is said of prepared rows at the end: classes, stop, balance, estimate."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunebench.errors import DatasetError
from tunebench.formatting import Estimate, Rates, duration
from tunebench.training_data import analysis

if TYPE_CHECKING:
    from pathlib import Path

    from tunebench.training_data.analysis import Task
    from tunebench.training_data.preparation import Split
    from tunebench.training_data.rows import Rows

FEW_ROWS = 100
LOPSIDED = 0.8  # the share of the largest class from which accuracy says little
_LISTED = 20  # classes


@dataclass(frozen=True)
class Summary:
    """What is said of prepared rows.

    Attributes:
        rows: how many are left.
        task: what they teach.
        classes: rows of each class, most first; empty if it is no classification.
        positive_class: with two classes, the one that precision and recall are said of.
        positive_class_reason: why that one.
        separator: what all prompts end with.
        stop: where an answer is to stop, or None.
        train_rows: rows to train on.
        valid_rows: rows to validate on.
        rates: what the estimate rests on.
        estimate: what training will take.
        notes: what the author should know; a sentence each.
    """

    rows: int
    task: Task
    classes: dict[str, int]
    positive_class: str | None
    positive_class_reason: str
    separator: str
    stop: str | None
    train_rows: int
    valid_rows: int
    rates: Rates
    estimate: Estimate
    notes: list[str]


def summarise(
    path: Path, rows: Rows, task: Task, halves: Split | None, rates: Rates, positive: str | None
) -> Summary:
    """Look at prepared rows once more.

    Args:
        path: the file they come from, for messages.
        rows: n rows.
        task: what they teach.
        halves: how they are split, or None.
        rates: what the estimate rests on.
        positive: the positive class, if it is given.

    Raises:
        DatasetError: the given positive class is none of two classes.
    """
    classes: dict[str, int] = {}
    stop, chosen, reason = None, None, ""
    notes = []
    if len(rows) < FEW_ROWS:
        notes.append(f"{len(rows)} rows are few: some hundreds teach a task better.")
    if task == "classification":
        found = analysis.classes_of(rows)
        classes, stop, chosen, reason = found.counts, found.stop, found.positive, found.reason
        notes += _balance(rows, classes, halves)
    elif task == "generation":
        stop = analysis.common_ending(rows.completions) or None
    if positive is not None:
        if len(classes) != 2 or positive.strip() not in [name.strip() for name in classes]:
            raise DatasetError(
                f"{path}: {positive!r} is none of two classes ({', '.join(list(classes)[:5])}): "
                "give --positive-class one of them, or leave it out."
            )
        chosen = next(name for name in classes if name.strip() == positive.strip())
        reason = "it was given"
    if rows.chat is not None:
        stop, separator = None, ""
    else:
        separator = analysis.separator_of(rows.prompts) if task != "open-ended" else ""
        repeated = analysis.repeated_prompts(rows) if task != "open-ended" else 0
        if repeated:
            notes.append(f"{repeated} rows repeat a prompt of another: look at their labels.")
        if separator and analysis.stands_before_the_end(separator, rows.prompts):
            notes.append(f"{json.dumps(separator)} also stands within prompts: --separator fixes.")
    trained = range(len(rows)) if halves is None else halves.train
    if rows.chat is not None:
        size = sum(len(rows.chat[i]) for i in trained)
    else:
        size = sum(len(rows.prompts[i]) + len(rows.completions[i]) for i in trained)
    return Summary(
        len(rows),
        task,
        classes,
        chosen,
        reason,
        separator,
        stop,
        len(trained),
        0 if halves is None else len(halves.valid),
        rates,
        Estimate.of(size, rates),
        notes,
    )


def _balance(rows: Rows, classes: dict[str, int], halves: Split | None) -> list[str]:
    label, most = max(classes.items(), key=lambda item: item[1])
    notes = []
    if most >= LOPSIDED * len(rows):
        notes.append(
            f"{most / len(rows):.0%} of the rows are {label!r}: always answering so is as accurate."
        )
    if halves is not None:
        for part, positions in (("training", halves.train), ("validation", halves.valid)):
            present = Counter(rows.completions[i] for i in positions)
            missing = len(set(rows.completions)) - len(present)
            if missing:
                notes.append(f"{missing} of the classes are missing in the {part} rows.")
    return notes


def summary_lines(summary: Summary) -> list[str]:
    """The summary as lines of text."""
    said = [f"Task: {summary.task}."]
    if summary.classes:
        listed = list(summary.classes.items())[:_LISTED]
        counts = ", ".join(f"{name} {n} ({n / summary.rows:.1%})" for name, n in listed)
        rest = len(summary.classes) - len(listed)
        said.append(
            f"{len(summary.classes)} classes: {counts}" + (f", {rest} more." if rest else ".")
        )
    if summary.positive_class is not None:
        said.append(
            f"Positive class: {summary.positive_class}, as {summary.positive_class_reason}; "
            "--positive-class names another."
        )
    if summary.separator:
        said.append(f"End each prompt with {json.dumps(summary.separator)} when you ask.")
    if summary.stop:
        said.append(f"Ask with stop = {json.dumps([summary.stop], ensure_ascii=False)}.")
    rates, estimate = summary.rates, summary.estimate
    said.append(
        f"Estimate: {estimate.tokens} tokens an epoch at {rates.bytes_per_token:g} bytes each; "
        f"{rates.epochs} epochs take {duration(estimate.seconds)} at "
        f"{rates.tokens_per_second:g} tokens a second and cost {estimate.cost:.2f} at "
        f"{rates.price_per_million:g} a million tokens; options set these rates."
    )
    return said + [f"Note: {note}" for note in summary.notes]
