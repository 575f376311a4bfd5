"""Accuracies, intervals, paired tests, learning curves and costs."""

from tunebench.statistics.calibration import (
    brier_score,
    expected_calibration_error,
    label_probabilities,
)
from tunebench.statistics.classification import (
    balanced_accuracy,
    confusion_matrix,
    macro_f1,
    matthews,
)
from tunebench.statistics.clustered import clustered_interval, effective_texts
from tunebench.statistics.costs import (
    answers_cost,
    break_even,
    cost_per_additional_correct,
    hourly_cost,
    training_cost,
)
from tunebench.statistics.data_needs import Forecast, NoForecast, forecast_doubling
from tunebench.statistics.intervals import clopper_pearson, majority_rate, wilson_interval
from tunebench.statistics.label_biases import content_free_biases, fitted_biases
from tunebench.statistics.learning_curves import accuracy_by_size, epochs
from tunebench.statistics.paired import holm, mcnemar_exact, mcnemar_mid_p, paired_bootstrap
from tunebench.statistics.planning import detectable_difference, texts_needed, texts_to_settle
from tunebench.statistics.ranking import area_under_roc
from tunebench.statistics.repeated import Difference, run_bootstrap, run_difference, run_interval
from tunebench.statistics.result_files import curve_of_metrics, read_curve
from tunebench.statistics.student import student_p, student_quantile

__all__ = [
    "Difference",
    "Forecast",
    "NoForecast",
    "accuracy_by_size",
    "answers_cost",
    "area_under_roc",
    "balanced_accuracy",
    "break_even",
    "brier_score",
    "clopper_pearson",
    "clustered_interval",
    "confusion_matrix",
    "content_free_biases",
    "cost_per_additional_correct",
    "curve_of_metrics",
    "detectable_difference",
    "effective_texts",
    "epochs",
    "expected_calibration_error",
    "fitted_biases",
    "forecast_doubling",
    "holm",
    "hourly_cost",
    "label_probabilities",
    "macro_f1",
    "majority_rate",
    "matthews",
    "mcnemar_exact",
    "mcnemar_mid_p",
    "paired_bootstrap",
    "read_curve",
    "run_bootstrap",
    "run_difference",
    "run_interval",
    "student_p",
    "student_quantile",
    "texts_needed",
    "texts_to_settle",
    "training_cost",
    "wilson_interval",
]
