"""Judgements: predictions compared with labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence


def judge(
    items: Sequence[str],
    labels: Sequence[int],
    predictions: Sequence[int | None],
    readings: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Judge one prediction for each text.

    Args:
        items: item ids.
        labels: the true label ids.
        predictions: the label ids that were read, None where an answer stated no label.
        readings: how each was read, or why it states none; None where nothing was read.

    Returns:
        A frame with the columns ``item``, ``label``, ``prediction`` (nullable integer),
        ``correct`` (bool) and, if given, ``reading``, in the given order. An answer that states
        no label is not correct.
    """
    frame = pd.DataFrame(
        {
            "item": list(items),
            "label": list(labels),
            "prediction": pd.array(list(predictions), dtype="Int64"),
        }
    )
    frame["correct"] = (frame["prediction"] == frame["label"]).fillna(False).astype(bool)
    if readings is not None:
        frame["reading"] = list(readings)
    return frame
