"""Results for people and programs."""

from harness.reports.files import ResultsError, write_results
from harness.reports.table import table

__all__ = ["ResultsError", "table", "write_results"]
