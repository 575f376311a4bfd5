"""The pytest plugin: options and hooks. Its fixtures are in `harness.fixtures`."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import TunebenchError
from harness.fixtures import compare, evaluate, gate, reports_key, session_key

if TYPE_CHECKING:
    from collections.abc import Generator

    from harness.summary import Summary

__all__ = ["compare", "evaluate", "gate"]

_summary_key = pytest.StashKey["Summary"]()
_PROPERTIES = ("accuracy", "ci_low", "ci_high", "n", "majority_rate", "verdict", "cassette")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of tunebench."""
    group = parser.getgroup("tunebench", "benchmarks of models (tunebench)")
    group.addoption(
        "--record",
        choices=("none", "missing", "all"),
        default="none",
        help="none: replay cassettes, nothing leaves this machine (default); missing: ask the "
        "provider for what a cassette lacks; all: record every cassette anew",
    )
    group.addoption(
        "--results",
        metavar="DIR",
        type=Path,
        default=None,
        help="write results.json, results.csv, summary.md and, with pyarrow, Parquet files to "
        "DIR; where GITHUB_STEP_SUMMARY is set, the summary is appended to that file, too",
    )
    group.addoption(
        "--baselines",
        action="store_true",
        help="also train TF-IDF with logistic regression on the rows of each training size and "
        "show its accuracy on the same texts; needs scikit-learn",
    )
    group.addoption(
        "--budget",
        metavar="AMOUNT",
        type=float,
        default=None,
        help="while recording: stop before the estimated costs, by the models' prices, pass this",
    )
    group.addoption(
        "--strict-verdicts",
        action="store_true",
        help="a cell whose gate is inconclusive fails (it passes without this)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse options that do not go together, and yardsticks without their library."""
    if config.getoption("--record") != "none" and config.getoption("numprocesses", None):
        raise pytest.UsageError("--record works in one process: leave out -n.")
    budget = config.getoption("--budget")
    if budget is not None and config.getoption("--record") == "none":
        raise pytest.UsageError("--budget is for recordings: add --record, or leave it out.")
    if budget is not None and not 0 <= budget < float("inf"):
        raise pytest.UsageError(f"--budget {budget} is no amount; give one of 0 or more.")
    if config.getoption("--baselines") and importlib.util.find_spec("sklearn") is None:
        raise pytest.UsageError(
            "--baselines needs scikit-learn, which is not installed: "
            "pip install 'tunebench[baselines]'."
        )


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Say what is wrong with an experiment file in a sentence instead of a traceback."""
    report = yield
    call = getattr(report, "call", None)
    error = call.excinfo.value if call is not None and call.excinfo is not None else None
    if isinstance(error, TunebenchError):
        if not hasattr(collector.config, "workerinput"):
            raise pytest.UsageError(str(error))
        report.longrepr = str(error)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Send what a test evaluated along with its report, which also crosses from xdist's workers."""
    parts = item.stash.get(reports_key, []) if call.when == "call" else []
    # Before the report is made, which takes them from the item.
    item.user_properties.extend(_properties(item, parts))
    report = yield
    if call.when == "call":
        report.tunebench = parts  # type: ignore[attr-defined]
    return report


def _properties(item: pytest.Item, parts: list[dict[str, Any]]) -> list[tuple[str, object]]:
    """Of the cell that a case is made for, or else of the first it evaluated, for JUnit's XML."""
    rows = {part["cell"]: part["row"] for part in parts if "row" in part}
    callspec = getattr(item, "callspec", None)
    own = str(callspec.params.get("cell")) if callspec else None
    row = rows.get(own) or next(iter(rows.values()), None)
    return [(name, row[name]) for name in _PROPERTIES if row[name] is not None] if row else []


def pytest_report_teststatus(report: pytest.TestReport) -> Any:
    """Count a passed case with an undecided gate as inconclusive."""
    parts = getattr(report, "tunebench", ())
    if report.when == "call" and report.passed and any("inconclusive" in part for part in parts):
        return "inconclusive", "?", ("INCONCLUSIVE", {"yellow": True})
    return None


class _Gatherer:
    """Gathers the cells' reports in the process that prints the summary."""

    def __init__(self, summary: Summary) -> None:
        self._summary = summary

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for part in getattr(report, "tunebench", ()):
            self._summary.add(part)


@pytest.hookimpl
def pytest_sessionstart(session: pytest.Session) -> None:
    """Gather reports, except in a worker of pytest-xdist, whose controller does it."""
    if not hasattr(session.config, "workerinput"):
        from harness.summary import Summary

        summary = session.config.stash[_summary_key] = Summary()
        session.config.pluginmanager.register(_Gatherer(summary), "tunebench-gatherer")


@pytest.hookimpl
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Make the yardsticks asked for, write the result files, stop what was started."""
    config = session.config
    if session_key in config.stash:
        config.stash[session_key].close()
    summary = config.stash.get(_summary_key, None)
    if summary and config.getoption("--baselines"):
        from harness.baselines import baselines_of

        summary.baselines, summary.complaints = baselines_of(summary.experiments)
        if summary.complaints and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
    folder: Path | None = config.getoption("--results")
    if summary and folder is not None:
        from harness.reports.files import write_results

        try:
            document = summary.document()
            summary.answers = [answer["sentence"] for answer in document["answers"]]
            step_summary = os.environ.get("GITHUB_STEP_SUMMARY")
            summary.written = write_results(folder, document, step_summary)
        except TunebenchError as error:
            raise pytest.UsageError(str(error)) from error


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the table of all cells; nothing where no cell was evaluated."""
    summary = config.stash.get(_summary_key, None)
    if not summary:
        return
    from harness.reports.table import job_table, table, uplift_table

    terminalreporter.section("tunebench", sep="=")
    if summary.rows:
        for line in table(summary.rows, summary.baselines):
            terminalreporter.write_line(line)
    if any(row["job"] for row in summary.rows):
        for line in ("", *job_table(summary.rows)):
            terminalreporter.write_line(line)
    if uplifts := summary.uplifts:
        for line in ("", *uplift_table(uplifts)):
            terminalreporter.write_line(line)
    for complaint in summary.complaints:
        terminalreporter.write_line(complaint, red=True)
    for note in summary.notes:
        terminalreporter.write_line(note, yellow=True)
    for line in summary.written:
        terminalreporter.write_line(line)
    for sentence in summary.answers:
        terminalreporter.write_line(sentence, bold=True)
