"""Analysis of results: comparisons, gates, rivals, forecasts and the answer."""

from tunebench.analysis.baseline_file import Baseline, baseline_bytes, read_baseline
from tunebench.analysis.compared import compared_lines
from tunebench.analysis.comparison import Comparison
from tunebench.analysis.details import reported, row_of
from tunebench.analysis.gates import GATES, Judged, Sources, Verdict, judge_limits, verdict_of
from tunebench.analysis.regression import Regression, entry_of, regression_of
from tunebench.analysis.rivals import require_libraries
from tunebench.analysis.summary import Summary
from tunebench.analysis.uplift import Uplift

__all__ = [
    "GATES",
    "Baseline",
    "Comparison",
    "Judged",
    "Regression",
    "Sources",
    "Summary",
    "Uplift",
    "Verdict",
    "baseline_bytes",
    "compared_lines",
    "entry_of",
    "judge_limits",
    "read_baseline",
    "regression_of",
    "reported",
    "require_libraries",
    "row_of",
    "verdict_of",
]
