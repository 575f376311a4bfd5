"""From answers to evidence."""

from harness.scoring.calibration import (
    brier_score,
    expected_calibration_error,
    label_probabilities,
)
from harness.scoring.classification import (
    balanced_accuracy,
    confusion_matrix,
    macro_f1,
    matthews,
)
from harness.scoring.costs import (
    answers_cost,
    break_even,
    cost_per_additional_correct,
    hourly_cost,
    training_cost,
)
from harness.scoring.data_needs import Forecast, NoForecast, forecast_doubling
from harness.scoring.judge import judge
from harness.scoring.paired import holm, mcnemar_exact, mcnemar_mid_p, paired_bootstrap
from harness.scoring.planning import texts_needed, texts_to_settle
from harness.scoring.statistics import clopper_pearson, majority_rate, wilson_interval

__all__ = [
    "Forecast",
    "NoForecast",
    "answers_cost",
    "balanced_accuracy",
    "break_even",
    "brier_score",
    "clopper_pearson",
    "confusion_matrix",
    "cost_per_additional_correct",
    "expected_calibration_error",
    "forecast_doubling",
    "holm",
    "hourly_cost",
    "judge",
    "label_probabilities",
    "macro_f1",
    "majority_rate",
    "matthews",
    "mcnemar_exact",
    "mcnemar_mid_p",
    "paired_bootstrap",
    "texts_needed",
    "texts_to_settle",
    "training_cost",
    "wilson_interval",
]
