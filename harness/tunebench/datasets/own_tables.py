"""A data set of the user's own: one table that is split here, or one to learn from and one to test.

The split of one table depends on the texts alone, or on their groups, and grows with the file, see
`tunebench.datasets.splitting`. Where test rows are given, both tables keep their order, which is
that of the file or, for a sorted one, that of the item ids.
"""

from __future__ import annotations

import os
from array import array
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tunebench.datasets.dataset import Columns, Dataset, to_frame
from tunebench.datasets.labelled_texts import LabelledTexts, read_labelled
from tunebench.datasets.options import DataReport, Options
from tunebench.datasets.places import Places
from tunebench.datasets.splitting import in_quotas, is_held_out, item_id
from tunebench.errors import DatasetError
from tunebench.files import files_of
from tunebench.tables import Strings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def load(name: str, options: Options) -> Dataset:
    """Load a table.

    Args:
        name: its path, relative to ``options.folder``; or a pattern of files, read as one.
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
    own = set(source.keys)
    tested, groups = {key for key in given.keys if key in own}, set(given.groups or ())
    both = [i for i, key in enumerate(source.keys) if key in tested]
    if options.overlap == "refuse":
        if both:
            rows = "1 row is" if len(both) == 1 else f"{len(both)} rows are"
            problem = f"{rows} also in {given.path} ({source.at(source.in_order(both))})"
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
    return all(any(f.exists() for f in files_of(_path(one, options))) for one in names)


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
    own = set(source.keys)
    known = {key: i for i, key in enumerate(given.keys) if key in own}
    found = source.in_order(
        i
        for i, (key, label) in enumerate(zip(source.keys, source.labels, strict=True))
        if key in known and given.labels[known[key]] != label
    )
    if found:
        one, other = found[0], known[source.keys[found[0]]]
        count = "1 text has" if len(found) == 1 else f"{len(found)} texts have"
        first = (
            f"{source.place(one)} ({source.labels[one]!r}) and {given.place(other)} there "
            f"({given.labels[other]!r})"
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
        return rows.at(rows.in_order(found))

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
    frames, counts, sides = [], [], []
    places = Places()
    for rows in (train, test):
        columns = Columns(
            item=Strings(map(item_id, rows.keys)),
            text=rows.texts,
            label=array("q", map(ids.__getitem__, rows.labels)),
        )
        if rows.groups is not None:
            columns["group"] = rows.groups
        sides.append(columns.get("group"))
        frames.append(to_frame(columns))
        counts.append(counted(columns["label"], names))
        places.add(columns["item"], rows)
    kept = sum(len(one.keys) for one in read)
    left_out = kept - len(train.keys) - len(test.keys)
    is_given = options.test_dataset is not None
    report = DataReport(
        source=name,
        rows=sum(one.read for one in read),
        train=counts[0],
        test=counts[1],
        repeated=sum(one.read for one in read) - kept,
        moved=left_out if is_given else 0,
        waiting=0 if is_given else left_out,
        share=None if is_given else options.test_share,
        groups=counted_groups(sides),
    )
    return Dataset(name, names, frames[0], frames[1], report, places)


def counted_groups(sides: Sequence[Sequence[str] | None]) -> tuple[int, int] | None:
    """How many groups train and test have; None where there are none."""
    train, test = sides
    return None if train is None or test is None else (len(set(train)), len(set(test)))


def counted(label_ids: Sequence[int], names: Sequence[str]) -> Mapping[str, int]:
    """How many rows each label has, by name, in the order of the ids."""
    counts = Counter(label_ids)
    return {label: counts[label_id] for label_id, label in enumerate(names)}
