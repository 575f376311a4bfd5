"""The pytest plugin: options, hooks and fixtures. Its fixtures are in `tunebench.plugin.fixtures`.

pytest loads it at every start, also where no experiment is: what is not needed then is imported
late.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tunebench.errors import ResultsError, TunebenchError
from tunebench.plugin.fixtures import (
    compare,
    configuration_key,
    evaluate,
    gate,
    reports_key,
    session_key,
    started_key,
)
from tunebench.settings import OPTIONS, configuration

if TYPE_CHECKING:
    from collections.abc import Generator

    from tunebench.analysis import Summary

__all__ = ["compare", "evaluate", "gate"]

# By its entry point, and by the module's name as in `pytest_plugins = ["tunebench.plugin"]`.
_NAMES = ("tunebench", "tunebench.plugin")
_summary_key: pytest.StashKey[Summary] = pytest.StashKey()
_modules_key = pytest.StashKey[set[str]]()
_broken_key = pytest.StashKey[int]()  # how many test files have a wrong experiment
_parts_key = pytest.StashKey[list[dict[str, Any]]]()  # what a test and its fixtures evaluated
_PROPERTIES = ("accuracy", "ci_low", "ci_high", "n", "majority_rate", "verdict", "cassette")


class _SamePlugin:
    """Stands under the plugin's other name, so that pytest does not load it a second time."""


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the options of tunebench, each also as ``--tunebench-...``.

    A short name that another plugin took before is left to that plugin.
    """
    for name in _NAMES:
        if not pluginmanager.has_plugin(name):
            pluginmanager.register(_SamePlugin(), name)
    group = parser.getgroup("tunebench", "benchmarks of models (tunebench)")
    for name, (attributes, text) in OPTIONS.items():
        names = [f"--tunebench-{name}"]
        if _is_free(parser, f"--{name}"):
            names.insert(0, f"--{name}")
        dest = f"tunebench_{name.replace('-', '_')}"
        group.addoption(*names, dest=dest, default=None, help=text, **attributes)


def _is_free(parser: pytest.Parser, option: str) -> bool:
    try:
        return option in parser.parse_known_and_unknown_args([option])[1]
    except (pytest.UsageError, SystemExit):  # it is known, and wants a value
        return False


def pytest_configure(config: pytest.Config) -> None:
    """Refuse options that do not go together, and rivals without their library."""
    config.stash[started_key] = time.monotonic_ns()
    given = {name.replace("-", "_"): config.getoption(f"--tunebench-{name}") for name in OPTIONS}
    try:
        chosen = configuration(config.rootpath, given, os.environ)
        if chosen.rivals:
            from tunebench.analysis import require_libraries

            require_libraries()
    except TunebenchError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[configuration_key] = chosen
    if given["results"] is not None and not hasattr(config, "workerinput"):
        from tunebench.reports import refuse_unwritable

        try:
            refuse_unwritable(Path(given["results"]))
        except ResultsError as error:
            raise pytest.UsageError(str(error)) from None
    if chosen.record != "none" and config.getoption("numprocesses", None):
        raise pytest.UsageError("--record works in one process: leave out -n.")
    if given["budget"] is not None and chosen.record == "none":
        raise pytest.UsageError("--budget is for recordings: add --record, or leave it out.")


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Say what is wrong with an experiment file in a sentence instead of a traceback."""
    report = yield
    call = getattr(report, "call", None)
    error = call.excinfo.value if call is not None and call.excinfo is not None else None
    error = getattr(error, "cause", error)  # what a conftest.py raised is within pytest's own error
    if isinstance(error, TunebenchError):
        report.longrepr = str(error)
        report.tunebench_error = True  # type: ignore[attr-defined]
    return report


def pytest_collection_finish(session: pytest.Session) -> None:
    """Note the modules of the tests that evaluate cells."""
    ours = {"evaluate", "compare", "gate"}
    session.config.stash[_modules_key] = {
        item.module.__name__
        for item in session.items
        if isinstance(item, pytest.Function) and item.module and ours & set(item.fixturenames)
    }


def pytest_unconfigure(config: pytest.Config) -> None:
    """Have the next run in this process, as in a notebook, read the experiments again.

    Modules that hold an experiment would otherwise be found imported, with the file as it was.
    """
    module = sys.modules.get("tunebench.experiment.readers")
    if module is not None:
        for name in module.readers | config.stash.get(_modules_key, set()):
            sys.modules.pop(name, None)
        module.readers.clear()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Run the other tests where all that went wrong with collecting are experiment files.

    They are errors, and the run fails; but one experiment must not stop the others. pytest-xdist
    runs the others anyway.
    """
    option, broken = session.config.option, session.config.stash.get(_broken_key, 0)
    if broken and broken == session.testsfailed and not option.collectonly:
        option.continue_on_collection_errors = True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Send what was evaluated since the last report, be it by the test or by a fixture.

    It travels with the report, which also crosses from xdist's workers.
    """
    waiting = item.config.stash.get(reports_key, [])
    parts, own = list(waiting), item.stash.setdefault(_parts_key, [])
    waiting.clear()
    before = _properties(item, own)
    own += parts
    # Before the report is made, which takes them from the item.
    item.user_properties[:] = [
        *(one for one in item.user_properties if one not in before),
        *_properties(item, own),
    ]
    if call.when == "call" and any("inconclusive" in part for part in own):
        parts.append({"inconclusive": True})  # also where the gate is a fixture's
    report = yield
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
    """Gathers reports in the process that prints the summary."""

    def __init__(self, config: pytest.Config) -> None:
        self._config, self._stash = config, config.stash

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if getattr(report, "tunebench_error", False):
            self._stash[_broken_key] = self._stash.get(_broken_key, 0) + 1

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for part in getattr(report, "tunebench", ()):
            if _summary_key not in self._stash:
                self._stash[_summary_key] = _new_summary(self._config)
            self._stash[_summary_key].add(part)


@pytest.hookimpl
def pytest_sessionstart(session: pytest.Session) -> None:
    """Gather reports, except in a worker of pytest-xdist, whose controller does it."""
    if not hasattr(session.config, "workerinput"):
        session.config.pluginmanager.register(_Gatherer(session.config), "tunebench-gatherer")


def _new_summary(config: pytest.Config) -> Summary:
    from tunebench.analysis import Summary

    return Summary(config.rootpath)


@pytest.hookimpl
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stop what was started, make the tables and the rivals, write the result files.

    Whatever fails here must not keep pytest from showing the run: it is told at its end, and the
    run fails.
    """
    config = session.config
    summary = config.stash.get(_summary_key, None)
    if session_key in config.stash:
        try:
            config.stash[session_key].close()
        except Exception as error:
            if hasattr(config, "workerinput"):  # pytest-xdist tells of it
                raise
            from tunebench.errors import describe_error

            summary = config.stash.setdefault(_summary_key, summary or _new_summary(config))
            what = "the connections to providers could not be closed"
            summary.complaints.append(describe_error(what, error))
    if not summary:
        return
    summary.finish(config.stash[configuration_key], os.environ.get("GITHUB_STEP_SUMMARY"))
    if summary.complaints and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the table of all cells; nothing where no cell was evaluated."""
    summary = config.stash.get(_summary_key, None)
    if not summary:
        return
    terminalreporter.section("tunebench", sep="=")
    for number, lines in enumerate(summary.tables):
        for line in ("", *lines) if number else lines:
            terminalreporter.write_line(line)
    for complaint in summary.complaints:
        terminalreporter.write_line(complaint, red=True)
    for note in summary.notes:
        terminalreporter.write_line(note, yellow=True)
    for line in summary.written:
        terminalreporter.write_line(line)
    for sentence in summary.answers:
        terminalreporter.write_line(sentence, bold=True)
