"""What one pytest session gathers from its cells, apart from pytest's hooks."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tunebench.analysis import Sources, Uplift, judge_limits, regression_of, row_of
from tunebench.errors import CellError, ExperimentError, TunebenchError, describe_error
from tunebench.evaluation import Runner, StartedProvider, orphans
from tunebench.experiment import Experiment

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunebench.analysis import Judged
    from tunebench.evaluation import Budget, Progress, Result, State
    from tunebench.experiment import Cell
    from tunebench.settings import RecordMode

    Key = tuple[Cell, State]


@dataclass
class Session:
    """Evaluates cells for the test cases of this process.

    Attributes:
        record: see `Runner`.
        details: whether reports hold all that ``results.json`` says of a cell.
        budget: what recordings may cost, or None.
        started: when the run began; experiments that were read before are read again.
    """

    record: RecordMode
    details: bool = False
    budget: float | None = None
    started: int = 0
    _results: dict[Key, Result] = field(default_factory=dict)
    _errors: dict[Key, str] = field(default_factory=dict)
    _orphans: dict[Experiment, list[str]] = field(default_factory=dict)
    _gates: dict[Key, tuple[Judged, ...]] = field(default_factory=dict)
    _details: dict[Key, dict[str, Any]] = field(default_factory=dict)
    _read_again: dict[Experiment, Experiment] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._provider = StartedProvider()
        self._budget: Budget | None = None
        if self.budget is not None:
            from tunebench.evaluation import Budget

            self._budget = Budget(self.budget)
        self._runner = Runner(self.record, self._provider.start, self._budget)

    @property
    def stopped(self) -> str:
        """Why nothing more may be recorded; empty where more may."""
        return self._budget.stopped if self._budget else ""

    def evaluate(self, cell: Cell, hint: str, progress: Progress | None) -> Result:
        """Evaluate a cell once; a second test that asks for it gets the same result or error."""
        cell = self._current(cell)
        key = _key(cell)
        if key in self._errors:
            raise CellError(self._errors[key])
        if key not in self._results:
            try:
                self._results[key] = self._runner.evaluate(cell, hint, progress)
            except CellError as error:
                self._errors[key] = str(error)
                raise
            except Exception as error:  # the test shows its traceback, the results this
                what = f"{cell}: it could not be evaluated"
                self._errors[key] = describe_error(what, error)
                raise
        return self._results[key]

    def _current(self, cell: Cell) -> Cell:
        """A cell by its experiment's file as it is, also where it was read before this session.

        Raises:
            ExperimentError: the file says something else now.
        """
        experiment = cell.experiment
        if experiment.read_at >= self.started:
            return cell
        if experiment not in self._read_again:
            self._read_again[experiment] = Experiment.read(experiment.path)
        now = self._read_again[experiment]
        if now != experiment:
            raise ExperimentError(
                f"{cell}: {experiment.path} was changed after it was read, which was before this "
                "run; start a new process, or read it again where it is kept."
            )
        return replace(cell, experiment=now)

    def judge(
        self, result: Result, evaluate: Callable[[Cell], Result]
    ) -> tuple[tuple[Judged, ...], list[Uplift]]:
        """Judge a result against all limits of its cell.

        Args:
            result: the result.
            evaluate: gives the result of a cell that it is compared with.

        Returns:
            What was judged, in the order of the limits, and the uplifts that it took.

        Raises:
            TunebenchError: there is no usable baseline, or the cells were asked other items.
        """
        cell, uplifts = result.cell, []

        def compare(result: Result, over: str) -> Uplift:
            other = next(cell for cell in result.cell.experiment.cells if str(cell) == over)
            uplifts.append(Uplift.of(result, evaluate(other)))
            return uplifts[-1]

        judged = judge_limits(result, Sources(compare, recording=self.record != "none"))
        self._gates[_key(cell)] = judged
        return judged, uplifts

    def report_of(self, cell: Cell) -> dict[str, Any]:
        """What the table and the result files need of a cell, as plain JSON values.

        It raises nothing: what cannot be had is told among its ``complaints``.
        """
        experiment = cell.experiment
        complaints: list[str] = []
        report: dict[str, Any] = {
            "experiment": experiment.name,
            "path": os.path.abspath(experiment.path),
            "cell": str(cell),
            "position": experiment.cells.index(cell) if cell in experiment.cells else -1,
            "cells": len(experiment.cells),
            "folder": "/".join(experiment.cassettes.parts[-2:]),
            "orphans": [],
            "complaints": complaints,
        }
        try:
            report["orphans"] = self._orphans_of(experiment)
        except Exception as error:
            what = f"{experiment.cassettes}: its cassettes could not be listed"
            complaints.append(describe_error(what, error))
        try:
            key = _key(self._current(cell))
            if key not in self._results:
                return report | {"error": self._errors.get(key, "")}
            return report | self._report_of(self._results[key], complaints)
        except ExperimentError as error:
            return report | {"error": str(error)}
        except Exception as error:
            what = f"{cell}: its row of the results could not be made"
            complaints.append(describe_error(what, error))
            return report | {"error": complaints[-1]}

    def _orphans_of(self, experiment: Experiment) -> list[str]:
        if experiment not in self._orphans:  # what a session records belongs to a cell
            folder = experiment.cassettes
            names = [path.relative_to(folder).as_posix() for path in orphans(experiment)]
            self._orphans[experiment] = names
        return self._orphans[experiment]

    def close(self) -> None:
        """Close connections and stop the local provider if this session started it."""
        self._runner.close()
        self._provider.stop()

    def _report_of(self, result: Result, complaints: list[str]) -> dict[str, Any]:
        gates = self._gates.get(_key(result.cell))
        report: dict[str, Any] = {
            "row": row_of(result, gates),
            "gated": gates is not None,
            "unplayed": result.unplayed,
            "remarks": result.remarks,
            "flips": [],
        }
        try:
            regression = regression_of(result)
            report["flips"] = regression.lines() if regression else []
        except TunebenchError as error:
            report["flips"] = [str(error)]
        except Exception as error:
            what = f"{result.cell}: it could not be compared with its baseline"
            complaints.append(describe_error(what, error))
        if self.details:
            try:
                report |= self._details_of(result)
            except Exception as error:
                what = f"{result.cell}: its details for the results could not be made"
                complaints.append(describe_error(what, error))
        return report

    def _details_of(self, result: Result) -> dict[str, Any]:
        key = _key(result.cell)
        if key not in self._details:
            from tunebench.analysis import reported

            self._details[key] = reported(result)
        return self._details[key]


def _key(cell: Cell) -> Key:
    """What a cell's result depends on: its experiment's file and data, which may be edited."""
    return cell, cell.experiment.data_state
