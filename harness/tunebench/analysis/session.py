"""Evaluates, judges and reports the cells of one run, with pytest or without."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tunebench.analysis.details import about, detailed, job_of, row_of
from tunebench.analysis.evaluated import CellReport, Remark
from tunebench.analysis.gates import Sources, judge_limits
from tunebench.analysis.regression import regression_of
from tunebench.analysis.uplift import Uplift
from tunebench.errors import CellError, ExperimentError, TunebenchError
from tunebench.evaluation import (
    Budget,
    Runner,
    StartedProvider,
    dataset_of,
    forget_inputs,
    orphans,
)
from tunebench.experiment import Experiment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tunebench.analysis.gates import Judged
    from tunebench.evaluation import Progress, Result, State
    from tunebench.experiment import Cell, EmbeddingRival
    from tunebench.reports import About
    from tunebench.settings import RecordMode

    Key = tuple[Cell, State]

_MOST_TOGETHER = 32  # cells, or jobs; most of them wait


@dataclass
class Session:
    """Evaluates cells for one run: the tests of a pytest session, or `replayed`.

    A new one forgets the data that earlier runs of this process read: files may have changed.

    Attributes:
        record: see `Runner`.
        details: whether reports hold all fields of ``results.json``.
        limits: what recordings may cost, send and take, or None.
        started: when the run began; experiments that were read before are read again.
    """

    record: RecordMode
    details: bool = False
    limits: Budget | None = None
    started: int = 0
    _results: dict[Key, Result] = field(default_factory=dict)
    _errors: dict[Key, Remark] = field(default_factory=dict)
    _orphans: dict[Experiment, tuple[str, ...]] = field(default_factory=dict)
    _gates: dict[Key, tuple[Judged, ...]] = field(default_factory=dict)
    _abouts: dict[tuple[Experiment, State], About] = field(default_factory=dict)
    _reports: dict[Key, CellReport] = field(default_factory=dict)  # without verdicts of gates
    _read_again: dict[Experiment, Experiment] = field(default_factory=dict)

    def __post_init__(self) -> None:
        forget_inputs()
        self._provider = StartedProvider()
        self._budget = self.limits or Budget()
        began = time.time_ns() - (time.monotonic_ns() - self.started if self.started else 0)
        self._runner = Runner(self.record, self._provider.start, self._budget, started=began)

    @property
    def stopped(self) -> str:
        """Why nothing more may be recorded; empty where more may."""
        return self._budget.stopped

    def evaluate(self, cell: Cell, hint: str, progress: Progress | None) -> Result:
        """Evaluate a cell once; a second test that asks for it gets the same result or error."""
        cell = self._current(cell)
        key = _key(cell)
        if key in self._errors:
            before = self._errors[key]
            raise CellError(before.problem, where=before.where, hint=before.hint)
        if key not in self._results:
            try:
                self._results[key] = self._runner.evaluate(cell, hint, progress)
            except Exception as error:  # the test shows an unexpected one's traceback
                self._errors[key] = Remark.of(cell, error, "it could not be evaluated")
                raise
        return self._results[key]

    def side_by_side(self, hints: Mapping[Cell, str]) -> list[dict[Cell, str]]:
        """The cells that can be recorded at the same time; none where there would be one part.

        Args:
            hints: how to record each cell alone.

        Returns:
            Parts of `hints`: the cells of a part share a job or a cassette, so one waits for the
            other. Their providers take several requests at once.
        """
        parts: dict[Path, dict[Cell, str]] = {}
        for cell, hint in hints.items():
            # What is wrong here is said where the cell is evaluated.
            with suppress(TunebenchError):
                experiment = self._current(cell).experiment
                if experiment.providers[experiment.models[cell.model].provider].concurrency > 1:
                    dataset_of(experiment)  # read once, before several threads need it
                    has_job = bool(cell.train_size) and cell.has_job
                    own = cell.job_cassette if has_job else cell.cassette
                    parts.setdefault(own, {})[cell] = hint
        return list(parts.values()) if len(parts) > 1 else []

    def record_together(self, parts: Sequence[Mapping[Cell, str]], progress: Progress) -> None:
        """Record cells at the same time; what goes wrong is raised when a cell is evaluated.

        Args:
            parts: see `side_by_side`.
            progress: shows the progress of all of them; it is called from several threads.
        """

        def record(part: Mapping[Cell, str]) -> None:
            for given, hint in part.items():
                cell = self._current(given)
                try:
                    self._runner.complete(cell, hint, progress)
                except TunebenchError as error:
                    self._errors[_key(cell)] = Remark.of(cell, error, "it could not be recorded")

        with ThreadPoolExecutor(min(len(parts), _MOST_TOGETHER)) as pool:
            try:
                list(pool.map(record, parts))
            except BaseException:
                self._budget.interrupt()
                pool.shutdown(cancel_futures=True)
                raise

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
                f"{experiment.path} was changed after it was read, which was before this run",
                where=str(cell),
                hint="start a new process, or read it again where it is kept",
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
            TunebenchError: there is no usable baseline, or the cells have other items.
        """
        cell, uplifts = result.cell, []

        def compare(result: Result, over: str) -> Uplift:
            other = next(cell for cell in result.cell.experiment.cells if str(cell) == over)
            uplifts.append(Uplift.of(result, evaluate(other)))
            return uplifts[-1]

        judged = judge_limits(result, Sources(compare, recording=self.record != "none"))
        self._gates[_key(cell)] = judged
        return judged, uplifts

    def report_of(self, cell: Cell) -> CellReport:
        """What the end of the run needs to know of a cell.

        It raises nothing: what cannot be made is among its ``complaints``.
        """
        experiment = cell.experiment
        report = CellReport(
            experiment=experiment.name,
            path=os.path.abspath(experiment.path),
            cell=str(cell),
            position=experiment.cells.index(cell) if cell in experiment.cells else -1,
            cells=len(experiment.cells),
            folder="/".join(experiment.cassettes.parts[-2:]),
        )
        try:
            report = replace(report, orphans=self._orphans_of(experiment))
        except Exception as error:
            what = f"{experiment.cassettes}: its cassettes could not be listed"
            report = report.complaining(Remark.of(cell, error, what))
        try:
            key = _key(self._current(cell))
            if key not in self._results:
                return replace(report, error=self._errors.get(key))
            if key not in self._reports:
                self._reports[key] = self._with_result(report, self._results[key])
            report, judged = self._reports[key], self._gates.get(key)
            return report if judged is None else report.gated_by(judged)
        except ExperimentError as error:
            return replace(report, error=Remark.of(cell, error, ""))
        except Exception as error:
            remark = Remark.of(cell, error, "its row of the results could not be made")
            return replace(report.complaining(remark), error=remark)

    def _with_result(self, report: CellReport, result: Result) -> CellReport:
        row, made = row_of(result), result.fine_tuned
        report = replace(
            report,
            row=row,
            about=self._about(result),
            unplayed=result.unplayed,
            remarks=tuple(
                Remark(str(result.cell), text, str(result.cell)) for text in result.remarks
            ),
        )
        try:
            regression = regression_of(result)
            report = replace(report, flips=tuple(regression.lines() if regression else ()))
        except TunebenchError as error:
            report = replace(report, flips=(str(error),))
        except Exception as error:
            what = "it could not be compared with its baseline"
            report = report.complaining(Remark.of(result.cell, error, what))
        if self.details:
            try:
                # Of a job that is only named, nothing else is known.
                job = job_of(result, made) if made and result.cell.has_job else None
                report = replace(report, row=detailed(row, result), job=job, detailed=True)
            except Exception as error:
                what = "its details for the results could not be made"
                report = report.complaining(Remark.of(result.cell, error, what))
        return report

    def _about(self, result: Result) -> About:
        key = result.cell.experiment, result.cell.experiment.data_state
        if key not in self._abouts:
            self._abouts[key] = about(result)
        return self._abouts[key]

    def _orphans_of(self, experiment: Experiment) -> tuple[str, ...]:
        if experiment not in self._orphans:  # what a session records belongs to a cell
            folder = experiment.cassettes
            names = (path.relative_to(folder).as_posix() for path in orphans(experiment))
            self._orphans[experiment] = tuple(names)
        return self._orphans[experiment]

    def embed(
        self,
        experiment: Experiment,
        rival: EmbeddingRival,
        texts: Mapping[str, str],
        progress: Progress | None = None,
    ) -> Mapping[str, bytes]:
        """The embeddings of a rival's texts, recorded as cells are."""
        return self._runner.embed(experiment, rival, texts, progress)

    def close(self) -> None:
        """Close connections and stop the local provider if this session started it."""
        self._runner.close()
        self._provider.stop()


def _key(cell: Cell) -> Key:
    """What a cell's result depends on: its experiment's file and data, which may be edited."""
    return cell, cell.experiment.data_state
