"""Learning curves, without smoothing: metrics by step of a job, and accuracy by training size."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tunebench.errors import ResultsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

SIZE_COLUMNS = ("model", "decision_rule", "train_size", "accuracy", "ci_low", "ci_high")


def epochs(curve: pd.DataFrame) -> pd.DataFrame:
    """The steps after which the model was validated: the ends of the epochs.

    These are the rows with classification metrics, or, if there are none, those with validation
    metrics.

    Args:
        curve: the result of `read_curve`.

    Returns:
        Those rows, with one more column: `mean_training_loss` (nats per token), the mean over the
        steps since the row before; NaN if one of these losses was not finite. Empty if the model
        was never validated.
    """
    for prefix in ("classification/", "validation_"):
        marks = [name for name in curve.columns if str(name).startswith(prefix)]
        ends = curve[marks].notna().any(axis=1)
        if ends.any():
            break
    found = curve[ends].reset_index(drop=True)
    if "training_loss" in curve:
        epoch = ends.shift(fill_value=False).cumsum()
        loss = curve["training_loss"].copy()
        loss.iloc[curve.attrs.get("not_finite", {}).get("training_loss", [])] = math.inf
        means = loss.groupby(epoch).mean().replace(math.inf, math.nan)
        found["mean_training_loss"] = means.iloc[: len(found)].to_numpy()
    else:
        found["mean_training_loss"] = math.nan
    return found


def accuracy_by_size(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Accuracy by number of training rows.

    Args:
        rows: ``cells`` of ``results.json``; prompted cells are ignored.

    Returns:
        One row per fine-tuned cell with the columns `SIZE_COLUMNS`, sorted by the first three.
        `accuracy` is between 0 and 1; `ci_low` and `ci_high` are the ends of its 95 % interval.

    Raises:
        ResultsError: a row lacks a value, or two rows stand for the same cell.
    """
    import pandas as pd

    tuned = []
    for number, row in enumerate(rows, 1):
        try:
            if row["train_size"] > 0:
                tuned.append({name: row[name] for name in SIZE_COLUMNS})
        except (KeyError, TypeError) as error:
            raise ResultsError(
                f"row {number} of the results has no usable {error.args[0]!r}",
                hint="write them again with --results",
            ) from error
    frame = pd.DataFrame(tuned, columns=list(SIZE_COLUMNS))
    keys = list(SIZE_COLUMNS[:3])
    if (again := frame.duplicated(keys)).any():
        model, rule, size = frame.loc[again, keys].iloc[0]
        raise ResultsError(
            f"the results have {model}-ft{size} under {rule} more than once",
            hint="keep the rows of one experiment",
        )
    return frame.sort_values(keys, ignore_index=True)
