"""Rivals of the fine-tuned models of an experiment, on the same training and test rows.

They train on all rows of a training size, since nothing is tuned that would need validation rows.
A rival is a file of its own that ends in a `Rival`, and an entry of `RIVALS`.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from tunebench.analysis.rivals.base import Rival
from tunebench.analysis.rivals.majority import MAJORITY
from tunebench.analysis.rivals.tf_idf import TF_IDF
from tunebench.errors import ConfigurationError, ResultsError, TunebenchError, describe_error
from tunebench.evaluation import judge, rows_of, test_rows
from tunebench.experiment import Experiment
from tunebench.statistics import majority_rate, wilson_interval

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["RIVALS", "Rival", "require_libraries", "rivals_of"]

RIVALS = (MAJORITY, TF_IDF)


def require_libraries() -> None:
    """Check that the libraries of all rivals are installed.

    Raises:
        ConfigurationError: one is not.
    """
    for rival in RIVALS:
        if rival.module is not None and importlib.util.find_spec(rival.module) is None:
            raise ConfigurationError(
                f"--rivals needs {rival.library}, which is not installed",
                hint="install it with pip install 'tunebench[rivals]'",
            )


def rivals_of(paths: Iterable[str]) -> tuple[list[tuple[str, dict[str, Any]]], list[str]]:
    """Train and test all rivals of experiments, for each training size of the matrix.

    Args:
        paths: the experiments' files.

    Returns:
        Entries of ``baselines`` in ``results.json``, each after the path of its experiment, and
        a sentence for each that could not be made.
    """
    rows: list[tuple[str, dict[str, Any]]] = []
    complaints: list[str] = []
    for path in paths:
        try:
            experiment = Experiment.read(path)
        except TunebenchError as error:
            complaints.append(str(error))
            continue
        sizes = experiment.matrix.train_sizes
        if not sizes:
            none = ResultsError(
                "--rivals trains on the rows of each training size, and there is none",
                where=path,
                hint="name some in [matrix] train_sizes, or leave the option out",
            )
            complaints.append(str(none))
        for size in sizes:
            for rival in RIVALS:
                try:
                    rows.append((path, _row(experiment, size, rival)))
                except Exception as error:  # libraries of others raise what they like
                    complaints.append(_complaint(f"{path}: {rival.name} on {size} rows", error))
    return rows, list(dict.fromkeys(complaints))


def _row(experiment: Experiment, size: int, rival: Rival) -> dict[str, Any]:
    train, test = rows_of(experiment, size), test_rows(experiment)
    texts, labels = test["text"].tolist(), test["label"].tolist()
    predictions = rival.predict(train["text"].tolist(), train["label"].tolist(), texts)
    judgements = judge(test["item"].tolist(), labels, predictions)
    n, correct = len(judgements), int(judgements["correct"].sum())
    low, high = wilson_interval(correct, n)
    return {
        "experiment": experiment.name,
        "model": rival.name,
        "train_size": size,
        "n": n,
        "correct": correct,
        "accuracy": correct / n,
        "ci_low": low,
        "ci_high": high,
        "majority_rate": majority_rate(labels),
        "predictions": predictions,
    }


def _complaint(where: str, error: Exception) -> str:
    if not isinstance(error, TunebenchError):
        return describe_error(f"{where}: it could not be trained", error)
    # An error of the data names its place, and is the same for all rivals.
    return str(ResultsError(error.problem, where=error.where or where, hint=error.hint))
