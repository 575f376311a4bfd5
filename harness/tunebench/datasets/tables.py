"""A data set of the user's own: one table that is split here, or one to learn from and one to ask.

A split of one table is made by the texts alone and grows with the file, see
`tunebench.datasets.splitting`. Where test rows are given, both tables keep their order, which is
that of the file or, for a sorted one, that of the item ids.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tunebench.datasets.dataset import Columns, Dataset, to_frame
from tunebench.datasets.labelled_texts import LabelledTexts, at, check
from tunebench.datasets.options import DataReport, Options
from tunebench.datasets.splitting import in_quotas, is_held_out, item_id
from tunebench.datasets.table_files import read_table
from tunebench.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def load(name: str, options: Options) -> Dataset:
    """Load a table.

    Args:
        name: its path, relative to ``options.folder``.
        options: columns, labels and split.

    Returns:
        The data set. Its items are the first 16 hexadecimal digits of the SHA-256 of the
        normalised texts; its label names are ``options.labels``, or those found, sorted.

    Raises:
        DatasetError: the table cannot be read, no benchmark can be made of its rows, or training
            rows stand among the given test rows and are not to be moved.
    """
    source = _read(name, options)
    if options.test_dataset is None:
        held_out = [is_held_out(key, options.test_share, options.seed) for key in source.keys]
        train, test = in_quotas(source.labels, held_out)
        waiting = len(held_out) - len(train) - len(test)
        return _dataset(name, options, (source, train), (source, test), waiting=waiting)
    given = _read(options.test_dataset, options)
    _refuse_contradictions(source, given)
    asked = set(given.keys)
    both = [i for i, key in enumerate(source.keys) if key in asked]
    if both and options.overlap == "refuse":
        rows = "1 row stands" if len(both) == 1 else f"{len(both)} rows stand"
        places = at(source.table, sorted(source.positions[i] for i in both))
        raise DatasetError(
            f"{source.table.path}: {rows} in {given.table.path}, too ({places}); take them out "
            'of one, or set overlap = "move" in [task], which leaves them to the test rows.'
        )
    train = [i for i, key in enumerate(source.keys) if key not in asked]
    return _dataset(name, options, (source, train), (given, range(len(given.keys))), both=both)


def _read(name: str, options: Options) -> LabelledTexts:
    # By its parts alone: the folder that a path with ".." begins in need not be there yet.
    path = Path(os.path.normpath(options.folder / Path(name).expanduser()))
    table = read_table(path, options.text_column or "text", options.label_column or "label")
    kept = check(table, options.labels)
    if options.order != "hash":
        return kept
    rows = sorted(zip(kept.keys, kept.positions, strict=True), key=lambda row: item_id(row[0]))
    return replace(kept, keys=[key for key, _ in rows], positions=[row for _, row in rows])


def _refuse_contradictions(source: LabelledTexts, given: LabelledTexts) -> None:
    known = dict(zip(given.keys, zip(given.labels, given.places, strict=True), strict=True))
    found = sorted(
        (place, label, *known[key])
        for key, label, place in zip(source.keys, source.labels, source.places, strict=True)
        if key in known and known[key][0] != label
    )
    if found:
        place, label, other, other_place = found[0]
        count = "1 text has" if len(found) == 1 else f"{len(found)} texts have"
        raise DatasetError(
            f"{source.table.path}: {count} another label in {given.table.path}, the first in "
            f"{source.table.unit} {place} ({label!r}) and {given.table.unit} {other_place} there "
            f"({other!r}); decide for one of them, or take the rows out."
        )


def _dataset(
    name: str,
    options: Options,
    train: tuple[LabelledTexts, Sequence[int]],
    test: tuple[LabelledTexts, Sequence[int]],
    *,
    waiting: int = 0,
    both: Sequence[int] = (),
) -> Dataset:
    read = [train[0]] if train[0] is test[0] else [train[0], test[0]]
    names = options.labels or tuple(sorted({label for one in read for label in one.labels}))
    ids = {label: label_id for label_id, label in enumerate(names)}
    columns: list[Columns] = []
    places: dict[str, str] = {}
    for rows, chosen in (train, test):
        texts, labels, lines = rows.texts, rows.labels, rows.places
        items = [item_id(rows.keys[i]) for i in chosen]
        columns.append(
            Columns(
                item=items,
                text=[texts[i] for i in chosen],
                label=[ids[labels[i]] for i in chosen],
            )
        )
        at = f"{rows.table.path.name}, {rows.table.unit} "
        places.update((item, f"{at}{lines[i]}") for item, i in zip(items, chosen, strict=True))
    report = DataReport(
        source=name,
        rows=sum(len(one.table.texts) for one in read),
        train=counted(columns[0]["label"], names),
        test=counted(columns[1]["label"], names),
        repeated=sum(one.repeated for one in read),
        moved=len(both),
        waiting=waiting,
        share=options.test_share if options.test_dataset is None else None,
    )
    return Dataset(name, names, to_frame(columns[0]), to_frame(columns[1]), report, places)


def counted(label_ids: Sequence[int], names: Sequence[str]) -> Mapping[str, int]:
    """How many rows each label has, by name, in the order of the ids."""
    counts = Counter(label_ids)
    return {label: counts[label_id] for label_id, label in enumerate(names)}
