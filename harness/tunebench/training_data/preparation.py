"""Prepare a user's file: take the steps, check what is left, split it, write it.

The steps are taken in turn until none proposes anything, so what is prepared stays as it is when
it is prepared again.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import numpy as np

from tunebench.errors import DatasetError
from tunebench.files import whole_files
from tunebench.formatting import DIFFER_BY, shown, twins
from tunebench.training_data import steps
from tunebench.training_data.proposals import empty_rows
from tunebench.training_data.training_files import record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from tunebench.training_data.proposals import Proposal, Settings
    from tunebench.training_data.rows import Rows

MAX_VALIDATION_ROWS = 1000
TRAINING_SHARE = 0.8
SEED = 42
_PART_OF_A_SPLIT = re.compile(r"_prepared_(?:train|valid)(?: \(\d+\))?\Z")


@dataclass(frozen=True)
class Split:
    """Which rows train and which validate.

    Attributes:
        train: positions of the training rows, shuffled.
        valid: positions of the validation rows, ascending.
    """

    train: Sequence[int]
    valid: Sequence[int]


def prepare(
    path: Path, rows: Rows, settings: Settings, accept: Callable[[Proposal], bool]
) -> list[Proposal]:
    """Take the steps on the rows, in place.

    Args:
        path: the file they come from, for messages.
        rows: the rows.
        settings: what is decided beforehand.
        accept: asked about each proposal that is not necessary; one that is declined is not made
            again. It is called also with the necessary ones, to tell of them; the answer is then
            of no matter.

    Returns:
        The proposals that were carried out, in order.

    Raises:
        DatasetError: what is left teaches nothing: no rows, one class, one prompt; or two
            classes look alike.
    """
    taken = steps.COMPLETION_STEPS if rows.chat is None else steps.CHAT_STEPS
    done: list[Proposal] = []
    declined: set[str] = set()
    changed = True
    while changed:
        changed = False
        for step in taken:
            if step.__name__ in declined:
                continue
            proposal = step(rows, settings)
            if proposal is not None:
                if not accept(proposal) and not proposal.necessary:
                    declined.add(step.__name__)
                    continue
                proposal.apply()
                done.append(proposal)
                changed = True
            if step is empty_rows or not rows:
                check(path, rows, settings)
    check(path, rows, settings)
    if settings.task_of(rows) == "classification":
        _refuse_look_alikes(path, rows)
    return done


def check(path: Path, rows: Rows, settings: Settings) -> None:
    """Refuse rows that teach nothing.

    Raises:
        DatasetError: no rows, the same completion in all, or the same prompt in all.
    """
    if not rows:
        raise DatasetError(
            f"{path}: no rows are left with a prompt and a completion of a fit length: add some."
        )
    if all(completion == rows.completions[0] for completion in rows.completions):
        said = rows.completions[0].decode()[:40]
        raise DatasetError(
            f"{path}: all {len(rows)} rows have the completion {said!r}, one class only: add rows "
            "of another."
        )
    if all(prompt == rows.prompts[0] for prompt in rows.prompts) and (
        settings.task_of(rows) != "open-ended"
    ):
        raise DatasetError(
            f"{path}: all {len(rows)} rows have the same prompt: vary it, or leave the prompts "
            "empty if nothing is to be asked."
        )


def _refuse_look_alikes(path: Path, rows: Rows) -> None:
    if alike := twins([completion.decode() for completion in dict.fromkeys(rows.completions)]):
        both = " and ".join(
            f"{shown(*pair)} (line {rows.lines[rows.completions.index(pair[0].encode())]})"
            for pair in (alike, alike[::-1])
        )
        raise DatasetError(
            f"{path}: the completions {both} differ only by {DIFFER_BY}: write them alike, or give "
            "--task generation if they are no classes."
        )


def check_halves(path: Path, halves: Split) -> None:
    """Refuse a split with an empty half.

    Raises:
        DatasetError: nothing is left to train or to validate on.
    """
    if not len(halves.train) or not len(halves.valid):
        raise DatasetError(
            f"{path}: a split would leave no rows to train or to validate on: add rows or give "
            "--no-split."
        )


def is_part_of_a_split(path: Path) -> bool:
    """Whether a file is one half of a split by its name, and so is not split again."""
    return bool(_PART_OF_A_SPLIT.search(path.stem))


def split(n: int) -> Split:
    """Draw the training rows: 8 of 10, but at most 1000 rows validate.

    The same rows in the same order as ``pandas.DataFrame.sample(n_train, random_state=42)``.
    """
    n_train = max(n - MAX_VALIDATION_ROWS, int(n * TRAINING_SHARE))
    train = np.random.RandomState(SEED).choice(n, size=n_train, replace=False)
    left = np.ones(n, dtype=bool)
    left[train] = False
    return Split(train.tolist(), np.flatnonzero(left).tolist())


def overlap(rows: Rows, halves: Split) -> tuple[Split, int]:
    """Leave out the validation rows whose prompt is also trained on.

    Returns:
        The split without them, and how many they were.
    """
    validated = {rows.prompts[i] for i in halves.valid}
    trained = {rows.prompts[i] for i in halves.train if rows.prompts[i] in validated}
    if not trained:
        return halves, 0
    valid = [i for i in halves.valid if rows.prompts[i] not in trained]
    return Split(halves.train, valid), len(halves.valid) - len(valid)


def free_names(path: Path, *, halves: bool) -> list[Path]:
    """The first names beside a file that are not taken, numbered alike from the second on."""
    for number in count():
        index = f" ({number})" if number else ""
        names = [
            path.with_name(f"{path.stem}_prepared{part}{index}.jsonl")
            for part in (("_train", "_valid") if halves else ("",))
        ]
        if not any(os.path.lexists(name) for name in names):
            return names
    raise AssertionError  # count() does not end


def write_files(path: Path, rows: Rows, halves: Split | None) -> list[Path]:
    """Write the prepared rows beside the file, all files whole or none, over no other file.

    Args:
        path: the user's file, which gives the names.
        rows: n rows.
        halves: which rows go in which file; None for one file of all.

    Returns:
        The files written: training and validation, or one.

    Raises:
        DatasetError: they cannot be written.
    """
    names = free_names(path, halves=halves is not None)
    parts = [range(len(rows))] if halves is None else [halves.train, halves.valid]
    with whole_files(names, overwrite=False) as files:
        for file, positions in zip(files, parts, strict=True):
            file.writelines(_records(rows, positions))
    return names


def _records(rows: Rows, positions: Iterable[int]) -> Iterator[bytes]:
    if rows.chat is not None:
        for i in positions:
            yield rows.chat[i]
    else:
        prompts, completions = rows.prompts, rows.completions
        for i in positions:
            yield record(prompts[i].decode(), completions[i].decode())
