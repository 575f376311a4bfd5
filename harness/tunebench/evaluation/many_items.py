"""An ``items.jsonl`` of many items, compared and written an item at a time.

Only where data and file have the same items in the same order, with the same labels and groups, and
no text that calibrates; all else is for `tunebench.evaluation.items_writing`, which keeps the whole
file in memory.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from itertools import repeat
from typing import TYPE_CHECKING

from tunebench.cassettes import Item, ItemsFile, ItemsStream
from tunebench.evaluation.inputs import group_numbers, prompts_of, test_rows
from tunebench.evaluation.items import instruction_of, kind_of, task_of
from tunebench.evaluation.prompts import Hashes
from tunebench.files import make_folder
from tunebench.tables import Values

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from tunebench.evaluation.requests import Request
    from tunebench.experiment import Cell, Experiment

MANY = 100_000


class _OutOfStep(Exception):  # noqa: N818 - it never leaves this module
    """Data and file have other items, or what a cell does not know of is in the file."""


def are_many(experiment: Experiment) -> bool:
    """Whether an experiment has so many test texts that they are gone through one by one."""
    return experiment.task.test_size >= MANY


def agreeing(cell: Cell, requests: Iterable[Request], path: Path) -> ItemsFile | None:
    """The file without its items where it agrees with the data on all that a cell asks.

    None where it does not, or where that cannot be said item by item.

    Raises:
        CassetteError: the file is damaged.
    """
    kinds = _kinds(cell, requests)
    if kinds is None:
        return None
    stream = ItemsStream(path)
    with closing(stream):
        try:
            for *_, hashes, there in _in_step(cell.experiment, kinds, stream):
                for kind, sha256 in zip(kinds, hashes, strict=True):
                    if there is None or there.prompts.get(kind) not in (None, sha256):
                        return None
        except _OutOfStep:
            return None
    return stream.file


def written_along(
    cell: Cell, requests: Iterable[Request], path: Path, files: Mapping[str, list[tuple[int, str]]]
) -> bool:
    """Write what a replay of a cell needs into the file; whether that could be done so.

    Args:
        cell: the cell.
        requests: all that it makes.
        path: of the file, which need not exist.
        files: rows and checksums of its training files, by training size.

    Raises:
        TunebenchError: the file is damaged, or cannot be written.
    """
    kinds, experiment = _kinds(cell, requests), cell.experiment
    if kinds is None or any(one.decision_rule == "calibrated" for one in experiment.cells):
        return False
    kinds[kind_of(cell)] = Hashes(prompts_of(cell))
    task = task_of(experiment)
    head = ItemsFile(experiment.name, experiment.task.dataset, task)
    stream = ItemsStream(path) if path.exists() else None
    if stream is not None and (stream.file.experiment, stream.file.task) == (head.experiment, task):
        head = stream.file
    elif stream is not None:
        stream.close()
        stream = None
    used = {kind_of(one) for one in experiment.cells}
    known = {
        kind: sha256 for kind, sha256 in head.instructions.items() if kind.partition("+")[0] in used
    }
    instructions = known | dict.fromkeys(kinds, instruction_of(cell))
    new = replace(
        head, instructions=dict(sorted(instructions.items())), files={**head.files, **files}
    )
    if new == head and agreeing(cell, requests, path) is not None:
        return True

    def items() -> Iterator[Item]:
        for item, label, group, hashes, there in _in_step(experiment, kinds, stream):
            kept = there.prompts if there is not None else {}
            prompts = {kind: kept[kind] for kind in kept if kind in known}
            prompts.update(zip(kinds, hashes, strict=True))
            yield Item(item, label, group, dict(sorted(prompts.items())))

    make_folder(path.parent)
    try:
        new.write_with(path, experiment.task.test_size, items())
    except _OutOfStep:
        return False
    finally:
        if stream is not None:
            stream.close()
    return True


def _kinds(cell: Cell, requests: Iterable[Request]) -> dict[str, Mapping[str, str]] | None:
    """The hashes of a cell's prompts by kind; None where it asks others than the test texts."""
    found: dict[str, Mapping[str, str]] = {}
    for request in requests:
        if request.role != "test":
            return None
        found[kind_of(cell, request.suffix)] = request.hashes
    return found


def _in_step(
    experiment: Experiment, kinds: Mapping[str, Mapping[str, str]], stream: ItemsStream | None
) -> Iterator[tuple[str, int, int | None, tuple[str, ...], Item | None]]:
    """Each item of the data with its label, group and hashes of those prompts; and of the file."""
    rows = test_rows(experiment)
    groups: Iterable[int | None] = repeat(None, len(rows))
    if "group" in rows:
        groups = group_numbers(rows["group"])
    hashes = zip(*(of_kind.values() for of_kind in kinds.values()), strict=True)
    known: Iterator[Item | None] = iter(stream) if stream is not None else repeat(None)
    columns = zip(Values(rows["item"]), Values(rows["label"]), groups, hashes, strict=True)
    for item, label, group, prompts in columns:
        there = next(known, None)
        if stream is not None and (
            there is None
            or (there.item, there.label, there.group, there.role) != (item, label, group, "test")
        ):
            raise _OutOfStep
        yield item, label, group, prompts, there
    if stream is not None and next(known, None) is not None:
        raise _OutOfStep
