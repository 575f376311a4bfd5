"""Summary of prepared rows: classes, stop, balance, estimate."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunebench.errors import DatasetError
from tunebench.formatting import AnswerFormat, Estimate, Rates, duration
from tunebench.training_data import analysis

if TYPE_CHECKING:
    from pathlib import Path

    from tunebench.training_data.analysis import Task
    from tunebench.training_data.preparation import Split
    from tunebench.training_data.rows import Rows

FEW_ROWS = 100
LOPSIDED = 0.8  # the share of the largest class from which accuracy means little
_LISTED = 20  # classes


@dataclass(frozen=True)
class Summary:
    """Content of prepared rows, and an estimate of training on them.

    Attributes:
        rows: how many are left.
        task: the task they teach.
        classes: rows of each class, most first; empty for other tasks.
        positive_class: the positive class of two, for precision and recall.
        positive_class_reason: why that one.
        separator: the end of all prompts.
        stop: where an answer is to stop, or None.
        train_rows: rows to train on.
        valid_rows: rows to validate on.
        rates: the rates of the estimate.
        estimate: of the training.
        notes: hints for the author, a sentence each.
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
    """Summarise prepared rows.

    Raises:
        DatasetError: the given positive class is not one of two classes.
    """
    classes: dict[str, int] = {}
    stop, chosen, reason, separator = None, None, "", ""
    notes = []
    if len(rows) < FEW_ROWS:
        notes.append(f"{len(rows)} rows are few: some hundreds teach a task better.")
    if task == "classification":
        classes = analysis.classes_of(rows)
        stop = AnswerFormat.of(list(classes)).stop[0]
        if len(classes) == 2:
            chosen, reason = analysis.positive_class(classes)
        notes += _balance(rows, classes, halves)
    elif task == "generation":
        stop = analysis.common_ending(rows.completions) or None
    if positive is not None:
        chosen = next((name for name in classes if name.strip() == positive.strip()), None)
        if len(classes) != 2 or chosen is None:
            problem = f"{positive!r} is not one of two classes ({', '.join(list(classes)[:5])})"
            hint = "give --positive-class one of them, or leave it out"
            raise DatasetError(problem, where=path, hint=hint)
        reason = "it was given"
    trained = range(len(rows)) if halves is None else halves.train
    if rows.chat is not None:
        stop = None
        size = sum(len(rows.chat[i].encode()) for i in trained)
    else:
        size = sum(len(rows.prompts[i].encode() + rows.completions[i].encode()) for i in trained)
        if task != "open-ended":
            separator = analysis.separator_of(rows.prompts)
            if repeated := len(rows) - len(set(rows.prompts)):
                notes.append(f"{repeated} rows repeat a prompt of another: look at their labels.")
        if separator and analysis.stands_before_the_end(separator, rows.prompts):
            notes.append(
                f"{json.dumps(separator)} is also within prompts; --separator sets another."
            )
    return Summary(
        rows=len(rows),
        task=task,
        classes=classes,
        positive_class=chosen,
        positive_class_reason=reason,
        separator=separator,
        stop=stop,
        train_rows=len(trained),
        valid_rows=0 if halves is None else len(halves.valid),
        rates=rates,
        estimate=Estimate.of(size, rates),
        notes=notes,
    )


def _balance(rows: Rows, classes: dict[str, int], halves: Split | None) -> list[str]:
    all_classes = len(set(rows.completions))
    label, most = max(classes.items(), key=lambda item: item[1])
    notes = []
    if most >= LOPSIDED * len(rows):
        share = f"{most / len(rows):.0%}"
        notes.append(f"{share} of the rows are {label!r}: always answering so is as accurate.")
    parts = {"training": halves.train, "validation": halves.valid} if halves else {}
    for part, positions in parts.items():
        if missing := all_classes - len({rows.completions[i] for i in positions}):
            notes.append(f"{missing} of the classes are missing in the {part} rows.")
    return notes


def summary_lines(summary: Summary) -> list[str]:
    """The summary as lines of text."""
    lines = [f"Task: {summary.task}."]
    if summary.classes:
        listed = list(summary.classes.items())[:_LISTED]
        counts = ", ".join(f"{name} {n} ({n / summary.rows:.1%})" for name, n in listed)
        rest = len(summary.classes) - len(listed)
        more = f", {rest} more" if rest else ""
        lines.append(f"{len(summary.classes)} classes: {counts}{more}.")
    if summary.positive_class is not None:
        lines.append(
            f"Positive class: {summary.positive_class}, as {summary.positive_class_reason}; "
            "--positive-class names another."
        )
    if summary.separator:
        lines.append(f"End each prompt with {json.dumps(summary.separator)} when you ask.")
    if summary.stop:
        lines.append(f"Ask with stop = {json.dumps([summary.stop], ensure_ascii=False)}.")
    rates, estimate = summary.rates, summary.estimate
    lines.append(
        f"Estimate: {estimate.tokens} tokens an epoch at {rates.bytes_per_token:g} bytes each; "
        f"{rates.epochs} epochs take {duration(estimate.seconds)} at "
        f"{rates.tokens_per_second:g} tokens a second and cost {estimate.cost:.2f} at "
        f"{rates.price_per_million:g} a million tokens; options set these rates."
    )
    return lines + [f"Note: {note}" for note in summary.notes]
