"""Replay where the texts are not: what ``items.jsonl`` beside the cassettes stands in for.

A recording writes the file, and `tunebench cassettes items` does so later. A replay that has the
data compares it with the file; one without takes items, labels and hashes of prompts from it.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tunebench.api import Upload
from tunebench.cassettes import (
    ITEMS_NAME,
    WRITE_ITEMS,
    Item,
    ItemsFile,
    prompt_text,
    read_items,
    text_sha256,
)
from tunebench.datasets import is_here
from tunebench.errors import CassetteError, DatasetError
from tunebench.evaluation.inputs import (
    dataset_of,
    group_numbers,
    is_chat,
    options_of,
    prompts_of,
    test_rows,
)
from tunebench.evaluation.training_inputs import file_name, files_of

try:
    import fcntl
except ImportError:  # On Windows two recordings of one experiment at once are not kept apart.
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from tunebench.experiment import Cell, Experiment

# The keys of [task] that the items, their order, labels and groups follow from.
_KEYS = (
    *("dataset", "test_dataset", "text_column", "label_column", "group_column", "labels"),
    *("test_share", "overlap", "order", "seed"),
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


def prompt_hashes(prompts: Iterable[Any]) -> list[str]:
    """SHA-256 (hex) of prompts, as rows of cassettes have it."""
    return [text_sha256(prompt_text(prompt)) for prompt in prompts]


def prompt_sha256_of(cell: Cell) -> list[str]:
    """SHA-256 (hex) of a cell's prompts, in the order of the test rows."""
    recalled = recalled_of(cell.experiment)
    if recalled is None:
        return prompt_hashes(prompts_of(cell).values())
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

    @property
    def groups(self) -> tuple[int, ...] | None:
        """The number of each item's group, in the order of their first items."""
        if self.experiment.task.group_column is None:
            return None
        return group_numbers(item.group for item in self.test)

    def prompts(self, cell: Cell, suffix: str = "") -> dict[str, str]:
        """SHA-256 (hex) of a cell's prompts by item id.

        Raises:
            CassetteError: they are not in the file, or its instruction has changed since.
        """
        kind = kind_of(cell, suffix)
        if self.file.instructions.get(kind) not in (None, _instruction(cell)):
            raise CassetteError(
                f"the instruction of {kind} is another one than in {self.path}",
                where=str(cell),
                hint=f"undo that change, or {_again(cell.experiment)}",
            )
        lacking = [item.item for item in self.test if kind not in item.prompts]
        if lacking:
            raise CassetteError(
                f"{self.path} has no prompts of {kind} for {len(lacking)} of {len(self.test)} "
                f"items, and the data set {self.file.dataset!r} is not on this machine",
                where=str(cell),
                hint=_again(cell.experiment),
            )
        return {item.item: item.prompts[kind] for item in self.test}

    def files(self, cell: Cell) -> tuple[Upload, Upload]:
        """The training and the validation file of a fine-tuned cell, without their content.

        Raises:
            CassetteError: they are not in the file.
        """
        found = self.file.files.get(_size(cell))
        if found is None:
            raise CassetteError(
                f"{self.path} has no training files of {_size(cell)} rows, and the data set "
                f"{self.file.dataset!r} is not on this machine",
                where=str(cell),
                hint=_again(cell.experiment),
            )
        train, valid = (
            Upload(file_name(cell.experiment, cell.train_size, part), b"", sha256, rows)
            for part, (rows, sha256) in zip(("train", "valid"), found, strict=True)
        )
        return train, valid


def check_items(cell: Cell, prompts: Mapping[str, Mapping[str, str]]) -> None:
    """Compare a cell's inputs from the data set with ``items.jsonl``, if there is one.

    Args:
        cell: the cell.
        prompts: SHA-256 (hex) of its prompts by what was added to each, and by item.

    Raises:
        CassetteError: the file cannot be read, or items, labels, groups, prompts or training files
            are others there.
    """
    path, experiment = items_path(cell.experiment), cell.experiment
    file = read_items(path)
    if file is None:
        return
    _check_experiment(path, file, experiment)
    own, known = _items_of(experiment), file.of_role("test")
    if len(known) < len(own):
        raise _differs(cell, f"{path} has {len(known)} test items, and {len(own)} are asked")
    names = experiment.task.labels
    places = dataset_of(experiment).places
    for item, there in zip(own, known, strict=False):
        at = f"{path}, item {there.item}" if there.item == item.item else f"{path}"
        place = places.get(item.item, f"the item {item.item}")
        if item.item != there.item:
            raise _differs(cell, f"{at}: {place} is asked where the file has item {there.item}")
        if item.label != there.label:
            label = names[there.label] if there.label < len(names) else f"number {there.label}"
            now = names[item.label]
            raise _differs(cell, f"{at}: the label is {label!r}, and {now!r} in the data ({place})")
        for suffix, hashes in prompts.items():
            kind = kind_of(cell, suffix)
            if there.prompts.get(kind) not in (None, hashes[item.item]):
                what = f"the prompt of {kind} is another one than the data makes now ({place})"
                raise _differs(cell, f"{at}: {what}")
    if _groups(own) != _groups(known[: len(own)]):
        raise _differs(cell, f"{path}: the items are in other groups than in the data")
    files = file.files.get(_size(cell))
    if cell.train_size and files not in (None, _files(cell)):
        what = f"the training files of {_size(cell)} rows are others than the data makes now"
        raise _differs(cell, f"{path}: {what}")


@dataclass
class Items:
    """The content of an ``items.jsonl`` that is being written.

    Attributes:
        experiment: the experiment, whose data set is on this machine.
        before: the file as it was, of which is kept what still holds; None to begin again.
    """

    experiment: Experiment
    before: ItemsFile | None = None
    _prompts: dict[str, dict[str, str]] = field(default_factory=dict)
    _instructions: dict[str, str] = field(default_factory=dict)
    _files: dict[str, list[tuple[int, str]]] = field(default_factory=dict)

    def add(self, cell: Cell, prompts: Mapping[str, Mapping[str, str]]) -> None:
        """Add what a replay of a cell needs; the arguments are as for `check_items`."""
        plain = dict(zip(prompts_of(cell), prompt_sha256_of(cell), strict=True))
        for suffix, hashes in {"": plain, **prompts}.items():
            self._instructions[kind_of(cell, suffix)] = _instruction(cell)
            self._prompts[kind_of(cell, suffix)] = dict(hashes)
        if cell.train_size:
            self._files[_size(cell)] = _files(cell)

    def content(self) -> ItemsFile:
        """What the file should hold."""
        experiment, task = self.experiment, _task(self.experiment)
        before = self.before
        if before is None or (before.experiment, before.task) != (experiment.name, task):
            before = ItemsFile(experiment.name, experiment.task.dataset, task)
        own, known = _items_of(experiment), before.of_role("test")
        if [item.item for item in known[: len(own)]] == [item.item for item in own]:
            own += known[len(own) :]  # of a larger test_size
        kinds = {kind_of(cell) for cell in experiment.cells}
        kept = {item.item: item.prompts for item in known}
        items = []
        for item in own:
            prompts = {
                kind: sha256
                for kind, sha256 in kept.get(item.item, {}).items()
                if kind.partition("+")[0] in kinds
            }
            prompts |= {k: of[item.item] for k, of in self._prompts.items() if item.item in of}
            items.append(replace(item, prompts=dict(sorted(prompts.items()))))
        used = {kind for item in items for kind in item.prompts}
        instructions = {**before.instructions, **self._instructions}
        sizes = {_size(cell) for cell in experiment.fine_tuned_cells}
        files = {**before.files, **self._files}
        return replace(
            before,
            instructions={kind: instructions[kind] for kind in sorted(used & instructions.keys())},
            files={size: files[size] for size in sorted(sizes & files.keys())},
            items=(*items, *(item for item in before.items if item.role != "test")),
        )

    def write(self) -> bool:
        """Write the file where it has changed; whether it has."""
        content = self.content()
        if content == self.before:
            return False
        path = items_path(self.experiment)
        path.parent.mkdir(parents=True, exist_ok=True)
        content.write(path)
        return True


def note_items(cell: Cell, prompts: Mapping[str, Mapping[str, str]]) -> None:
    """Keep what a replay of a recorded cell needs; the arguments are as for `check_items`.

    Raises:
        CassetteError: the file cannot be read.
    """
    path = items_path(cell.experiment)
    with _alone(path.parent):
        items = Items(cell.experiment, read_items(path))
        items.add(cell, prompts)
        items.write()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process after the other change a file in a folder."""
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _items_of(experiment: Experiment) -> list[Item]:
    """The test items of the data set, without prompts."""
    rows = test_rows(experiment)
    groups = group_numbers(rows["group"]) if "group" in rows else [None] * len(rows)
    columns = rows["item"].tolist(), rows["label"].tolist(), groups
    return [Item(*fields) for fields in zip(*columns, strict=True)]


def _groups(items: Iterable[Item]) -> tuple[int, ...]:
    return group_numbers(item.group for item in items)


def _files(cell: Cell) -> list[tuple[int, str]]:
    files = files_of(cell.experiment, cell.train_size, is_chat(cell))
    return [(file.rows, file.sha256) for file in files]


def _size(cell: Cell) -> str:
    """The name of a training size's files."""
    return f"chat-{cell.train_size}" if is_chat(cell) else str(cell.train_size)


def _instruction(cell: Cell) -> str:
    """SHA-256 (hex) of the instruction in a cell's prompts."""
    return text_sha256("" if cell.train_size and not is_chat(cell) else cell.instruction_text)


def _task(experiment: Experiment) -> dict[str, Any]:
    return experiment.task.model_dump(mode="json", include=set(_KEYS), exclude_none=True)


def _check_task(path: Path, file: ItemsFile, experiment: Experiment) -> None:
    """Check that the items are of this task, where they cannot be compared with the data."""
    _check_experiment(path, file, experiment)
    now = _task(experiment)
    for key in _KEYS:
        if now.get(key) != file.task.get(key):
            raise CassetteError(
                f"{key} in [task] is {now.get(key)!r}, and was {file.task.get(key)!r} when the "
                "items were written",
                where=path,
                hint=f"undo that change, or {_again(experiment)}",
            )
    labels = len(experiment.task.labels)
    if wrong := next((item for item in file.items if item.label >= labels), None):
        problem = f"the item {wrong.item} has the label id {wrong.label}, and there are {labels}"
        raise CassetteError(f"{problem} labels", where=path, hint=WRITE_ITEMS)


def _check_experiment(path: Path, file: ItemsFile, experiment: Experiment) -> None:
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


def _differs(cell: Cell, problem: str) -> CassetteError:
    return CassetteError(
        problem, where=str(cell), hint=f"undo the change, or {_again(cell.experiment)}"
    )


def _again(experiment: Experiment) -> str:
    return (
        f"write the file again with `tunebench cassettes items {experiment.path}`, or record, "
        "where the data set is"
    )
