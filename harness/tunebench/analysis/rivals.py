"""The classical yardsticks of an experiment, for the table and the result files.

They train on the rows that its models are fine-tuned on, all of them, since nothing is tuned that
a validation half would be needed for, and are asked the same test rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tunebench.analysis.scorers import TF_IDF, tf_idf_predictions
from tunebench.errors import TunebenchError, describe_error
from tunebench.evaluation import judge, rows_of, test_rows
from tunebench.experiment import Experiment
from tunebench.statistics import majority_rate, wilson_interval

if TYPE_CHECKING:
    from collections.abc import Iterable


def baselines_of(paths: Iterable[str]) -> tuple[list[tuple[str, dict[str, Any]]], list[str]]:
    """Make the yardsticks of experiments, one for each training size of the matrix.

    Args:
        paths: the experiments' files.

    Returns:
        Entries of ``baselines`` in ``results.json``, each behind the path of its experiment, and
        a sentence for each that was not made.
    """
    rows, complaints = [], []
    for path in paths:
        try:
            experiment = Experiment.read(path)
        except TunebenchError as error:
            complaints.append(str(error))
            continue
        if not experiment.matrix.train_sizes:
            complaints.append(
                f"{path}: --baselines makes one yardstick for each training size; name some in "
                "[matrix] train_sizes, or leave the option out."
            )
        for size in experiment.matrix.train_sizes:
            try:
                rows.append((path, _row(experiment, size)))
            except Exception as error:  # libraries of others raise what they like
                said = describe_error("it could not be trained", error)
                said = said.removeprefix(f"{path}: ")
                complaints.append(f"{path}: {TF_IDF} on {size} training rows: {said}")
    return rows, complaints


def _row(experiment: Experiment, size: int) -> dict[str, Any]:
    train, test = rows_of(experiment, size), test_rows(experiment)
    predictions = tf_idf_predictions(
        train["text"].tolist(), train["label"].tolist(), test["text"].tolist()
    )
    judgements = judge(test["item"].tolist(), test["label"].tolist(), predictions)
    n, correct = len(judgements), int(judgements["correct"].sum())
    low, high = wilson_interval(correct, n)
    return {
        "experiment": experiment.name,
        "model": TF_IDF,
        "train_size": size,
        "n": n,
        "correct": correct,
        "accuracy": correct / n,
        "ci_low": low,
        "ci_high": high,
        "majority_rate": majority_rate(test["label"].tolist()),
        "predictions": predictions,
    }
