"""Labelled texts from any source: two frames of one shape."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NotRequired, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from tunebench.datasets.options import DataReport


class Columns(TypedDict):
    """The texts of one split: lists of one length; groups where the texts come in groups."""

    item: list[str]
    text: list[str]
    label: list[int]
    group: NotRequired[list[str]]


@dataclass(frozen=True, eq=False)  # frames have no single truth value to compare by
class Dataset:
    """Labelled texts to train on and to test on.

    Attributes:
        name: the name it was loaded by.
        label_names: the data set's own name of each label id, or None if it has none.
        train: one row a text, RangeIndex, with the columns ``item`` (str, unique), ``text``
            (str, untouched) and ``label`` (int64, a position in ``label_names``); where the texts
            come in groups also ``group`` (str).
        test: the same columns; shares no item and no group with ``train``.
        report: counts of the rows read; None for a set that is always the same.
        places: where each item of a user's own table is, as ``tickets.csv, line 12``.
        cut: the items whose texts were longer than ``max_chars`` in ``[task]`` and are cut.
    """

    name: str
    label_names: tuple[str, ...] | None
    train: pd.DataFrame
    test: pd.DataFrame
    report: DataReport | None = None
    places: Mapping[str, str] = field(default_factory=dict)
    cut: frozenset[str] = frozenset()


def to_frame(columns: Columns) -> pd.DataFrame:
    """The frame that `Dataset` describes, with the rows in the same order."""
    import pandas as pd

    # With named types pandas need not guess, which would take longer than reading the file.
    frame = pd.DataFrame(
        {
            "item": pd.Series(columns["item"], dtype="str"),
            "text": pd.Series(columns["text"], dtype="str"),
            "label": pd.Series(columns["label"], dtype="int64"),
        }
    )
    if (groups := columns.get("group")) is not None:
        frame["group"] = pd.Series(groups, dtype="str")
    return frame
