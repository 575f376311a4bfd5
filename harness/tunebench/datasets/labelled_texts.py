"""A table's rows as labelled texts: complete, of one opinion, each text once.

Two texts are the same when nothing but white space and the way of writing an accent (Unicode's
normal form C) tells them apart. Of the same text the first row is kept.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from tunebench.datasets.table_files import read_table
from tunebench.errors import DatasetError, nearest
from tunebench.formatting import DIFFER_BY, look, shown, twins

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tunebench.datasets.table_files import Table

MOST_LABELS = 200
_SHOWN = 5


@dataclass(frozen=True)
class LabelledTexts:
    """The rows that are kept of a table, in the file's order unless another is asked for.

    Attributes:
        table: what was read.
        positions: the kept rows' positions in it.
        keys: the normalised text of each kept row; no two are equal.
        repeated: how many rows were left out because their text came before, with the same label.
    """

    table: Table
    positions: list[int]
    keys: list[str]
    repeated: int

    @property
    def texts(self) -> list[str]:
        """The kept texts, untouched."""
        return [self.table.texts[position] for position in self.positions]

    @property
    def labels(self) -> list[str]:
        """The label of each kept text."""
        return [self.table.labels[position] for position in self.positions]

    @property
    def places(self) -> list[int]:
        """The line of each kept text; in a Parquet file its row."""
        return [self.table.places[position] for position in self.positions]


@dataclass(frozen=True)
class TableSummary:
    """What a file of labelled texts holds.

    Attributes:
        rows: how many rows there are.
        labels: the labels, sorted by name.
        counts: how many kept texts have each label, in the order of `labels`.
        repeated: how many rows repeat an earlier text.
        runs: whether rows of one label stand together, as in a file that is sorted by it.
        texts: the kept texts, in the file's order.
    """

    rows: int
    labels: tuple[str, ...]
    counts: dict[str, int]
    repeated: int
    runs: bool
    texts: list[str]


def inspect_table(
    path: Path, text_column: str = "text", label_column: str = "label"
) -> TableSummary:
    """Read a file of labelled texts and say what it holds.

    Args:
        path: a ``.csv``, ``.tsv``, ``.jsonl`` or ``.parquet`` file.
        text_column: the column of the texts.
        label_column: the column of the labels.

    Raises:
        DatasetError: the file cannot be read, or no benchmark can be made of its rows.
    """
    kept = check(read_table(path, text_column, label_column))
    counts = Counter(kept.labels)
    names = tuple(sorted(counts))
    return TableSummary(
        rows=len(kept.table.texts),
        labels=names,
        counts={name: counts[name] for name in names},
        repeated=kept.repeated,
        runs=_in_runs(kept.labels),
        texts=kept.texts,
    )


def _in_runs(labels: Sequence[str]) -> bool:
    """Whether the label changes from row to row less than half as often as if shuffled."""
    changes = sum(one != next_one for one, next_one in pairwise(labels))
    alike = sum((count / len(labels)) ** 2 for count in Counter(labels).values())
    return changes < (1 - alike) * (len(labels) - 1) / 2


def normalised(text: str) -> str:
    """What is compared of a text: each run of white space is one space, none at the ends; NFC."""
    return unicodedata.normalize("NFC", " ".join(text.split()))


def check(table: Table, labels: Sequence[str] | None = None) -> LabelledTexts:
    """Refuse what no benchmark can be made of; leave out repeated texts.

    Args:
        table: the rows as read.
        labels: the only labels that may stand there; whatever stands there if None.

    Raises:
        DatasetError: there are fewer than two rows, a text or label is missing, labels look alike
            or differ by case alone, there are too few or too many of them or one that is not
            listed, or one text has two labels.
    """
    if len(table.texts) < 2:
        holds = "one row only" if table.texts else "no rows"
        raise DatasetError(
            f"{table.path}: the file holds {holds}, and a benchmark needs some to ask and others "
            "to learn from; add rows."
        )
    keys = [normalised(text) for text in table.texts]
    _refuse_missing(table, keys)
    _check_labels(table, labels)
    return _without_repeats(table, keys)


def _refuse_missing(table: Table, keys: Sequence[str]) -> None:
    for what, empty in (
        ("text", [i for i, key in enumerate(keys) if not key]),
        ("label", [i for i, label in enumerate(table.labels) if not look(label)]),
    ):
        if empty:
            count = (
                f"1 row has no {what}" if len(empty) == 1 else f"{len(empty)} rows have no {what}"
            )
            raise DatasetError(
                f"{table.path}: {count} ({at(table, empty)}); fill it in, or take the row out."
            )


def _check_labels(table: Table, labels: Sequence[str] | None) -> None:
    found = Counter(table.labels)
    if alike := twins(list(found), lambda name: look(name).casefold()):
        both = " and ".join(_where(table, *pair) for pair in (alike, alike[::-1]))
        raise DatasetError(
            f"{table.path}: the labels {both} differ only by case, {DIFFER_BY}; write them alike."
        )
    if labels is not None and (unlisted := [name for name in found if name not in labels]):
        name = unlisted[0]
        if (listed := next((one for one in labels if look(one) == look(name)), None)) is not None:
            raise DatasetError(
                f"{table.path}: the label {_where(table, name, listed)} and the label "
                f"{shown(listed, name)} of [task] differ only by {DIFFER_BY}; write them alike."
            )
        near = nearest(name, labels)
        hint = f"did you mean {near!r}?" if near else f"listed are {_listed(labels)}."
        raise DatasetError(
            f"{table.path}: the label {_where(table, name)} is "
            f"not among the labels of [task]; fix the file or add it there; {hint}"
        )
    if not 2 <= len(labels or found) <= MOST_LABELS:
        holds = f"{len(found):,} labels" if len(found) > 1 else f"one label, {next(iter(found))!r}"
        raise DatasetError(
            f"{table.path}: the label column holds {holds}, and a "
            f"task has 2 to {MOST_LABELS}; check label_column, or fix the file."
        )


def _without_repeats(table: Table, keys: Sequence[str]) -> LabelledTexts:
    first: dict[str, int] = {}
    positions: list[int] = []
    contradicted: dict[int, int] = {}  # position of the first: of the first that differs
    for position, key in enumerate(keys):
        earlier = first.setdefault(key, position)
        if earlier == position:
            positions.append(position)
        elif table.labels[earlier] != table.labels[position]:
            contradicted.setdefault(earlier, position)
    if contradicted:
        pairs = ", ".join(
            f"{table.places[one]} {table.labels[one]!r} and {table.places[two]} "
            f"{table.labels[two]!r}"
            for one, two in list(contradicted.items())[:_SHOWN]
        )
        count = "1 text has" if len(contradicted) == 1 else f"{len(contradicted)} texts have"
        more = ", …" if len(contradicted) > _SHOWN else ""
        raise DatasetError(
            f"{table.path}: {count} two different labels ({table.unit}s {pairs}{more}); decide for "
            "one of them, or take the rows out."
        )
    kept = [keys[position] for position in positions]
    return LabelledTexts(table, positions, kept, len(keys) - len(kept))


def at(table: Table, positions: Sequence[int]) -> str:
    """Where rows stand, the first few: ``lines 3, 7, 12, …``."""
    shown = ", ".join(str(table.places[position]) for position in positions[:_SHOWN])
    more = ", …" if len(positions) > _SHOWN else ""
    return f"{table.unit}{'s' if len(positions) > 1 else ''} {shown}{more}"


def _where(table: Table, label: str, beside: str = "") -> str:
    positions = [i for i, other in enumerate(table.labels) if other == label]
    rows = "1 row" if len(positions) == 1 else f"{len(positions)} rows"
    return f"{shown(label, beside)} ({rows}, {at(table, positions)})"


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(map(repr, labels[:20])) + (", …" if len(labels) > 20 else "")
