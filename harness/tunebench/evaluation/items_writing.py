"""``items.jsonl`` where the data set is: written by a recording, compared by a replay."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from tunebench.cassettes import Item, ItemsFile, read_items
from tunebench.errors import CassetteError
from tunebench.evaluation.inputs import (
    State,
    dataset_of,
    group_numbers,
    is_chat,
    prompts_of,
    test_rows,
)
from tunebench.evaluation.items import (
    check_experiment,
    instruction_of,
    items_path,
    kind_of,
    prompt_sha256_of,
    size_of,
    task_of,
    write_again,
)
from tunebench.evaluation.training_inputs import files_of

try:
    import fcntl
except ImportError:  # On Windows two recordings of one experiment at once are not kept apart.
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from tunebench.experiment import Cell, Experiment


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
    check_experiment(path, file, experiment)
    own, known = _items_of(experiment), file.of_role("test")
    if len(known) < len(own):
        raise _differs(cell, f"{path} has {len(known)} test items, and {len(own)} are asked")
    kinds = {kind_of(cell, suffix): hashes for suffix, hashes in prompts.items()}
    for item, there in zip(own, known, strict=False):
        if problem := _difference(experiment, item, there, kinds):
            raise _differs(cell, f"{path}{problem}")
    if _groups(own) != _groups(known[: len(own)]):
        raise _differs(cell, f"{path}: the items are in other groups than in the data")
    files = file.files.get(size_of(cell))
    if cell.train_size and files not in (None, _files(cell)):
        what = f"the training files of {size_of(cell)} rows are others than the data makes now"
        raise _differs(cell, f"{path}: {what}")


def _difference(
    experiment: Experiment, item: Item, there: Item, kinds: Mapping[str, Mapping[str, str]]
) -> str:
    """How an item of the data differs from the one in the file; empty where it does not."""
    if item.item != there.item:
        place = _place(experiment, item)
        return f": {place} is asked where the file has item {there.item}"
    if item.label != there.label:
        names = experiment.task.labels
        label = names[there.label] if there.label < len(names) else f"number {there.label}"
        return (
            f", item {item.item}: the label is {label!r}, and {names[item.label]!r} in the data "
            f"({_place(experiment, item)})"
        )
    for kind, hashes in kinds.items():
        if there.prompts.get(kind) not in (None, hashes[item.item]):
            return (
                f", item {item.item}: the prompt of {kind} is another one than the data makes now "
                f"({_place(experiment, item)})"
            )
    return ""


def _place(experiment: Experiment, item: Item) -> str:
    return dataset_of(experiment).places.get(item.item, f"the item {item.item}")


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
            self._instructions[kind_of(cell, suffix)] = instruction_of(cell)
            self._prompts[kind_of(cell, suffix)] = dict(hashes)
        if cell.train_size:
            self._files[size_of(cell)] = _files(cell)

    def content(self) -> ItemsFile:
        """What the file should hold."""
        experiment, task = self.experiment, task_of(self.experiment)
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
        sizes = {size_of(cell) for cell in experiment.fine_tuned_cells}
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
    return list(_data_items(experiment, experiment.data_state))


@lru_cache(maxsize=8)
def _data_items(experiment: Experiment, _: State) -> tuple[Item, ...]:
    rows = test_rows(experiment)
    groups = group_numbers(rows["group"]) if "group" in rows else [None] * len(rows)
    columns = rows["item"].tolist(), rows["label"].tolist(), groups
    return tuple(Item(*fields) for fields in zip(*columns, strict=True))


def _groups(items: Iterable[Item]) -> tuple[int, ...]:
    return group_numbers(item.group for item in items)


def _files(cell: Cell) -> list[tuple[int, str]]:
    files = files_of(cell.experiment, cell.train_size, is_chat(cell))
    return [(file.rows, file.sha256) for file in files]


def _differs(cell: Cell, problem: str) -> CassetteError:
    return CassetteError(
        problem, where=str(cell), hint=f"undo the change, or {write_again(cell.experiment)}"
    )
