"""Results as one web page that asks no other host for anything.

Importing this package imports neither the template engine nor plotting code; making a page does.
"""

from tunebench.reports.page.rendering import report, write_report

__all__ = ["ResultsError", "report", "write_report"]
