"""A public data set's splits, whatever their source, as a `Dataset`.

A user cannot fix a public set. So rows that make a user's own table unusable are left out and
counted here: rows without text or label, texts with two labels, repeated texts. Such sets are often
sorted by label; so their rows are put in a pseudo-random order by their texts and the seed.
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
from tunebench.datasets.own_tables import counted
from tunebench.datasets.splitting import item_id, position
from tunebench.errors import DatasetError, did_you_mean, nearest
from tunebench.formatting import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_NAMES = "label names"  # a key beside those of the splits, whose names hold no space
_Row = tuple[str, str, int]  # normalised text, text, label id


@dataclass(frozen=True)
class Public:
    """A public set as it is.

    Attributes:
        splits: the columns of each split, without items; a label id below 0 is none.
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
            splits: texts and labels; None where there is none. Labels are ids, or names throughout.
            names: the names of the ids, or None.
        """
        labels = [label for _, column in splits.values() for label in column]
        spelt = any(isinstance(label, str) for label in labels)
        if spelt:
            names = sorted({str(label) for label in labels if label not in (None, "")})
        ids = {name: label_id for label_id, name in enumerate(names or ())}

        def label_id(label: Any) -> int:
            return ids.get(str(label), -1) if spelt else -1 if label is None else int(label)

        columns = {
            split: Columns(
                item=[],
                text=[text or "" for text in texts],
                label=[label_id(label) for label in column],
            )
            for split, (texts, column) in splits.items()
        }
        return cls(columns, tuple(names or ()), spelt)


def kept(called: str, options: Options, root: Path, make: Callable[[], Public]) -> Public:
    """The result of `make`, from a copy in the data folder if it was made before.

    So a public set stays as it was first read, and a replay imports no library for it.

    Raises:
        DatasetError: the folder cannot be written in, or what `make` raises.
    """
    known_by = json.dumps([called, options.text_column, options.label_column])
    plain = re.sub(r"[^A-Za-z0-9.-]+", "_", called)[:60]
    digest = hashlib.sha256(known_by.encode()).hexdigest()[:8]
    folder = root / "tunebench_public" / f"{plain}-{digest}"

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
) -> tuple[str, str]:
    """The feature that holds the texts, and the one that holds the labels.

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

    return (
        chosen("text_column", options.text_column, "text", texts),
        chosen("label_column", options.label_column, "label", labels),
    )


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
            hint = "name others with text_column and label_column in [task]"
            raise DatasetError(problem, where=repr(name), hint=hint)
        sides.append(sorted(rows, key=lambda row: position(row[0], options.seed)))
        repeated, unusable = repeated + again, unusable + without
    moved = 0
    if len(sides) == 1:
        cut = sum(position(row[0], options.seed) < options.test_share for row in sides[0])
        sides = [sides[0][cut:], sides[0][:cut]]
    else:
        tested = {row[0] for row in sides[1]}
        train = [row for row in sides[0] if row[0] not in tested]
        moved = len(sides[0]) - len(train)
        if moved and options.overlap == "refuse":
            problem = f"{moved} texts of the split 'train' are also in 'test'"
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
    )
    return Dataset(name, names or None, to_frame(frames[0]), to_frame(frames[1]), report)


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
    usable = []
    for text, label in zip(columns["text"], columns["label"], strict=True):
        if label >= 0 and (key := normalised(text)):
            labels.setdefault(key, set()).add(label)
            usable.append((key, text, ids[label] if ids else label))
    times = Counter(key for key, _, _ in usable)
    first = {key: (key, text, label) for key, text, label in reversed(usable)}
    rows = [row for key, row in first.items() if len(labels[key]) == 1]
    agreed = sum(times[key] for key, _, _ in rows)
    return rows, agreed - len(rows), len(columns["text"]) - agreed


def _columns(rows: Sequence[_Row]) -> Columns:
    return Columns(
        item=[item_id(key) for key, _, _ in rows],
        text=[text for _, text, _ in rows],
        label=[label for _, _, label in rows],
    )
