"""Replay of whole experiments without pytest, to the same results as with it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from tunebench.analysis.evaluated import Evaluated, Remark, UpliftReport
from tunebench.analysis.session import Session
from tunebench.analysis.summary import Summary
from tunebench.analysis.uplift import Uplift
from tunebench.errors import CellError, TunebenchError
from tunebench.reports import Failure
from tunebench.settings import Configuration

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tunebench.evaluation import Result
    from tunebench.experiment import Cell, Experiment
    from tunebench.reports import Results


def replayed(experiments: Sequence[Experiment], root: Path) -> Results:
    """Replay the cells of experiments, judge their limits, and compare them.

    Each cell of a fine-tuned model is compared with the best prompted cell of its model, as the
    tests that `tunebench init` writes do. Nothing is sent or recorded.

    Args:
        experiments: as they were just read.
        root: the folder that their files are named from.

    Returns:
        What ``pytest --results`` writes. Its errors hold the cells without a result and, without
        the name of a cell, what else could not be done.
    """
    summary = Summary(root)
    with closing(Session("none", details=True)) as session:
        for experiment in experiments:
            for cell in experiment.cells:
                summary.add(_evaluated(session, cell))
    summary.finish(Configuration(), None)
    document = summary.document()
    said = [Failure(error=sentence) for sentence in summary.complaints]
    return document.model_copy(update={"errors": [*document.errors, *said]})


def _evaluated(session: Session, cell: Cell) -> Evaluated:
    """What the tests of a cell evaluate."""

    def evaluate(cell: Cell) -> Result:
        hint = f"record it with `pytest {cell.experiment.path.parent} --record=missing`"
        return session.evaluate(cell, hint, None)

    try:
        result = evaluate(cell)
    except TunebenchError:
        return Evaluated((session.report_of(cell),))  # which holds the error
    uplifts: list[Uplift] = []
    problems: list[TunebenchError] = []
    try:
        uplifts += session.judge(result, evaluate)[1]
    except TunebenchError as error:
        problems.append(error)
    try:
        if cell.train_size and cell.other_prompts:
            best = max(map(evaluate, cell.other_prompts), key=lambda other: other.accuracy)
            uplifts.append(Uplift.of(result, best))
    except CellError:
        pass  # the prompted cell says itself why it has no result
    except TunebenchError as error:
        problems.append(error)
    report = session.report_of(cell)
    for problem in problems:
        report = report.complaining(Remark.of(cell, problem, ""))
    return Evaluated((report,), tuple(map(UpliftReport.of, uplifts)))
