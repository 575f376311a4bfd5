"""Replay where the texts are not: what ``items.jsonl`` beside the cassettes stands in for.

A recording writes the file, and `tunebench cassettes items` does so later. A replay that has the
data compares it with the file; one without takes items, labels and hashes of prompts from it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tunebench.api import Upload
from tunebench.cassettes import (
    ITEMS_NAME,
    WRITE_ITEMS,
    Item,
    ItemsFile,
    read_items,
    text_sha256,
)
from tunebench.datasets import is_here
from tunebench.errors import CassetteError, DatasetError
from tunebench.evaluation.calibration import texts_to_answer
from tunebench.evaluation.inputs import (
    dataset_of,
    group_numbers,
    is_chat,
    options_of,
    prompts_of,
    test_rows,
)
from tunebench.evaluation.prompts import Hashes
from tunebench.evaluation.training_inputs import file_name

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tunebench.cassettes import Role
    from tunebench.experiment import Cell, Experiment

# The keys of [task] that the items, their order, texts, labels and groups follow from.
_KEYS = (
    *("dataset", "test_dataset", "text_column", "label_column", "group_column", "labels"),
    *("test_share", "training_rows", "overlap", "order", "seed"),
    *("max_chars", "keep"),
)


def items_path(experiment: Experiment) -> Path:
    """The path of an experiment's ``items.jsonl``."""
    return experiment.cassettes / ITEMS_NAME


def kind_of(cell: Cell, suffix: str = "") -> str:
    """The kind of a cell's prompts, as ``4shot-terse-draw1``, ``bare`` or ``chat-0shot``.

    Args:
        cell: the cell.
        suffix: what its decision rule adds to each prompt.
    """
    if cell.train_size and not is_chat(cell):
        kind = "bare"
    else:
        which = replace(cell, train_size=0, seed=None).answered_by
        kind = which.removeprefix(f"{cell.model}-")
        kind = f"chat-{kind}" if is_chat(cell) else kind
    return f"{kind}+{suffix}" if suffix else kind


def prompt_sha256_of(cell: Cell) -> list[str]:
    """SHA-256 (hex) of a cell's prompts, in the order of the test rows."""
    recalled = recalled_of(cell.experiment)
    if recalled is None:
        return list(Hashes(prompts_of(cell)).values())
    return list(recalled.prompts(cell).values())


def is_data_here(experiment: Experiment) -> bool:
    """Whether an experiment's data set is on this machine, so that nothing is downloaded."""
    return is_here(experiment.task.dataset, options_of(experiment))


def recalled_of(experiment: Experiment) -> Recalled | None:
    """What ``items.jsonl`` knows of an experiment; None where its data set is on this machine.

    Raises:
        DatasetError: there is neither.
        CassetteError: the file is damaged, or is of another task.
    """
    if is_data_here(experiment):
        return None
    path = items_path(experiment)
    file = read_items(path)
    if file is None:
        _load_or_hint(experiment)
        return None
    _check_task(path, file, experiment)
    test, size = file.of_role("test"), experiment.task.test_size
    if size > len(test):
        raise DatasetError(
            f"{size} is more than the {len(test)} test rows of {path}, and the data set "
            f"{experiment.task.dataset!r} is not on this machine",
            where=f"{experiment.path}: [task] test_size",
            hint=f"lower it to {len(test)} or less, or record where the data set is",
        )
    return Recalled(experiment, path, file, test[:size])


@dataclass(frozen=True)
class TestTexts:
    """What is known of the test texts without the texts.

    Attributes:
        items: item ids.
        labels: label ids.
        groups: the numbers of their groups; None where they have none.
    """

    items: Iterable[str]
    labels: Iterable[int]
    groups: tuple[int, ...] | None


def test_texts(experiment: Experiment) -> TestTexts:
    """The test texts of an experiment, from the data set or from ``items.jsonl``.

    Raises:
        DatasetError: there is neither.
        CassetteError: the file is damaged, or is of another task.
    """
    recalled = recalled_of(experiment)
    if recalled is None:
        rows = test_rows(experiment)
        groups = group_numbers(rows["group"]) if "group" in rows else None
        return TestTexts(rows["item"], rows["label"], groups)
    test, groups = recalled.test, None
    if experiment.task.group_column is not None:
        groups = group_numbers(item.group for item in test)
    labels = [item.label for item in test if item.label is not None]
    return TestTexts([item.item for item in test], labels, groups)


@dataclass(frozen=True)
class Recalled:
    """The inputs of a replay from ``items.jsonl``.

    Attributes:
        experiment: the experiment.
        path: of the file.
        file: its content.
        test: its first test items, as many as are asked.
    """

    experiment: Experiment
    path: Path
    file: ItemsFile
    test: list[Item]

    def calibration(self, cell: Cell) -> list[Item]:
        """The texts that a cell is calibrated with.

        Raises:
            CassetteError: they are not in the file.
        """
        labelled = self.experiment.calibration.method == "labelled"
        wanted = texts_to_answer(cell) - self.experiment.task.test_size
        found = self.file.of_role("calibration")[:wanted]
        if len(found) < wanted or any((item.label is None) is labelled for item in found):
            kind = "labelled rows" if labelled else "content-free texts"
            raise CassetteError(
                f"{self.path} does not have the {wanted} {kind} to calibrate with, and the data "
                f"set {self.file.dataset!r} is not on this machine",
                where=str(cell),
                hint=write_again(cell.experiment),
            )
        return found

    def prompts(self, cell: Cell, suffix: str = "", role: Role = "test") -> dict[str, str]:
        """SHA-256 (hex) of a cell's prompts by item id.

        Raises:
            CassetteError: they are not in the file, or its instruction has changed since.
        """
        kind = kind_of(cell, suffix)
        if self.file.instructions.get(kind) not in (None, instruction_of(cell)):
            raise CassetteError(
                f"the instruction of {kind} is another one than in {self.path}",
                where=str(cell),
                hint=f"undo that change, or {write_again(cell.experiment)}",
            )
        items = self.test if role == "test" else self.calibration(cell)
        lacking = [item.item for item in items if kind not in item.prompts]
        if lacking:
            raise CassetteError(
                f"{self.path} has no prompts of {kind} for {len(lacking)} of {len(items)} "
                f"items, and the data set {self.file.dataset!r} is not on this machine",
                where=str(cell),
                hint=write_again(cell.experiment),
            )
        return {item.item: item.prompts[kind] for item in items}

    def files(self, cell: Cell) -> tuple[Upload, Upload]:
        """The training and the validation file of a fine-tuned cell, without their content.

        Raises:
            CassetteError: they are not in the file.
        """
        found = self.file.files.get(size_of(cell))
        if found is None:
            raise CassetteError(
                f"{self.path} has no training files of {size_of(cell)} rows, and the data set "
                f"{self.file.dataset!r} is not on this machine",
                where=str(cell),
                hint=write_again(cell.experiment),
            )
        train, valid = (
            Upload(file_name(cell.experiment, cell.train_size, part), b"", sha256, rows)
            for part, (rows, sha256) in zip(("train", "valid"), found, strict=True)
        )
        return train, valid


def size_of(cell: Cell) -> str:
    """The name of a training size's files."""
    return f"chat-{cell.train_size}" if is_chat(cell) else str(cell.train_size)


def instruction_of(cell: Cell) -> str:
    """SHA-256 (hex) of the instruction in a cell's prompts."""
    return text_sha256("" if cell.train_size and not is_chat(cell) else cell.instruction_text)


def task_of(experiment: Experiment) -> dict[str, Any]:
    """The keys of ``[task]`` that the items follow from; those that are left out are not there."""
    return experiment.task.model_dump(mode="json", include=set(_KEYS), exclude_none=True)


def _check_task(path: Path, file: ItemsFile, experiment: Experiment) -> None:
    """Check that the items are of this task, where they cannot be compared with the data."""
    check_experiment(path, file, experiment)
    now = task_of(experiment)
    for key in _KEYS:
        if now.get(key) != file.task.get(key):
            raise CassetteError(
                f"{key} in [task] is {now.get(key)!r}, and was {file.task.get(key)!r} when the "
                "items were written",
                where=path,
                hint=f"undo that change, or {write_again(experiment)}",
            )
    labels = len(experiment.task.labels)
    if wrong := next((item for item in file.items if (item.label or 0) >= labels), None):
        problem = f"the item {wrong.item} has the label id {wrong.label}, and there are {labels}"
        raise CassetteError(f"{problem} labels", where=path, hint=WRITE_ITEMS)


def check_experiment(path: Path, file: ItemsFile, experiment: Experiment) -> None:
    """Check that a file is of an experiment.

    Raises:
        CassetteError: it is another's.
    """
    if file.experiment != experiment.name:
        raise CassetteError(
            f"the items belong to the experiment {file.experiment!r}, not to {experiment.name!r}",
            where=path,
            hint=f"put the right file there, or {WRITE_ITEMS}",
        )


def _load_or_hint(experiment: Experiment) -> None:
    """Load the data set, which may download it; where that fails, say what else would help."""
    try:
        dataset_of(experiment)
    except DatasetError as error:
        folder = experiment.cassettes
        path = f"{folder.parent.name}/{folder.name}/{ITEMS_NAME}"
        other = f"add {path}, with which a replay needs no data set"
        hint = f"{error.hint}, or {other}" if error.hint else other
        raise DatasetError(error.problem, where=error.where, hint=hint) from error


def write_again(experiment: Experiment) -> str:
    """How to fix a file that does not fit, a clause."""
    return (
        f"write the file again with `tunebench cassettes items {experiment.path}`, or record, "
        "where the data set is"
    )
