"""Options of reading a data set, and the report on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tunebench.formatting import Keep

Overlap = Literal["refuse", "move"]
Order = Literal["file", "hash"]


@dataclass(frozen=True)
class Options:
    """How an experiment reads its data set.

    Attributes:
        folder: what paths are relative to.
        labels: the task's label names by id; the data set's own if None.
        text_column: ``text`` if None; of a TFDS or Hugging Face set also its only text feature.
        label_column: ``label`` if None; of such a set also its only class label.
        group_column: the column of the groups that no split divides; no groups if None.
        test_dataset: a file of test rows; else a share of the texts is held out.
        test_share: that share, between 0 and 1; of the groups where there are any.
        overlap: whether training rows whose text or group is among given test rows are refused or
            moved.
        seed: of the split, where none is given.
        order: of a table's rows: as in the file if None, or by their item ids, as if shuffled.
        max_chars: the most characters of a text; longer ones are cut. No limit if None.
        keep: which part of a longer text is kept.
    """

    folder: Path = Path()
    labels: tuple[str, ...] | None = None
    text_column: str | None = None
    label_column: str | None = None
    group_column: str | None = None
    test_dataset: str | None = None
    test_share: float = 0.2
    overlap: Overlap = "refuse"
    seed: int = 0
    order: Order | None = None
    max_chars: int | None = None
    keep: Keep = "start"


@dataclass(frozen=True)
class DataReport:
    """Counts of the rows of a data set. ``str`` gives them in a few lines.

    Attributes:
        source: the data set's name.
        rows: rows read.
        train: training rows by label.
        test: test rows by label.
        repeated: rows left out because their text came before.
        unusable: rows left out of a public set: without text, label or group, or with two labels.
        moved: rows taken out of train because their text, or its group, is in test.
        waiting: rows whose class has its share of the split already; given when others come.
        share: the share held out; None where the split was given.
        groups: how many groups train and test have; None where the texts have none.
        cut: how many texts of train and test were cut; None where nothing limits them.
        max_chars: that limit in characters.
        keep: which part was kept.
    """

    source: str
    rows: int
    train: Mapping[str, int] = field(default_factory=dict)
    test: Mapping[str, int] = field(default_factory=dict)
    repeated: int = 0
    unusable: int = 0
    moved: int = 0
    waiting: int = 0
    share: float | None = None
    groups: tuple[int, int] | None = None
    cut: tuple[int, int] | None = None
    max_chars: int = 0
    keep: Keep = "start"

    @property
    def kept(self) -> int:
        """Training and test rows, and those that wait."""
        return sum(self.train.values()) + sum(self.test.values()) + self.waiting

    def __str__(self) -> str:
        of_what = "texts" if self.groups is None else "groups"
        split = "given" if self.share is None else f"{self.share:g} of the {of_what} held out"
        lines = [f"{self.source}: {self.rows:,} rows, {self.kept:,} kept; split: {split}"]
        for name, counts in (("train", self.train), ("test", self.test)):
            listed = ", ".join(f"{label} {count:,}" for label, count in counts.items())
            lines.append(f"{name}: {sum(counts.values()):,} rows ({listed})")
        if self.groups is not None:
            lines.append("groups: {:,} in train, {:,} in test".format(*self.groups))
        if self.cut is not None:
            kept = f"the {self.keep} of at most {self.max_chars:,} characters kept"
            lines.append("cut: {:,} texts in train, {:,} in test; ".format(*self.cut) + kept)
        or_group, or_its = ("", "") if self.groups is None else (", no group", " or its group")
        for count, what in (
            (self.repeated, "left out: the text came before"),
            (self.unusable, f"left out: no text, no label{or_group} or two different labels"),
            (self.moved, f"taken out of train: the text{or_its} is in test"),
            (self.waiting, "waiting: the class has its share until rows of other classes come"),
        ):
            if count:
                lines.append(f"{count:,} row{'s' if count > 1 else ''} {what}")
        return "\n".join(lines)
