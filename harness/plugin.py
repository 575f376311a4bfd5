"""The pytest plugin: options, the fixtures `evaluate` and `compare`, and hooks; nothing else."""

from __future__ import annotations

import gc
import importlib.util
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import TunebenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from harness.experiment import Cell
    from harness.result import Result
    from harness.session import Session
    from harness.summary import Summary
    from harness.uplift import Uplift

_session_key = pytest.StashKey["Session"]()
_summary_key = pytest.StashKey["Summary"]()
_reports_key = pytest.StashKey[list[dict[str, Any]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--record``, ``--results`` and ``--baselines``."""
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
        help="write results.json and results.csv to DIR",
    )
    group.addoption(
        "--baselines",
        action="store_true",
        help="also train TF-IDF with logistic regression on the rows of each training size and "
        "show its accuracy on the same texts; needs scikit-learn",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to record from several processes at once, and yardsticks without their library."""
    if config.getoption("--record") != "none" and config.getoption("numprocesses", None):
        raise pytest.UsageError("--record works in one process: leave out -n.")
    if config.getoption("--baselines") and importlib.util.find_spec("sklearn") is None:
        raise pytest.UsageError(
            "--baselines needs scikit-learn, which is not installed: "
            "pip install 'tunebench[baselines]'."
        )


@pytest.fixture
def evaluate(request: pytest.FixtureRequest) -> Callable[[Cell], Result]:
    """Evaluate a cell: replay its cassette, or record it where ``--record`` says so.

    The fixture is a function from a `Cell` to a `harness.result.Result`. A cell that has no
    result, because an answer is not recorded or a request failed, fails the test in a sentence.
    """
    session = _session(request.config)
    reports = request.node.stash.setdefault(_reports_key, [])

    def run(cell: Cell) -> Result:
        __tracebackhide__ = True
        hint = f"record it with `pytest {request.node.nodeid.split('[')[0]} --record=missing`"
        try:
            with _progress(request.config, cell) as progress:
                return session.evaluate(cell, hint, progress)
        except TunebenchError as error:
            sentence = str(error)
        finally:
            reports.append(session.report_of(cell))
        # Outside the handler: pytest would print the chain of causes, each with the same sentence.
        pytest.fail(sentence, pytrace=False)

    return run


@pytest.fixture
def compare(
    request: pytest.FixtureRequest, evaluate: Callable[[Cell], Result]
) -> Callable[[Cell, Cell], Uplift]:
    """Evaluate two cells and compare them text by text; the end of the run shows the uplift.

    The fixture is a function from two cells to what the first gains over the second, a
    `harness.uplift.Uplift`. Cells without a result fail the test as with `evaluate`.
    """
    reports = request.node.stash.setdefault(_reports_key, [])

    def run(cell: Cell, other: Cell) -> Uplift:
        __tracebackhide__ = True
        first, second = evaluate(cell), evaluate(other)
        try:
            uplift = first.uplift_over(second)
        except TunebenchError as error:
            sentence = str(error)
        else:
            reports.append({"uplift": uplift.row()})
            return uplift
        pytest.fail(sentence, pytrace=False)

    return run


def _session(config: pytest.Config) -> Session:
    if _session_key not in config.stash:
        # Imported late: without a cell to evaluate, this plugin costs a pytest run nothing.
        with _uncollected():
            from harness.session import Session

        config.stash[_session_key] = Session(config.getoption("--record"))
    return config.stash[_session_key]


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the garbage collector from what is imported inside.

    The 136,000 objects of pandas, openai and vcrpy stay until the process ends. Without this the
    collector walks them during the imports, five times when pytest ends and once more at exit,
    which takes a quarter of a replay.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


def _progress(config: pytest.Config, cell: Cell) -> Any:
    if config.getoption("--record") == "none":
        return nullcontext(None)
    from harness.reports.progress import shown_progress

    capture = config.pluginmanager.getplugin("capturemanager")
    suspended = capture.global_and_fixture_disabled() if capture else nullcontext()
    return shown_progress(str(cell), cell.experiment.task.test_size, suspended)


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
    report = yield
    if call.when == "call":
        report.tunebench = item.stash.get(_reports_key, [])  # type: ignore[attr-defined]
    return report


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
    if _session_key in config.stash:
        config.stash[_session_key].close()
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
            write_results(
                folder,
                summary.rows,
                summary.errors,
                uplifts=summary.uplifts,
                baselines=summary.baselines,
            )
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
    if summary.uplifts:
        for line in ("", *uplift_table(summary.uplifts)):
            terminalreporter.write_line(line)
    for complaint in summary.complaints:
        terminalreporter.write_line(complaint, red=True)
    for note in summary.notes:
        terminalreporter.write_line(note, yellow=True)
    folder = config.getoption("--results")
    if folder is not None:
        terminalreporter.write_line(f"results: {folder / 'results.json'}, results.csv")
