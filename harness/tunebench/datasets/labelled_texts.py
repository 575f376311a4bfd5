"""A table's rows as labelled texts: complete, with one label for each text, each text once.

Two texts are the same when they differ only by white space and by how an accent is encoded
(Unicode's normal form C). Of the same text the first row is kept.
"""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from array import array
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import TYPE_CHECKING

from tunebench.datasets.table import OwnTable
from tunebench.errors import DatasetError, nearest
from tunebench.formatting import DIFFER_BY, look, shown, twins
from tunebench.tables import Strings, are_different

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

ENDINGS = (".csv", ".tsv", ".jsonl", ".parquet", ".xlsx", ".csv.gz", ".tsv.gz", ".jsonl.gz")
LONGEST = 1_000_000  # characters of a cell: no prompt carries more, an unclosed quote soon does
MOST_LABELS = 200
_WHOLE = re.compile(r"^(-?[0-9]+)\.0+$")
_SHOWN = 5


@dataclass(frozen=True)
class LabelledTexts:
    """Rows of a table, in the file's order or another.

    Attributes:
        path: the file, or the pattern of several.
        unit: what `places` counts: ``line``, or ``row`` in a Parquet file.
        read: how many rows the file has.
        texts: the text of each row, untouched.
        labels: the label of each row.
        places: where each row begins.
        keys: the normalised text of each row.
        groups: the normalised group of each row; None where the texts have no groups.
        notes: what of the file is not read, a sentence each.
        files: of several files, the name of that of each row.
    """

    path: Path
    unit: str
    read: int
    texts: Strings
    labels: Sequence[str]
    places: Sequence[int]
    keys: Strings
    groups: Sequence[str] | None = None
    notes: tuple[str, ...] = ()
    files: list[str] = field(default_factory=list)

    @property
    def units(self) -> Sequence[str]:
        """What a split keeps together: the group of each row, or else its normalised text."""
        return self.keys if self.groups is None else self.groups

    def take(self, positions: Iterable[int]) -> LabelledTexts:
        """Some of the rows, in the order of the positions."""
        chosen = list(positions)
        texts = Strings(self.texts[i] for i in chosen)
        return replace(
            self,
            texts=texts,
            labels=[self.labels[i] for i in chosen],
            places=array("q", (self.places[i] for i in chosen)),
            keys=texts if self.keys is self.texts else Strings(self.keys[i] for i in chosen),
            groups=None if self.groups is None else [self.groups[i] for i in chosen],
            files=[self.files[i] for i in chosen] if self.files else [],
        )

    def place(self, position: int) -> str:
        """Where a row is: ``line 3``, or of several files ``b.csv, line 3``."""
        place = f"{self.unit} {self.places[position]}"
        return f"{self.files[position]}, {place}" if self.files else place

    def in_order(self, positions: Iterable[int]) -> list[int]:
        """Positions of rows in the order of the file, or of the files' names."""
        return sorted(positions, key=lambda i: (self.files[i : i + 1], self.places[i]))

    def at(self, positions: Sequence[int]) -> str:
        """Where rows are, the first few: ``lines 3, 7, 12, …``."""
        more = ", …" if len(positions) > _SHOWN else ""
        if self.files:
            return "; ".join(map(self.place, positions[:_SHOWN])) + more
        listed = ", ".join(str(self.places[position]) for position in positions[:_SHOWN])
        return f"{self.unit}{'s' if len(positions) > 1 else ''} {listed}{more}"


def normalised(text: str) -> str:
    """The text that is compared: runs of white space as one space, none at the ends; NFC."""
    return unicodedata.normalize("NFC", " ".join(text.split()))


def _keys(texts: Strings) -> Strings:
    """The normalised texts; where all are as they are given, these once more and no copies."""
    if all(normalised(text) == text for text in texts):
        return texts
    return Strings(map(normalised, texts))


def read_labelled(
    path: Path,
    text_column: str,
    label_column: str,
    labels: Sequence[str] | None = None,
    *,
    group_column: str | None = None,
) -> LabelledTexts:
    """Read a table's texts and labels, each text once.

    Args:
        path: the file, in UTF-8 if it is a text file; or a pattern of files, read as one.
        text_column: the column of the texts.
        label_column: the column of the labels; numbers, true and false are taken as they are
            written.
        labels: the only labels that may occur; any if None.
        group_column: the column of the groups, likewise; None for no groups.

    Raises:
        DatasetError: the file cannot be read; there are fewer than two rows, a text, label or group
            is missing, labels look alike or differ by case alone, there are too few or too many of
            them or one that is not listed, or one text has two labels.
    """

    def hint(column: str, names: Sequence[str]) -> str:
        key = next(key for key, name in named.items() if name == column)
        near = nearest(column, names)
        fix = f"set {key} = {json.dumps(near)}" if near else f"set {key} to one of them"
        return f"{fix} in [task], or fix the file"

    named = {"text_column": text_column, "label_column": label_column}
    if group_column is not None:
        named["group_column"] = group_column
    for (key, column), (other, same) in combinations(named.items(), 2):
        if column == same:
            problem = f"{key} and {other} are both {column!r}"
            raise DatasetError(problem, where=path, hint="name two columns")
    columns = tuple(named.values())
    table = OwnTable(path, columns, hint, numbers=columns[1:], longest=LONGEST)
    table.check_ending(*ENDINGS)
    table.read()
    texts, found, *more = table.texts
    assert isinstance(texts, Strings)  # as of each column without numbers
    if len(texts) < 2:
        holds = "one row only" if texts else "no rows"
        needs = "a benchmark needs some to test on and others to learn from"
        raise DatasetError(f"the file holds {holds}, and {needs}", where=path, hint="add rows")
    keys = _keys(texts)
    groups = [sys.intern(normalised(group)) for group in more[0]] if more else None
    notes = tuple(table.notes)
    places: Sequence[int] = table.places
    if not table.files and places[-1] - places[0] == len(places) - 1:  # one behind the other
        places = range(places[0], places[-1] + 1)
    rows = LabelledTexts(
        path, table.unit, len(texts), texts, found, places, keys, groups, notes, table.files
    )
    _refuse_missing(rows)
    _check_labels(rows, labels)
    return _without_repeats(rows)


def _refuse_missing(rows: LabelledTexts) -> None:
    for what, empty in (
        ("text", [i for i, key in enumerate(rows.keys) if not key]),
        ("label", _invisible(rows.labels)),
        ("group", _invisible(rows.groups or ())),
    ):
        if empty:
            count = "1 row has" if len(empty) == 1 else f"{len(empty)} rows have"
            problem = f"{count} no {what} ({rows.at(empty)})"
            hint = "fill it in, or take the row out"
            raise DatasetError(problem, where=rows.path, hint=hint)


def _invisible(names: Sequence[str]) -> list[int]:
    empty = {name for name in set(names) if not look(name)}
    return [i for i, name in enumerate(names) if name in empty] if empty else []


def _check_labels(rows: LabelledTexts, labels: Sequence[str] | None) -> None:
    def named(label: str, beside: str = "") -> str:
        positions = [i for i, other in enumerate(rows.labels) if other == label]
        count = "1 row" if len(positions) == 1 else f"{len(positions)} rows"
        return f"{shown(label, beside)} ({count}, {rows.at(positions)})"

    found = Counter(rows.labels)
    if alike := twins(list(found), lambda name: look(name).casefold()):
        both = " and ".join(named(*pair) for pair in (alike, alike[::-1]))
        problem = f"the labels {both} differ only by case, {DIFFER_BY}"
        raise DatasetError(problem, where=rows.path, hint="write them alike")
    if alike := twins(list(found), lambda name: _WHOLE.sub(r"\1", name)):
        both = " and ".join(map(named, alike))
        problem = f"the labels {both} are the same number"
        raise DatasetError(problem, where=rows.path, hint="write them alike")
    if labels is not None and (unlisted := [name for name in found if name not in labels]):
        name = unlisted[0]
        if (listed := next((one for one in labels if look(one) == look(name)), None)) is not None:
            both = f"{named(name, listed)} and the label {shown(listed, name)} of [task]"
            problem = f"the label {both} differ only by {DIFFER_BY}"
            raise DatasetError(problem, where=rows.path, hint="write them alike")
        problem = f"the label {named(name)} is not among the labels of [task]"
        near = nearest(name, labels)
        listed = ", ".join(map(repr, labels[:20])) + (", …" if len(labels) > 20 else "")
        hint = f"did you mean {near!r}?" if near else f"listed are {listed}"
        raise DatasetError(problem, where=rows.path, hint=f"fix the file or add it there; {hint}")
    if not 2 <= len(labels or found) <= MOST_LABELS:
        holds = f"{len(found):,} labels" if len(found) > 1 else f"one label, {next(iter(found))!r}"
        problem = f"the label column holds {holds}, and a task has 2 to {MOST_LABELS}"
        hint = "name another column, or fix the file"
        raise DatasetError(problem, where=rows.path, hint=hint)


def _without_repeats(rows: LabelledTexts) -> LabelledTexts:
    if are_different(rows.keys):
        return rows
    first: dict[str, int] = {}
    contradicted: dict[int, int] = {}  # position of the first: of the first that differs
    for position, key in enumerate(rows.keys):
        earlier = first.setdefault(key, position)
        if rows.labels[earlier] != rows.labels[position]:
            contradicted.setdefault(earlier, position)
    if contradicted:
        places = list(map(rows.place, range(len(rows.places)))) if rows.files else rows.places
        pairs = ", ".join(
            f"{places[one]} {rows.labels[one]!r} and {places[two]} {rows.labels[two]!r}"
            for one, two in list(contradicted.items())[:_SHOWN]
        )
        count = "1 text has" if len(contradicted) == 1 else f"{len(contradicted)} texts have"
        more = ", …" if len(contradicted) > _SHOWN else ""
        unit = "" if rows.files else f"{rows.unit}s "
        problem = f"{count} two different labels ({unit}{pairs}{more})"
        hint = "decide for one of them, or take the rows out"
        raise DatasetError(problem, where=rows.path, hint=hint)
    return rows.take(first.values())
