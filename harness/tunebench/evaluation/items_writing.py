"""``items.jsonl`` where the data set is: written by a recording, compared by a replay."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tunebench.cassettes import Item, ItemsFile, read_items
from tunebench.errors import CassetteError
from tunebench.evaluation.inputs import (
    State,
    dataset_of,
    group_numbers,
    is_chat,
    kept,
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
from tunebench.evaluation.many_items import agreeing, are_many, written_along
from tunebench.evaluation.requests import calibration_of
from tunebench.evaluation.rules import RULES
from tunebench.evaluation.training_inputs import files_of
from tunebench.files import make_folder

try:
    import fcntl
except ImportError:  # On Windows two recordings of one experiment at once are not kept apart.
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from tunebench.cassettes import Role
    from tunebench.evaluation.requests import Request
    from tunebench.experiment import Cell, Experiment


def check_items(cell: Cell, requests: Iterable[Request]) -> str | None:
    """Compare a cell's inputs from the data set with ``items.jsonl``, if there is one.

    Labels, groups and rows that were corrected since then are the data's, and the file is behind.

    Args:
        cell: the cell.
        requests: all that it makes.

    Returns:
        How the file is behind the data, a clause; None if it is not.

    Raises:
        CassetteError: the file cannot be read, or prompts or training files are others there.
    """
    path, experiment = items_path(cell.experiment), cell.experiment
    if are_many(experiment) and path.exists():
        known_to_agree = agreeing(cell, requests, path)
        if known_to_agree is not None:
            check_experiment(path, known_to_agree, experiment)
            _check_files(cell, path, known_to_agree)
            return None
    file = read_items(path)
    if file is None:
        return None
    check_experiment(path, file, experiment)
    behind = []
    for role, kinds in _by_role(cell, requests).items():
        own, known = _items_of(cell, role), file.of_role(role)
        there = {item.item: item for item in known}
        for item in own:
            if item.item in there and (kind := _other_prompt(item, there[item.item], kinds)):
                raise _differs(
                    cell,
                    f"{path}, item {item.item}: the prompt of {kind} is another one than the data "
                    f"makes now ({_place(experiment, item)})",
                )
        if known or role == "test":
            behind += [why for why in [_behind(experiment, own, known)] if why]
    _check_files(cell, path, file)
    if not behind:
        return None
    return f"{path}{behind[0]}; {write_again(experiment)}"


def _check_files(cell: Cell, path: Path, file: ItemsFile) -> None:
    files = file.files.get(size_of(cell))
    if cell.train_size and files not in (None, _files(cell)):
        what = f"the training files of {size_of(cell)} rows are others than the data makes now"
        raise _differs(cell, f"{path}: {what}")


def _by_role(cell: Cell, requests: Iterable[Request]) -> dict[Role, dict[str, dict[str, str]]]:
    """The hashes of a cell's prompts by role, kind and item."""
    found: dict[Role, dict[str, dict[str, str]]] = {}
    for request in requests:
        # Their items: a hash that is looked up by its item is made alone, several times slower.
        hashes = dict(request.hashes.items())
        found.setdefault(request.role, {})[kind_of(cell, request.suffix)] = hashes
    return found


def _other_prompt(item: Item, there: Item, kinds: Mapping[str, Mapping[str, str]]) -> str | None:
    """The kind of a prompt that is another one in the file."""
    for kind, hashes in kinds.items():
        if there.prompts.get(kind) not in (None, hashes[item.item]):
            return kind
    return None


def _behind(experiment: Experiment, own: list[Item], known: list[Item]) -> str | None:
    """How items of the file are behind those of the data."""
    if len(known) < len(own):
        return f" has {len(known)} items where {len(own)} are asked"
    for item, there in zip(own, known, strict=False):
        if item.item != there.item:
            place = _place(experiment, item)
            return f": {place} is asked where the file has item {there.item}"
        if item.label != there.label:
            now, then = (_name(experiment, one.label) for one in (item, there))
            place = _place(experiment, item)
            return f", item {item.item}: the label is {then}, and {now} in the data ({place})"
    if _groups(own) != _groups(known[: len(own)]):
        return ": the items are in other groups than in the data"
    return None


def _name(experiment: Experiment, label: int | None) -> str:
    names = experiment.task.labels
    if label is None:
        return "none"
    return repr(names[label]) if label < len(names) else f"number {label}"


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
    _prompts: dict[Role, dict[str, dict[str, str]]] = field(default_factory=dict)
    _own: dict[Role, list[Item]] = field(default_factory=dict)
    _instructions: dict[str, str] = field(default_factory=dict)
    _files: dict[str, list[tuple[int, str]]] = field(default_factory=dict)

    def add(self, cell: Cell, requests: Iterable[Request]) -> None:
        """Add what a replay of a cell needs, with all requests that it makes."""
        found = _by_role(cell, requests)
        plain = dict(zip(prompts_of(cell), prompt_sha256_of(cell), strict=True))
        found.setdefault("test", {})[kind_of(cell)] = plain
        for role, kinds in found.items():
            self._own[role] = _items_of(cell, role)
            self._prompts.setdefault(role, {}).update(kinds)
            self._instructions |= dict.fromkeys(kinds, instruction_of(cell))
        if cell.train_size and cell.pin is None:
            self._files[size_of(cell)] = _files(cell)

    def content(self) -> ItemsFile:
        """What the file should hold."""
        experiment, task = self.experiment, task_of(self.experiment)
        before = self.before
        if before is None or (before.experiment, before.task) != (experiment.name, task):
            before = ItemsFile(experiment.name, experiment.task.dataset, task)
        items = self._items(before, "test")
        if any(RULES[cell.decision_rule].calibration_texts for cell in experiment.cells):
            items += self._items(before, "calibration")
        used = {kind for item in items for kind in item.prompts}
        instructions = {**before.instructions, **self._instructions}
        sizes = {size_of(cell) for cell in experiment.fine_tuned_cells if cell.pin is None}
        files = {**before.files, **self._files}
        return replace(
            before,
            instructions={kind: instructions[kind] for kind in sorted(used & instructions.keys())},
            files={size: files[size] for size in sorted(sizes & files.keys())},
            items=tuple(items),
        )

    def _items(self, before: ItemsFile, role: Role) -> list[Item]:
        """The items of a role, with the prompts that are known of them."""
        known = before.of_role(role)
        own = list(self._own.get(role, known))
        if [item.item for item in known[: len(own)]] == [item.item for item in own]:
            own += known[len(own) :]  # of a larger number before
        kinds = {kind_of(cell) for cell in self.experiment.cells}
        kept = {item.item: item.prompts for item in known}
        items = []
        for item in own:
            prompts = {
                kind: sha256
                for kind, sha256 in kept.get(item.item, {}).items()
                if kind.partition("+")[0] in kinds
            }
            added = self._prompts.get(role, {})
            prompts |= {kind: of[item.item] for kind, of in added.items() if item.item in of}
            items.append(replace(item, prompts=dict(sorted(prompts.items()))))
        return items

    def write(self) -> bool:
        """Write the file where it has changed; whether it has."""
        content = self.content()
        if content == self.before:
            return False
        path = items_path(self.experiment)
        make_folder(path.parent)
        content.write(path)
        return True


def note_items(cell: Cell, requests: Iterable[Request]) -> None:
    """Keep what a replay of a recorded cell needs; the arguments are as for `check_items`.

    Raises:
        CassetteError: the file cannot be read.
    """
    path = items_path(cell.experiment)
    with _alone(path.parent):
        if are_many(cell.experiment):
            has_files = cell.train_size and cell.pin is None
            files = {size_of(cell): _files(cell)} if has_files else {}
            if written_along(cell, requests, path, files):
                return
        items = Items(cell.experiment, read_items(path))
        items.add(cell, requests)
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


def _items_of(cell: Cell, role: Role) -> list[Item]:
    """The items of a role by the data set, without prompts."""
    if role == "test":
        return list(_data_items(cell.experiment, cell.experiment.data_state))
    texts = calibration_of(cell)
    if texts is None:
        return []
    labels: Iterable[int | None] = texts.labels or [None] * len(texts.items)
    return [Item(item, label, role=role) for item, label in zip(texts.items, labels, strict=True)]


@kept(8)
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
