"""A data set of the user's own: one table that is split here, or one to learn from and one to test.

The split of one table depends on the texts alone, or on their groups, and grows with the file, see
`tunebench.datasets.splitting`. Where test rows are given, both tables keep their order, which is
that of the file or, for a sorted one, that of the item ids.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tunebench.datasets.dataset import Columns, Dataset, to_frame
from tunebench.datasets.labelled_texts import LabelledTexts, read_labelled
from tunebench.datasets.options import DataReport, Options
from tunebench.datasets.splitting import in_quotas, is_held_out, item_id
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
            rows are among the given test rows and must not be moved.
    """
    source = _read(name, options)
    if options.test_dataset is None:
        held_out = [is_held_out(unit, options.test_share, options.seed) for unit in source.units]
        _refuse_one_side(source, held_out)
        train, test = in_quotas(source.labels, held_out)
        return _dataset(name, options, [source], source.take(train), source.take(test))
    given = _read(options.test_dataset, options)
    _refuse_contradictions(source, given)
    tested, groups = set(given.keys), set(given.groups or ())
    both = [i for i, key in enumerate(source.keys) if key in tested]
    if options.overlap == "refuse":
        if both:
            rows = "1 row is" if len(both) == 1 else f"{len(both)} rows are"
            both.sort(key=lambda i: source.places[i])
            problem = f"{rows} also in {given.path} ({source.at(both)})"
            move = 'set overlap = "move" in [task], which leaves them to the test rows'
            raise DatasetError(problem, where=source.path, hint=f"take them out of one, or {move}")
        _refuse_shared_groups(source, given)
    train = [
        i
        for i, key in enumerate(source.keys)
        if key not in tested and (source.groups is None or source.groups[i] not in groups)
    ]
    return _dataset(name, options, [source, given], source.take(train), given)


def is_here(name: str, options: Options) -> bool:
    """Whether the table, and that of the test rows if one is named, is there."""
    names = [name, *([options.test_dataset] if options.test_dataset else [])]
    return all(_path(one, options).exists() for one in names)


def _path(name: str, options: Options) -> Path:
    # By its parts alone: the folder that a path with ".." begins in need not be there yet.
    return Path(os.path.normpath(options.folder / Path(name).expanduser()))


def _read(name: str, options: Options) -> LabelledTexts:
    path = _path(name, options)
    columns = options.text_column or "text", options.label_column or "label"
    rows = read_labelled(path, *columns, options.labels, group_column=options.group_column)
    if options.order == "hash":
        return rows.take(sorted(range(len(rows.keys)), key=lambda i: item_id(rows.keys[i])))
    return rows


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
        first = (
            f"{source.unit} {place} ({label!r}) and {given.unit} {other_place} there ({other!r})"
        )
        problem = f"{count} another label in {given.path}, the first in {first}"
        hint = "decide for one of them, or take the rows out"
        raise DatasetError(problem, where=source.path, hint=hint)


def _refuse_one_side(source: LabelledTexts, held_out: Sequence[bool]) -> None:
    """Refuse groups so few that all are on one side of the split."""
    if source.groups is None or len(set(held_out)) > 1:
        return
    count = len(set(source.groups))
    side = "test" if held_out[0] else "train"
    problem = f"the split leaves {'the one group' if count == 1 else f'all {count} groups'} to "
    problem += f"{side}, since a group is never on both sides"
    hint = "set another seed or test_share in [task], or give the test rows in test_dataset"
    raise DatasetError(problem, where=source.path, hint=hint)


def _refuse_shared_groups(source: LabelledTexts, given: LabelledTexts) -> None:
    shared = set(source.groups or ()) & set(given.groups or ())
    if not shared:
        return

    def at(rows: LabelledTexts) -> str:
        found = [i for i, group in enumerate(rows.groups or ()) if group == first]
        return rows.at(sorted(found, key=lambda i: rows.places[i]))

    first = next(group for group in source.groups or () if group in shared)
    count = "1 group is" if len(shared) == 1 else f"{len(shared)} groups are"
    named = "" if len(shared) == 1 else "the first "
    problem = f"{count} also in {given.path}, {named}{first!r} ({at(source)} here, {at(given)} "
    problem += "there)"
    move = 'set overlap = "move" in [task], which leaves its texts to the test rows'
    raise DatasetError(problem, where=source.path, hint=f"take it out of one, or {move}")


def _dataset(
    name: str,
    options: Options,
    read: Sequence[LabelledTexts],
    train: LabelledTexts,
    test: LabelledTexts,
) -> Dataset:
    names = options.labels or tuple(sorted({label for one in read for label in one.labels}))
    ids = {label: label_id for label_id, label in enumerate(names)}
    columns: list[Columns] = []
    places: dict[str, str] = {}
    for rows in (train, test):
        items = [item_id(key) for key in rows.keys]
        label_ids = [ids[label] for label in rows.labels]
        columns.append(Columns(item=items, text=rows.texts, label=label_ids))
        if rows.groups is not None:
            columns[-1]["group"] = rows.groups
        at = f"{rows.path.name}, {rows.unit} "
        places.update((item, f"{at}{n}") for item, n in zip(items, rows.places, strict=True))
    kept = sum(len(one.keys) for one in read)
    left_out = kept - len(train.keys) - len(test.keys)
    is_given = options.test_dataset is not None
    report = DataReport(
        source=name,
        rows=sum(one.read for one in read),
        train=counted(columns[0]["label"], names),
        test=counted(columns[1]["label"], names),
        repeated=sum(one.read for one in read) - kept,
        moved=left_out if is_given else 0,
        waiting=0 if is_given else left_out,
        share=None if is_given else options.test_share,
        groups=counted_groups(columns),
    )
    return Dataset(name, names, to_frame(columns[0]), to_frame(columns[1]), report, places)


def counted_groups(sides: Sequence[Columns]) -> tuple[int, int] | None:
    """How many groups train and test have; None where there are none."""
    train, test = (side.get("group") for side in sides)
    return None if train is None or test is None else (len(set(train)), len(set(test)))


def counted(label_ids: Sequence[int], names: Sequence[str]) -> Mapping[str, int]:
    """How many rows each label has, by name, in the order of the ids."""
    counts = Counter(label_ids)
    return {label: counts[label_id] for label_id, label in enumerate(names)}
