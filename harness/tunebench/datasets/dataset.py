"""Labelled texts from any source: two frames of one shape."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from tunebench.tables import Strings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from tunebench.datasets.options import DataReport


class Columns(TypedDict):
    """The texts of one split, of one length; groups where the texts come in groups."""

    item: Sequence[str]
    text: Sequence[str]
    label: Sequence[int]
    group: NotRequired[Sequence[str]]


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
            "item": _series(columns["item"]),
            "text": _series(columns["text"]),
            "label": pd.Series(columns["label"], dtype="int64"),
        }
    )
    if (groups := columns.get("group")) is not None:
        frame["group"] = _series(groups)
    return frame


def _series(texts: Sequence[str]) -> pd.Series:
    """A column of texts; of `Strings` without a copy where pandas keeps its texts in Arrow."""
    import pandas as pd

    dtype: Any = pd.Series([], dtype="str").dtype
    if not isinstance(texts, Strings) or getattr(dtype, "storage", None) != "pyarrow":
        return pd.Series(list(texts), dtype="str")
    import pyarrow as pa

    buffers = [None, pa.py_buffer(texts.ends), pa.py_buffer(texts.content)]
    return pd.Series(
        dtype.__from_arrow__(pa.Array.from_buffers(pa.large_string(), len(texts), buffers))
    )
