"""What results say: comparisons, gates, rivals, forecasts and the answer."""

from tunebench.analysis.baseline_file import Baseline, baseline_bytes, read_baseline
from tunebench.analysis.compared import compared_lines
from tunebench.analysis.details import about, detailed, job_of, row_of
from tunebench.analysis.evaluated import CellReport, Evaluated, Remark, UpliftReport, said_once
from tunebench.analysis.gates import (
    Judged,
    Verdict,
    accuracy_gate,
    cost_gate,
    own_gates,
    regression_gate,
    uplift_gate,
    verdict_of,
)
from tunebench.analysis.regression import Regression, entry_of, regression_of
from tunebench.analysis.summary import Summary
from tunebench.analysis.uplift import Uplift

__all__ = [
    "Baseline",
    "CellReport",
    "Evaluated",
    "Judged",
    "Regression",
    "Remark",
    "Summary",
    "Uplift",
    "UpliftReport",
    "Verdict",
    "about",
    "accuracy_gate",
    "baseline_bytes",
    "compared_lines",
    "cost_gate",
    "detailed",
    "entry_of",
    "job_of",
    "own_gates",
    "read_baseline",
    "regression_gate",
    "regression_of",
    "row_of",
    "said_once",
    "uplift_gate",
    "verdict_of",
]
