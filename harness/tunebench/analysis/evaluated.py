"""What tests evaluated, on its way from a test to the end of the run."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tunebench.analysis.gates import verdict_of
from tunebench.errors import TunebenchError, describe_error
from tunebench.reports import (
    About,
    CellRow,
    Gate,
    Job,
    UpliftRow,
    checked,
    finite,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tunebench.analysis.gates import Judged
    from tunebench.analysis.uplift import Uplift

_NAMED = 3  # cells of one sentence


@dataclass(frozen=True)
class Remark:
    """A sentence about a cell, in parts, so that several cells can share it.

    Attributes:
        cell: the cell's id.
        problem: a clause without the cell's name.
        where: the cell, and where in it; None where the problem says that.
        hint: what to do, a clause; None where there is nothing to do.
    """

    cell: str
    problem: str
    where: str | None = None
    hint: str | None = None

    @classmethod
    def of(cls, cell: object, error: Exception, what: str) -> Remark:
        """An error, in parts; one that nobody foresaw says what could not be done."""
        if isinstance(error, TunebenchError):
            return cls(str(cell), error.problem, error.where, error.hint)
        return cls(str(cell), describe_error(what, error), str(cell))

    def __str__(self) -> str:
        return str(TunebenchError(self.problem, where=self.where, hint=self.hint))


@dataclass(frozen=True)
class CellReport:
    """One cell, as a test found it.

    Attributes:
        experiment: the experiment's name.
        path: of its file, absolute; it identifies the experiment.
        cell: the cell's id.
        position: among the experiment's cells; -1 where it is not one of them.
        cells: how many cells the experiment has.
        folder: of its cassettes, for people.
        row: its result; None where it has none.
        error: why it has none.
        gated: whether `row` holds the verdicts on all its limits.
        detailed: whether `row` holds all that ``results.json`` does.
        about: its experiment.
        job: the job that made its model, if it is detailed.
        unplayed: recorded answers that were not asked for.
        remarks: what to know beside the accuracy.
        flips: what changed since the baseline, as lines.
        orphans: cassettes of the experiment that belong to no cell.
        complaints: what could not be done.
    """

    experiment: str
    path: str
    cell: str
    position: int
    cells: int
    folder: str
    row: CellRow | None = None
    error: Remark | None = None
    gated: bool = False
    detailed: bool = False
    about: About | None = None
    job: Job | None = None
    unplayed: int = 0
    remarks: tuple[Remark, ...] = ()
    flips: tuple[str, ...] = ()
    orphans: tuple[str, ...] = ()
    complaints: tuple[Remark, ...] = ()

    def gated_by(self, judged: Sequence[Judged]) -> CellReport:
        """A copy with the verdicts on all limits of the cell."""
        gates = [checked(Gate, finite(one.row())) for one in judged]
        update = {"gates": gates, "verdict": verdict_of(judged)}
        return replace(self, row=self.row and self.row.model_copy(update=update), gated=True)

    def complaining(self, complaint: Remark) -> CellReport:
        """A copy with a further complaint."""
        return replace(self, complaints=(*self.complaints, complaint))


@dataclass(frozen=True)
class UpliftReport:
    """A comparison that a test made, with the file of its experiment."""

    path: str
    row: UpliftRow

    @classmethod
    def of(cls, uplift: Uplift) -> UpliftReport:
        """The report of an uplift."""
        path = os.path.abspath(uplift.cell.experiment.path)
        return cls(path, checked(UpliftRow, uplift.row()))


@dataclass(frozen=True)
class Evaluated:
    """What a test and its fixtures evaluated.

    Attributes:
        cells: in the order of their evaluation; a cell may be there more than once.
        uplifts: likewise.
        undecided: whether a gate was inconclusive.
    """

    cells: tuple[CellReport, ...] = ()
    uplifts: tuple[UpliftReport, ...] = ()
    undecided: bool = False

    def __add__(self, later: Evaluated) -> Evaluated:
        return Evaluated(
            self.cells + later.cells,
            self.uplifts + later.uplifts,
            self.undecided or later.undecided,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, as pytest-xdist and others send them between processes."""
        found: dict[str, Any] = _adapter().dump_python(self, mode="json")
        return found

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Evaluated:
        """The inverse of `to_json`."""
        found: Evaluated = _adapter().validate_python(value)
        return found


def _adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(Evaluated)


def said_once(remarks: Iterable[Remark]) -> list[str]:
    """Sentences in the order of the remarks; what several cells have in common is one of them."""
    grouped: dict[tuple[str, str | None], dict[str, Remark]] = {}
    for remark in remarks:
        grouped.setdefault((remark.problem, remark.hint), {})[remark.cell] = remark
    return [_sentence(list(same.values())) for same in grouped.values()]


def _sentence(same: list[Remark]) -> str:
    first = same[0]
    if len(same) == 1:
        return str(first)
    named = ", ".join(remark.cell for remark in same[:_NAMED])
    more = f" and {len(same) - _NAMED} more" if len(same) > _NAMED else ""
    problem = f"{first.problem} ({len(same)} cells: {named}{more})"
    where = None if first.where == first.cell else first.where
    return str(replace(first, problem=problem, where=where))
