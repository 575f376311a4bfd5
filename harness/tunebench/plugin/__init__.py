"""The pytest plugin: hooks. What they do is in the other modules of this room.

pytest loads it at every start, also where no experiment is: what is not needed then is imported
late.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from tunebench.errors import TunebenchError, describe_error
from tunebench.plugin.copies import make_way
from tunebench.plugin.fixtures import (
    LimitsFailed,
    compare,
    configuration_key,
    evaluate,
    evaluated_key,
    gate,
    progress_of,
    session_key,
    started_key,
    tunebench_compare,
    tunebench_evaluate,
    tunebench_gate,
)
from tunebench.plugin.options import add_options, configured

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from tunebench.analysis import Evaluated, Summary
    from tunebench.experiment import EmbeddingRival, Experiment
    from tunebench.plugin.terminal import Ending

__all__ = [
    "compare",
    "evaluate",
    "gate",
    "tunebench_compare",
    "tunebench_evaluate",
    "tunebench_gate",
]

# By its entry point, and by the module's name as in `pytest_plugins = ["tunebench.plugin"]`.
_NAMES = ("tunebench", "tunebench.plugin")
_summary_key: pytest.StashKey[Summary] = pytest.StashKey()
_ending_key: pytest.StashKey[Ending] = pytest.StashKey()
_modules_key = pytest.StashKey[set[str]]()
_broken_key = pytest.StashKey[int]()  # how many test files have a wrong experiment
_own_key: pytest.StashKey[Evaluated] = pytest.StashKey()  # of a test and its fixtures
_PROPERTIES = ("accuracy", "ci_low", "ci_high", "n", "majority_rate", "verdict", "cassette")


class _SamePlugin:
    """Takes the plugin's other name, so that pytest does not load it a second time."""


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the options of tunebench."""
    for name in _NAMES:
        if not pluginmanager.has_plugin(name):
            pluginmanager.register(_SamePlugin(), name)
    add_options(parser, pluginmanager)


def pytest_configure(config: pytest.Config) -> None:
    """Refuse options that do not go together, and rivals without their library."""
    config.stash[started_key] = time.monotonic_ns()
    config.stash[configuration_key] = configured(config)


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Let the test files of two experiments have one name, as those of a copied folder have."""
    if isinstance(collector, pytest.Module):
        make_way(collector.path)


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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the cases of cells that are expected to miss their limits; not those of comparisons."""
    for item in items:
        params = getattr(getattr(item, "callspec", None), "params", {})
        reason = getattr(params.get("cell"), "xfail", None)
        if reason and "tunebench_compare" not in getattr(item, "fixturenames", ()):
            raises = (AssertionError, LimitsFailed)
            item.add_marker(pytest.mark.xfail(reason=reason, raises=raises, strict=True))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Note the modules of the tests that evaluate cells."""
    session.config.stash[_modules_key] = {
        item.module.__name__
        for item in session.items
        # Our other fixtures use this one.
        if isinstance(item, pytest.Function)
        and item.module
        and "tunebench_evaluate" in item.fixturenames
    }


def pytest_unconfigure(config: pytest.Config) -> None:
    """Make the next run in this process, as in a notebook, read the experiments again.

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
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Send what was evaluated since the last report, be it by the test or by a fixture."""
    sent = item.config.stash.get(evaluated_key, None)
    if sent is None and _own_key not in item.stash:
        return (yield)
    from tunebench.analysis import Evaluated

    item.config.stash[evaluated_key] = None
    sent, before = sent or Evaluated(), item.stash.get(_own_key, Evaluated())
    own = item.stash[_own_key] = before + sent
    known = _properties(item, before)
    # Before the report is made, which takes them from the item.
    item.user_properties[:] = [
        *(one for one in item.user_properties if one not in known),
        *_properties(item, own),
    ]
    report = yield
    report.tunebench = sent  # type: ignore[attr-defined]
    report.tunebench_undecided = own.undecided  # type: ignore[attr-defined]
    return report


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[
    None, dict[str, Any] | None, dict[str, Any] | None
]:
    """Make plain JSON of what was evaluated, for pytest-xdist and other plugins."""
    data = yield
    if data is not None and "tunebench" in data:
        data["tunebench"] = data["tunebench"].to_json()
    return data


@pytest.hookimpl(wrapper=True)
def pytest_report_from_serializable(
    data: dict[str, Any],
) -> Generator[None, Any, pytest.CollectReport | pytest.TestReport | None]:
    """Read back what `pytest_report_to_serializable` made."""
    if "tunebench" in data:
        from tunebench.analysis import Evaluated

        data["tunebench"] = Evaluated.from_json(data["tunebench"])
    report: pytest.CollectReport | pytest.TestReport | None = yield
    return report


def _properties(item: pytest.Item, own: Evaluated) -> list[tuple[str, object]]:
    """Of the cell that a case is made for, or else of the first it evaluated, for JUnit's XML."""
    rows = {report.cell: report.row for report in own.cells if report.row}
    callspec = getattr(item, "callspec", None)
    named = str(callspec.params.get("cell")) if callspec else ""
    row = rows.get(named) or next(iter(rows.values()), None)
    found = ((name, getattr(row, name)) for name in _PROPERTIES) if row else ()
    return [(name, value) for name, value in found if value is not None]


def pytest_report_teststatus(report: pytest.TestReport) -> Any:
    """Count a passed case with an undecided gate as inconclusive."""
    undecided = getattr(report, "tunebench_undecided", False)
    if report.when == "call" and report.passed and undecided:
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
        if evaluated := getattr(report, "tunebench", None):
            _summary(self._config).add(evaluated)


@pytest.hookimpl
def pytest_sessionstart(session: pytest.Session) -> None:
    """Gather reports, except in a worker of pytest-xdist, whose controller does it."""
    if not hasattr(session.config, "workerinput"):
        session.config.pluginmanager.register(_Gatherer(session.config), "tunebench-gatherer")


def _summary(config: pytest.Config) -> Summary:
    if _summary_key not in config.stash:
        from tunebench.analysis import Summary

        config.stash[_summary_key] = Summary(config.rootpath)
    return config.stash[_summary_key]


@pytest.hookimpl
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stop what was started, make the end of the run, write the result files.

    A failure here must not keep pytest from showing the run: it is shown at the end, and the run
    fails.
    """
    config = session.config
    summary = config.stash.get(_summary_key, None)
    if summary:
        step_summary = os.environ.get("GITHUB_STEP_SUMMARY")
        # Before the connections are closed: rivals may ask for embeddings.
        summary.finish(config.stash[configuration_key], step_summary, _embedder(session))
    if session_key in config.stash:
        try:
            config.stash[session_key].close()
        except Exception as error:
            if hasattr(config, "workerinput"):  # pytest-xdist shows it
                raise
            what = "the connections to providers could not be closed"
            _summary(config).complaints.append(describe_error(what, error))
    summary = config.stash.get(_summary_key, None)
    if not summary:
        return
    from tunebench.plugin.terminal import ending_of, join_failures

    config.stash[_ending_key] = ending_of(summary, config)
    with summary.complaining("equal failures could not be joined"):
        join_failures(config)
    if summary.complaints and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _embedder(session: pytest.Session) -> Any:
    """Asks for the embeddings of rivals in a recording; None in a replay, or after Ctrl-C."""
    config = session.config
    replaying = config.stash[configuration_key].record == "none"
    if replaying or session.exitstatus == pytest.ExitCode.INTERRUPTED:
        return None

    def embedded(experiment: Experiment, rival: EmbeddingRival, texts: Mapping[str, str]) -> Any:
        with progress_of(config, f"{rival.name} (rival)", len(set(texts.values()))) as progress:
            return config.stash[session_key].embed(experiment, rival, texts, progress)

    return embedded


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the answers and tables; nothing where no cell was evaluated."""
    if _ending_key in config.stash:
        config.stash[_ending_key].write(terminalreporter)
