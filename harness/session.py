"""What one pytest session gathers from its cells, apart from pytest's hooks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.api.local import LOCAL, LocalProvider
from harness.runner import CellError, Runner, orphans

if TYPE_CHECKING:
    from harness.experiment import Cell, Experiment
    from harness.recordings import Progress, RecordMode
    from harness.result import Result


@dataclass
class Session:
    """Evaluates cells for the test cases of this process.

    Attributes:
        record: see `Runner`.
    """

    record: RecordMode
    _results: dict[Cell, Result] = field(default_factory=dict)
    _errors: dict[Cell, str] = field(default_factory=dict)
    _orphans: dict[Experiment, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._local = LocalProvider()
        self._runner = Runner(self.record, start_provider=self._start_provider)

    def evaluate(self, cell: Cell, hint: str, progress: Progress | None) -> Result:
        """Evaluate a cell once; a second test that asks for it gets the same result or error."""
        if cell in self._errors:
            raise CellError(self._errors[cell])
        if cell not in self._results:
            try:
                self._results[cell] = self._runner.evaluate(cell, hint, progress)
            except CellError as error:
                self._errors[cell] = str(error)
                raise
        return self._results[cell]

    def report_of(self, cell: Cell) -> dict[str, Any]:
        """What the table and the result files need of a cell, as plain JSON values."""
        experiment = cell.experiment
        report: dict[str, Any] = {
            "experiment": experiment.name,
            "path": str(experiment.path.absolute()),
            "cell": str(cell),
            "position": experiment.cells.index(cell) if cell in experiment.cells else -1,
            "cells": len(experiment.cells),
            "orphans": self._orphans_of(experiment),
        }
        if cell in self._results:
            result = self._results[cell]
            report |= {"row": result.row(), "unplayed": result.unplayed}
        else:
            report["error"] = self._errors.get(cell, "")
        return report

    def _orphans_of(self, experiment: Experiment) -> list[str]:
        if experiment not in self._orphans:  # what a session records belongs to a cell
            folder = experiment.cassettes
            names = [path.relative_to(folder).as_posix() for path in orphans(experiment)]
            self._orphans[experiment] = names
        return self._orphans[experiment]

    def close(self) -> None:
        """Close connections and stop the local provider if this session started it."""
        self._runner.close()
        self._local.stop()

    def _start_provider(self, experiment: Experiment, name: str) -> None:
        if name == LOCAL:
            models = [m.provider_id for m in experiment.models.values() if m.provider == LOCAL]
            self._local.ensure(experiment.providers[name].base_url, models)
