"""Learning curves: how a fine-tuning job went step by step, and accuracy by training size.

Nothing is smoothed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tunebench.errors import ResultsError
from tunebench.statistics.result_files import curve_of_metrics, read_curve

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

__all__ = ["ResultsError", "accuracy_by_size", "curve_of_metrics", "epochs", "read_curve"]

SIZE_COLUMNS = ("model", "decision_rule", "train_size", "accuracy", "ci_low", "ci_high")


def epochs(curve: pd.DataFrame) -> pd.DataFrame:
    """The steps at which the model was validated as a whole: the ends of the epochs.

    These are the rows with classification metrics; where no row has any, those with validation
    metrics.

    Args:
        curve: as `read_curve` gives it.

    Returns:
        Those rows, and one column more: `mean_training_loss`, over the steps since the row before;
        NaN where the loss of one of them was not finite. Empty where nothing was validated.
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
    """How accuracy grows with the number of training rows.

    Args:
        rows: rows of ``results.json``. Only those of fine-tuned cells count.

    Returns:
        A row a fine-tuned cell with the columns `SIZE_COLUMNS`, sorted by the first three;
        `ci_low` and `ci_high` are the ends of the accuracy's 95 % interval.

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
                f"row {number} of the results has no usable {error.args[0]!r}; write them again "
                "with --results."
            ) from error
    frame = pd.DataFrame(tuned, columns=list(SIZE_COLUMNS))
    keys = list(SIZE_COLUMNS[:3])
    if (again := frame.duplicated(keys)).any():
        model, rule, size = frame.loc[again, keys].iloc[0]
        raise ResultsError(
            f"the results hold {model}-ft{size} by {rule} more than once; keep the rows of one "
            "experiment."
        )
    return frame.sort_values(keys, ignore_index=True)
