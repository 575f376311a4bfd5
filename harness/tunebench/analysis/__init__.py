"""Analysis of results: comparisons, gates, rivals, forecasts and the answer."""

from tunebench.analysis.baseline_file import Baseline, baseline_bytes, read_baseline
from tunebench.analysis.compared import compared_lines
from tunebench.analysis.comparison import LEVEL, Comparison
from tunebench.analysis.details import about, detailed, job_of, row_of
from tunebench.analysis.evaluated import CellReport, Evaluated, Remark, UpliftReport, said_once
from tunebench.analysis.gates import GATES, Judged, Sources, Verdict, judge_limits, verdict_of
from tunebench.analysis.regression import Regression, entry_of, regression_of
from tunebench.analysis.replaying import replayed
from tunebench.analysis.rival_file import read_rivals
from tunebench.analysis.rivals import require_libraries
from tunebench.analysis.session import Session
from tunebench.analysis.summary import Summary
from tunebench.analysis.uplift import Uplift

__all__ = [
    "GATES",
    "LEVEL",
    "Baseline",
    "CellReport",
    "Comparison",
    "Evaluated",
    "Judged",
    "Regression",
    "Remark",
    "Session",
    "Sources",
    "Summary",
    "Uplift",
    "UpliftReport",
    "Verdict",
    "about",
    "baseline_bytes",
    "compared_lines",
    "detailed",
    "entry_of",
    "job_of",
    "judge_limits",
    "read_baseline",
    "read_rivals",
    "regression_of",
    "replayed",
    "require_libraries",
    "row_of",
    "said_once",
    "verdict_of",
]
