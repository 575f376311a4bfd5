"""Results as one web page that asks no other host for anything.

Importing this package does not import the template engine; making a page does.
"""

from tunebench.reports.page.rendering import report, report_bytes, write_report

__all__ = ["report", "report_bytes", "write_report"]
