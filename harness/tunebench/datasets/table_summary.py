"""Summaries of files of labelled texts, for a benchmark that is to be made of one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from tunebench.datasets.labelled_texts import read_labelled

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True)
class TableSummary:
    """Summary of a file of labelled texts.

    Attributes:
        rows: how many rows there are.
        labels: the labels, sorted by name.
        counts: how many kept texts have each label, in the order of `labels`.
        repeated: how many rows repeat an earlier text.
        runs: whether rows of one label or one group follow each other, as in a file that is
            sorted by it.
        groups: how many groups the kept texts have; None where no column of them is named.
        texts: the kept texts, in the file's order.
        places: where each of them begins, as ``line 12``.
        notes: what of the file is not read, a sentence each.
    """

    rows: int
    labels: tuple[str, ...]
    counts: dict[str, int]
    repeated: int
    runs: bool
    texts: list[str]
    groups: int | None = None
    places: list[str] = field(default_factory=list, compare=False, repr=False)
    notes: tuple[str, ...] = ()


def inspect_table(
    path: Path,
    text_column: str = "text",
    label_column: str = "label",
    group_column: str | None = None,
) -> TableSummary:
    """Summarise a file of labelled texts, or several of a pattern.

    Raises:
        DatasetError: the file cannot be read, or no benchmark can be made of its rows.
    """
    kept = read_labelled(path, text_column, label_column, group_column=group_column)
    counts = Counter(kept.labels)
    return TableSummary(
        rows=kept.read,
        labels=tuple(sorted(counts)),
        counts=dict(sorted(counts.items())),
        repeated=kept.read - len(kept.texts),
        runs=_in_runs(kept.labels) or _in_runs(kept.groups or ()),
        texts=list(kept.texts),
        groups=None if kept.groups is None else len(set(kept.groups)),
        places=[kept.place(position) for position in range(len(kept.places))],
        notes=kept.notes,
    )


def _in_runs(labels: Sequence[str]) -> bool:
    """Whether the label changes from row to row less than half as often as if shuffled."""
    if not labels:
        return False
    changes = sum(one != next_one for one, next_one in pairwise(labels))
    alike = sum((count / len(labels)) ** 2 for count in Counter(labels).values())
    return changes < (1 - alike) * (len(labels) - 1) / 2
