"""The fixtures `evaluate`, `compare` and `gate`, and what they leave for the reports.

Each is also there with `tunebench_` before its name, for a repository whose own fixture has that
name. Ours use each other by these.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import pytest

from tunebench.errors import TunebenchError
from tunebench.plugin.call import Call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tunebench.analysis import CellReport, Evaluated, Session, Uplift
    from tunebench.evaluation import Result
    from tunebench.experiment import Cell
    from tunebench.reports import WholeRun
    from tunebench.settings import Configuration

configuration_key: pytest.StashKey[Configuration] = pytest.StashKey()
started_key = pytest.StashKey[int]()
session_key: pytest.StashKey[Session] = pytest.StashKey()
run_key: pytest.StashKey[WholeRun | None] = pytest.StashKey()  # once the cells are known
# Of the whole run, not of a test: a fixture of a wider scope may evaluate cells, too.
evaluated_key: pytest.StashKey[Evaluated | None] = pytest.StashKey()


class LimitsFailed(pytest.fail.Exception):  # type: ignore[name-defined, misc]
    """A cell does not reach its limits."""


@pytest.fixture
def evaluate(tunebench_evaluate: Callable[[Cell], Result]) -> Callable[[Cell], Result]:
    """Evaluate a cell: replay its cassette, or record it where ``--record`` says so.

    The fixture is a function from a `Cell` to a `tunebench.evaluation.Result`. A cell that has no
    result, because an answer is not recorded or a request failed, fails the test in a sentence.
    """
    return tunebench_evaluate


@pytest.fixture
def tunebench_evaluate(request: pytest.FixtureRequest) -> Callable[[Cell], Result]:
    """The fixture `evaluate`, also where another one has that name."""
    session, option = _session(request.config), Call.of(request.config).option("record")

    def run(cell: Cell) -> Result:
        __tracebackhide__ = True
        hint = _hint(request.node, option)
        _record_together(request.config, session, option)
        try:
            with progress_of(request.config, str(cell), cell.experiment.task.test_size) as progress:
                return session.evaluate(cell, hint, progress)
        except TunebenchError as error:
            sentence = str(error)
        finally:
            _leave(request.config, [session.report_of(cell)])
        if session.stopped:
            request.session.shouldfail = session.stopped
        # Outside the handler: pytest would print the chain of causes, each with the same sentence.
        pytest.fail(sentence, pytrace=False)

    return run


@pytest.fixture
def compare(tunebench_compare: Callable[[Cell, Cell], Uplift]) -> Callable[[Cell, Cell], Uplift]:
    """Evaluate two cells and compare them text by text; `pytest -v` shows the uplift at its end.

    The fixture is a function from two cells to what the first gains over the second, a
    `tunebench.analysis.uplift.Uplift`. Cells without a result fail the test as with `evaluate`.
    """
    return tunebench_compare


@pytest.fixture
def tunebench_compare(
    request: pytest.FixtureRequest, tunebench_evaluate: Callable[[Cell], Result]
) -> Callable[[Cell, Cell], Uplift]:
    """The fixture `compare`, also where another one has that name."""

    def run(cell: Cell, other: Cell) -> Uplift:
        __tracebackhide__ = True
        first, second = tunebench_evaluate(cell), tunebench_evaluate(other)
        try:
            from tunebench.analysis import Uplift

            uplift = Uplift.of(first, second)
        except TunebenchError as error:
            sentence = str(error)
        else:
            _leave(request.config, uplifts=[uplift])
            return uplift
        pytest.fail(sentence, pytrace=False)

    return run


@pytest.fixture
def gate(tunebench_gate: Callable[[Cell], Result]) -> Callable[[Cell], Result]:
    """Evaluate a cell and judge it against all its limits.

    The fixture is a function from a `Cell` to its `tunebench.evaluation.Result`. A limit that is
    not met fails the test, with a sentence for each. If all others are met and one is
    inconclusive, the test counts as inconclusive, which fails with ``--strict-verdicts`` only. A
    cell without limits passes. Cells without a result fail the test as with `evaluate`.
    """
    return tunebench_gate


@pytest.fixture
def tunebench_gate(
    request: pytest.FixtureRequest, tunebench_evaluate: Callable[[Cell], Result]
) -> Callable[[Cell], Result]:
    """The fixture `gate`, also where another one has that name."""
    session = _session(request.config)
    strict = request.config.stash[configuration_key].strict_verdicts
    failing = {"fail", "inconclusive"} if strict else {"fail"}

    def run(cell: Cell) -> Result:
        __tracebackhide__ = True
        result = tunebench_evaluate(cell)
        try:
            judged, uplifts = session.judge(result, tunebench_evaluate)
        except TunebenchError as error:
            sentences = [str(error)]
        else:
            undecided = any(one.verdict == "inconclusive" for one in judged)
            _leave(request.config, [session.report_of(cell)], uplifts, undecided)
            sentences = [one.sentence for one in judged if one.verdict in failing]
            if not sentences:
                return result
        raise LimitsFailed("\n".join(sentences), pytrace=False)

    return run


def _leave(
    config: pytest.Config,
    cells: Iterable[CellReport] = (),
    uplifts: Iterable[Uplift] = (),
    undecided: bool = False,
) -> None:
    """Leave something for the next report of pytest."""
    from tunebench.analysis import Evaluated, UpliftReport

    evaluated = Evaluated(tuple(cells), tuple(map(UpliftReport.of, uplifts)), undecided)
    waiting = config.stash.get(evaluated_key, None)
    config.stash[evaluated_key] = waiting + evaluated if waiting else evaluated


def _session(config: pytest.Config) -> Session:
    if session_key not in config.stash:
        # Imported late: without a cell to evaluate, this plugin costs a pytest run nothing.
        with _uncollected():
            from tunebench.analysis import Session
            from tunebench.evaluation import Budget

        chosen = config.stash[configuration_key]
        limits = Budget(chosen.budget, chosen.max_texts, chosen.max_minutes)
        config.stash[session_key] = Session(
            chosen.record, chosen.results is not None, limits, config.stash[started_key]
        )
    return config.stash[session_key]


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the garbage collector from what is imported inside.

    The 136,000 objects of pandas, openai and vcrpy stay until the process ends. Without this the
    collector walks them during the imports, five times when pytest ends and once more at exit,
    which is a third of the CPU time of a replay.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


def _hint(item: pytest.Item, option: str) -> str:
    return f"record it with `pytest {item.nodeid.split('[')[0]} {option}=missing`"


def _cells_of(config: pytest.Config, option: str) -> dict[Cell, str]:
    """The cells that the tests of this run will evaluate by a parameter, with their hints."""
    from tunebench.experiment import Cell

    session = config.pluginmanager.getplugin("session")
    found: dict[Cell, str] = {}
    for item in getattr(session, "items", ()):
        params = getattr(getattr(item, "callspec", None), "params", {}).values()
        ours = "tunebench_evaluate" in getattr(item, "fixturenames", ())
        if ours and not any(item.iter_markers("skip")):
            found |= {one: _hint(item, option) for one in params if isinstance(one, Cell)}
    return found


def _record_together(config: pytest.Config, session: Session, option: str) -> None:
    """Before the first cell: record those of remote providers side by side.

    A worker of pytest-xdist does not know which tests are its own.
    """
    recording = config.stash[configuration_key].record != "none"
    if not recording or run_key in config.stash or hasattr(config, "workerinput"):
        return
    from tunebench.reports import SharedProgress, WholeRun

    cells = _cells_of(config, option)
    config.stash[run_key] = None
    if parts := session.side_by_side(cells):
        together = [cell for part in parts for cell in part]
        with progress_of(config, f"{len(together)} cells", _texts(together)) as progress:
            session.record_together(parts, SharedProgress(progress))
        cells = {cell: hint for cell, hint in cells.items() if cell not in together}
    config.stash[run_key] = WholeRun(_texts(cells))


def _texts(cells: Iterable[Cell]) -> int:
    return sum(cell.experiment.task.test_size for cell in cells)


def progress_of(config: pytest.Config, title: str, total: int) -> Any:
    """A context that shows the progress of a recording of texts, and nothing in a replay."""
    if config.stash[configuration_key].record == "none":
        return nullcontext(None)
    from tunebench.reports import shown_progress

    capture = config.pluginmanager.getplugin("capturemanager")
    suspended = capture.global_and_fixture_disabled() if capture else nullcontext()
    return shown_progress(title, total, suspended, config.stash.get(run_key, None))
