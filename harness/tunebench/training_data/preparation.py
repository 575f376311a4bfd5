"""Preparation of a user's file: take the steps, check the rows left, split them, write them.

The steps are repeated until none proposes anything, so that preparing a prepared file changes
nothing.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from tunebench.errors import DatasetError
from tunebench.files import whole_files
from tunebench.formatting import DIFFER_BY, shown, twins
from tunebench.training_data import steps
from tunebench.training_data.training_files import record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tunebench.training_data.rows import Rows
    from tunebench.training_data.steps import Proposal, Settings

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

    train: list[int]
    valid: list[int]


def prepare(
    path: Path, rows: Rows, settings: Settings, accept: Callable[[Proposal], bool]
) -> list[Proposal]:
    """Take the steps on the rows, in place; the proposals that were carried out, in order.

    `accept` is called with each proposal; one that it declines is not made again. For a necessary
    one its answer does not count.

    Raises:
        DatasetError: the rows left teach nothing: no rows, one class, one prompt; or two classes
            look alike.
    """
    declined: set[str] = set()
    done: list[Proposal] = []
    changed = True
    while changed:
        changed = False
        for step in steps.COMPLETION_STEPS if rows.chat is None else steps.CHAT_STEPS:
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
            if step is steps.empty_rows or not rows:
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
        problem = "no rows are left with a prompt and a completion of a fit length"
        raise DatasetError(problem, where=path, hint="add some")
    if len(set(rows.completions)) == 1:
        only = rows.completions[0][:40]
        problem = f"all {len(rows)} rows have the completion {only!r}, so there is only one class"
        raise DatasetError(problem, where=path, hint="add rows of another")
    same_prompt = all(prompt == rows.prompts[0] for prompt in rows.prompts)
    if same_prompt and settings.task_of(rows) != "open-ended":
        problem = f"all {len(rows)} rows have the same prompt"
        hint = "vary it, or leave the prompts empty if none is needed"
        raise DatasetError(problem, where=path, hint=hint)


def _refuse_look_alikes(path: Path, rows: Rows) -> None:
    if alike := twins(list(dict.fromkeys(rows.completions))):
        both = " and ".join(
            f"{shown(*pair)} ({rows.unit} {rows.places[rows.completions.index(pair[0])]})"
            for pair in (alike, alike[::-1])
        )
        problem = f"the completions {both} differ only by {DIFFER_BY}"
        hint = "write them alike, or give --task generation if they are not classes"
        raise DatasetError(problem, where=path, hint=hint)


def check_halves(path: Path, halves: Split) -> None:
    """Refuse a split with an empty half.

    Raises:
        DatasetError: nothing is left to train or to validate on.
    """
    if not halves.train or not halves.valid:
        problem = "a split would leave no rows to train or to validate on"
        raise DatasetError(problem, where=path, hint="add rows or give --no-split")


def is_part_of_a_split(path: Path) -> bool:
    """Whether a file is one half of a split by its name, and so is not split again."""
    return bool(_PART_OF_A_SPLIT.search(path.stem))


def split(n: int) -> Split:
    """Draw the training rows: 8 of 10, but at most 1000 rows validate.

    The same rows in the same order as ``pandas.DataFrame.sample(n_train, random_state=42)``.
    """
    import numpy as np

    n_train = max(n - MAX_VALIDATION_ROWS, int(n * TRAINING_SHARE))
    train = np.random.RandomState(SEED).choice(n, size=n_train, replace=False)
    left = np.setdiff1d(np.arange(n), train, assume_unique=True)
    return Split(train.tolist(), left.tolist())


def without_overlap(prompts: Sequence[str], halves: Split) -> Split:
    """A split without the validation rows whose prompt is also trained on."""
    trained = {prompts[i] for i in halves.train}
    return Split(halves.train, [i for i in halves.valid if prompts[i] not in trained])


def free_names(path: Path, *, halves: bool) -> list[Path]:
    """The first names beside a file that are free, numbered alike from the second on."""
    parts = ("_train", "_valid") if halves else ("",)
    for number in count():
        index = f" ({number})" if number else ""
        names = [path.with_name(f"{path.stem}_prepared{part}{index}.jsonl") for part in parts]
        if not any(os.path.lexists(name) for name in names):
            break
    return names


def write_files(path: Path, rows: Rows, halves: Split | None) -> list[Path]:
    """Write the prepared rows beside the file, all files whole or none; no file is overwritten.

    They are a training and a validation file, or one file of all rows without `halves`.

    Raises:
        DatasetError: they cannot be written.
    """
    names = free_names(path, halves=halves is not None)
    parts = [halves.train, halves.valid] if halves else [range(len(rows))]
    with whole_files(names, overwrite=False) as files:
        for file, positions in zip(files, parts, strict=True):
            if rows.chat is None:
                lines = (record(rows.prompts[i], rows.completions[i]) for i in positions)
            else:
                lines = (rows.chat[i].encode() for i in positions)
            file.writelines(lines)
    return names
