"""The texts that cells of the rule ``calibrated`` are calibrated with: training rows, or none."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from tunebench.errors import DatasetError
from tunebench.evaluation.inputs import State, examples_of, kept, test_rows, train_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tunebench.experiment import Cell, Experiment

# Those of Zhao et al. (2021).
_CONTENT_FREE = ("N/A", "[MASK]", "")


@dataclass(frozen=True)
class CalibrationTexts:
    """Texts to calibrate with, the same for all cells of an experiment.

    Attributes:
        items: their item ids.
        texts: as a prompt shows them.
        labels: their label ids; empty where they have none.
    """

    items: tuple[str, ...]
    texts: tuple[str, ...]
    labels: tuple[int, ...] = ()


def texts_to_answer(cell: Cell) -> int:
    """How many texts a cell asks for, without reading the data set: test texts and others."""
    experiment, further = cell.experiment, 0
    if cell.decision_rule == "calibrated":
        labelled = experiment.calibration.method == "labelled"
        further = experiment.calibration.rows if labelled else len(_CONTENT_FREE)
    return experiment.task.test_size + further


def texts_asked_for(cells: Iterable[Cell]) -> tuple[str, ...]:
    """The texts that cells are calibrated with, of those cells that are and can be."""
    for cell in cells:
        if cell.decision_rule == "calibrated":
            with suppress(DatasetError):  # it is said where that cell is evaluated
                return calibration_texts(cell.experiment).texts
    return ()


def calibration_texts(experiment: Experiment) -> CalibrationTexts:
    """The texts to calibrate with: three that say nothing, or some training rows.

    Rows are taken in the order of a hash of the task's seed and their items, without those whose
    text is a test text, a worked example of any cell, or among the rows of the largest training
    size of a calibrated cell, and without repeated texts.

    Raises:
        DatasetError: there are too few such rows, or a label is missing among them.
    """
    if experiment.calibration.method == "content_free":
        items = [f"content-free/{number}" for number, _ in enumerate(_CONTENT_FREE, 1)]
        return CalibrationTexts(tuple(items), _CONTENT_FREE)
    return _rows(experiment, experiment.data_state)


@kept(8)
def _rows(experiment: Experiment, _: State) -> CalibrationTexts:
    wanted, seed = experiment.calibration.rows, experiment.task.seed
    train = train_rows(experiment)
    excluded = {
        "test texts": set(test_rows(experiment)["text"]),
        "worked examples": _example_texts(experiment),
        "rows that calibrated models train on": set(train["text"][: _trained_on(experiment)]),
    }
    left: dict[str, tuple[str, int]] = {}
    for item, text, label in sorted(
        zip(train["item"], train["text"], train["label"], strict=True),
        key=lambda row: hashlib.sha256(f"calibration:{seed}:{row[0]}".encode()).digest(),
    ):
        if not any(text in texts for texts in excluded.values()):
            left.setdefault(text, (item, int(label)))
    if len(left) < wanted:
        taken = {what: int(train["text"].isin(texts).sum()) for what, texts in excluded.items()}
        _refuse_few(experiment, len(train), len(left), taken)
    labels = [label for _, label in left.values()]
    _refuse_missing(experiment, labels)
    items = [item for item, _ in left.values()]
    return CalibrationTexts(
        tuple(items[:wanted]), tuple(list(left)[:wanted]), tuple(labels[:wanted])
    )


def _example_texts(experiment: Experiment) -> set[str]:
    # The draw for fewer shots begins that for more.
    most: dict[int, Cell] = {}
    for cell in experiment.prompted_cells:
        if cell.shots >= most.get(cell.examples_seed, cell).shots:
            most[cell.examples_seed] = cell
    return {example.text for cell in most.values() for example in examples_of(cell)}


def _trained_on(experiment: Experiment) -> int:
    return max((cell.train_size for cell in experiment.calibrated_cells), default=0)


def _refuse_few(experiment: Experiment, rows: int, left: int, taken: dict[str, int]) -> NoReturn:
    used = ", ".join(f"{count} are {what}" for what, count in taken.items() if count)
    fixes = []
    if left >= len(experiment.task.labels):
        fixes.append(f"lower it to {left} or less")
    if _trained_on(experiment):
        fixes.append("take calibrated out of [fine_tuning] decision_rules")
    fixes.append('add training rows, or set method = "content_free"')
    raise DatasetError(
        f"{experiment.calibration.rows} is more than the {left} different texts that can be used "
        f"of {rows} training rows{f' ({used})' if used else ''}",
        where=f"{experiment.path}: [calibration] rows",
        hint=", ".join(fixes),
    )


def _refuse_missing(experiment: Experiment, labels: list[int]) -> None:
    """Refuse rows without one of the labels; `labels` are those of all that could be taken."""
    wanted = experiment.calibration.rows
    missing = set(range(len(experiment.task.labels))) - set(labels[:wanted])
    if not missing:
        return
    if missing <= set(labels):
        hint = f"raise it to {1 + max(labels.index(label) for label in missing)} or more"
    else:
        hint = 'add training rows, or set method = "content_free"'
    raise DatasetError(
        f"among the {wanted} training rows to calibrate with there is none of "
        f"{_named(experiment, missing)}",
        where=f"{experiment.path}: [calibration] rows",
        hint=hint,
    )


def _named(experiment: Experiment, labels: Iterable[int]) -> str:
    return ", ".join(repr(experiment.task.labels[label]) for label in sorted(labels))
