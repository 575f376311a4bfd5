"""A public data set's splits, whatever their source, as a `Dataset`.

A user cannot fix a public set. So rows that make a user's own table unusable are left out and
counted here: rows without text, label or group, texts with two labels, repeated texts. Such sets
are often sorted by label; so their rows are put in a pseudo-random order by their texts and the
seed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunebench.datasets import flat
from tunebench.datasets.dataset import Columns, Dataset, to_frame
from tunebench.datasets.labelled_texts import normalised
from tunebench.datasets.options import DataReport, Options
from tunebench.datasets.own_tables import counted, counted_groups
from tunebench.datasets.splitting import is_held_out, item_id, position
from tunebench.errors import DatasetError, did_you_mean, nearest
from tunebench.formatting import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_NAMES = "label names"  # a key beside those of the splits, whose names hold no space
_Row = tuple[str, str, int, str]  # normalised text, text, label id, group or an empty text


@dataclass(frozen=True)
class Public:
    """A public set as it is.

    Attributes:
        splits: the columns of each split, without items; a label id below 0 is none, and so is an
            empty group.
        names: the names of the label ids; empty if there are none.
        spelt: whether the set holds those names themselves, not ids.
    """

    splits: Mapping[str, Columns]
    names: tuple[str, ...]
    spelt: bool

    @classmethod
    def of(cls, splits: Mapping[str, Sequence[list[Any]]], names: Sequence[str] | None) -> Public:
        """Number the labels.

        Args:
            splits: texts and labels, and groups where there are any; None where there is none.
                Labels are ids, or names throughout.
            names: the names of the ids, or None.
        """
        labels = [label for _, column, *_ in splits.values() for label in column]
        spelt = any(isinstance(label, str) for label in labels)
        if spelt:
            names = sorted({str(label) for label in labels if label not in (None, "")})
        ids = {name: label_id for label_id, name in enumerate(names or ())}

        def label_id(label: Any) -> int:
            return ids.get(str(label), -1) if spelt else -1 if label is None else int(label)

        columns = {}
        for split, (texts, column, *groups) in splits.items():
            columns[split] = Columns(
                item=[],
                text=[text or "" for text in texts],
                label=[label_id(label) for label in column],
            )
            if groups:
                columns[split]["group"] = [
                    "" if group is None else normalised(str(group)) for group in groups[0]
                ]
        return cls(columns, tuple(names or ()), spelt)


def copy_of(called: str, options: Options, root: Path) -> Path:
    """The folder of a set's copy in the data folder; a copy is known by the columns, too."""
    named = [options.text_column, options.label_column]
    if options.group_column is not None:  # copies that were made before there were groups are kept
        named.append(options.group_column)
    digest = hashlib.sha256(json.dumps([called, *named]).encode()).hexdigest()[:8]
    plain = re.sub(r"[^A-Za-z0-9.-]+", "_", called)[:60]
    return root / "tunebench_public" / f"{plain}-{digest}"


def is_kept(called: str, options: Options, root: Path) -> bool:
    """Whether there is a copy of a set in the data folder."""
    return (copy_of(called, options, root) / flat.NAME).exists()


def kept(called: str, options: Options, root: Path, make: Callable[[], Public]) -> Public:
    """The result of `make`, from a copy in the data folder if it was made before.

    So a public set stays as it was first read, and a replay imports no library for it.

    Raises:
        DatasetError: the folder cannot be written in, or what `make` raises.
    """
    folder = copy_of(called, options, root)

    def columns() -> dict[str, Columns]:
        made = make()
        names = Columns(item=["spelt"] * made.spelt, text=list(made.names), label=[])
        return {**made.splits, _NAMES: names}

    splits = flat.kept(folder, folder / ".lock", columns)
    names = splits.pop(_NAMES)
    return Public(splits, tuple(names["text"]), bool(names["item"]))


def chosen_splits(name: str, splits: Sequence[str]) -> list[str]:
    """The splits to read: ``train`` and ``test``, or the one that is to be split.

    Raises:
        DatasetError: there are several splits and none is called ``train``.
    """
    if "train" in splits:
        return ["train", "test"] if "test" in splits else ["train"]
    if len(splits) == 1:
        return list(splits)
    raise DatasetError(
        f"{name!r} has the splits {', '.join(map(repr, splits))} and none called 'train'",
        hint="export the rows you want to a file",
    )


def chosen_columns(
    name: str,
    options: Options,
    features: Sequence[str],
    texts: Sequence[str],
    labels: Sequence[str],
) -> tuple[str, ...]:
    """The features that hold the texts, the labels and, where one is named, the groups.

    Raises:
        DatasetError: one is not there, or is not named and several or none fit.
    """
    listed = ", ".join(map(repr, features))

    def chosen(key: str, given: str | None, usual: str, fit: Sequence[str]) -> str:
        if given is None:
            if usual in features or len(fit) == 1:
                return usual if usual in features else fit[0]
            problem = f"{name!r} has no feature {usual!r} but {listed}"
            raise DatasetError(problem, hint=f"set {key} to one of them in [task]")
        if given not in features:
            problem = f"{name!r} has no feature {given!r}, which {key} names"
            raise DatasetError(problem, hint=did_you_mean(given, features))
        return given

    text = chosen("text_column", options.text_column, "text", texts)
    label = chosen("label_column", options.label_column, "label", labels)
    if options.group_column is None:
        return text, label
    return text, label, chosen("group_column", options.group_column, "group", ())


def to_dataset(name: str, made: Public, options: Options) -> Dataset:
    """Make the data set of one split, which is split by its share, or of ``train`` and ``test``.

    Raises:
        DatasetError: no rows are left, a label is not listed, or training rows are among the test
            rows and must not be moved.
    """
    names = (options.labels if made.spelt else made.names) or made.names
    ids = _own_ids(name, made.names, names) if made.spelt else None
    sides: list[list[_Row]] = []
    repeated = unusable = 0
    for split, columns in made.splits.items():
        rows, again, without = _clean(columns, ids)
        if not rows:
            problem = f"no row of the split {split!r} has a text and a label"
            or_group = "" if options.group_column is None else ", group_column"
            hint = f"name others with text_column{or_group} and label_column in [task]"
            raise DatasetError(problem, where=repr(name), hint=hint)
        sides.append(sorted(rows, key=lambda row: position(row[0], options.seed)))
        repeated, unusable = repeated + again, unusable + without
    moved = 0
    if len(sides) == 1:
        test = [
            row for row in sides[0] if is_held_out(_unit(row), options.test_share, options.seed)
        ]
        held_out = set(map(_unit, test))
        sides = [[row for row in sides[0] if _unit(row) not in held_out], test]
        _refuse_empty(name, sides)
    else:
        tested, groups = {row[0] for row in sides[1]}, {row[3] for row in sides[1]} - {""}
        train = [row for row in sides[0] if row[0] not in tested and row[3] not in groups]
        moved = len(sides[0]) - len(train)
        if moved and options.overlap == "refuse":
            shared = [row[3] for row in sides[0] if row[3] in groups]
            with_groups = f", or of a group that is, such as {shared[0]!r}" if shared else ""
            problem = f"{moved} texts of the split 'train' are also in 'test'{with_groups}"
            hint = 'set overlap = "move" in [task], which leaves them to the test rows'
            raise DatasetError(problem, where=repr(name), hint=hint)
        sides[0] = train
    frames = [_columns(side) for side in sides]
    all_ids = range(1 + max(row[2] for row in [*sides[0], *sides[1]]))
    listed = names or tuple(map(str, all_ids))
    report = DataReport(
        source=name,
        rows=sum(len(columns["text"]) for columns in made.splits.values()),
        train=counted(frames[0]["label"], listed),
        test=counted(frames[1]["label"], listed),
        repeated=repeated,
        unusable=unusable,
        moved=moved,
        share=options.test_share if len(made.splits) == 1 else None,
        groups=counted_groups([columns.get("group") for columns in frames]),
    )
    return Dataset(name, names or None, to_frame(frames[0]), to_frame(frames[1]), report)


def _unit(row: _Row) -> str:
    """What a split keeps together: the row's group, or else its normalised text."""
    return row[3] or row[0]


def _refuse_empty(name: str, sides: Sequence[Sequence[_Row]]) -> None:
    groups = {row[3] for side in sides for row in side} - {""}
    if groups and not all(sides):
        side = "train" if sides[0] else "test"
        problem = f"the split leaves all {len(groups)} groups to {side}, since a group is never on "
        problem += "both sides"
        raise DatasetError(
            problem, where=repr(name), hint="set another seed or test_share in [task]"
        )


def _own_ids(name: str, found: Sequence[str], names: Sequence[str]) -> list[int]:
    for label in found:
        if label not in names:
            near = nearest(label, names)
            problem = f"the label {shown(label, near or '')} is not among the labels of [task]"
            hint = f"did you mean {shown(near, label)}?" if near else "add it there"
            raise DatasetError(problem, where=repr(name), hint=hint)
    return [names.index(label) for label in found]


def _clean(columns: Columns, ids: Sequence[int] | None) -> tuple[list[_Row], int, int]:
    """The rows left, and how many were repeated and unusable."""
    labels: dict[str, set[int]] = {}
    usable: list[_Row] = []
    grouped = "group" in columns
    groups = columns.get("group", [""] * len(columns["text"]))
    for text, label, group in zip(columns["text"], columns["label"], groups, strict=True):
        if label >= 0 and (key := normalised(text)) and (group or not grouped):
            labels.setdefault(key, set()).add(label)
            usable.append((key, text, ids[label] if ids else label, group))
    times = Counter(row[0] for row in usable)
    first = {row[0]: row for row in reversed(usable)}
    rows = [row for key, row in first.items() if len(labels[key]) == 1]
    agreed = sum(times[row[0]] for row in rows)
    return rows, agreed - len(rows), len(columns["text"]) - agreed


def _columns(rows: Sequence[_Row]) -> Columns:
    columns = Columns(
        item=[item_id(row[0]) for row in rows],
        text=[row[1] for row in rows],
        label=[row[2] for row in rows],
    )
    if any(row[3] for row in rows):
        columns["group"] = [row[3] for row in rows]
    return columns
