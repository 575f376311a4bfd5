"""The reports of all cells of a run, for the terminal and the result files."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tunebench.analysis.evaluated import Remark, said_once
from tunebench.errors import describe_error
from tunebench.evaluation import forget_inputs
from tunebench.reports import VERSION, Failure, Results, RivalRow, checked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tunebench.analysis.evaluated import CellReport, Evaluated, UpliftReport
    from tunebench.analysis.rival_training import Asked
    from tunebench.reports import About, Answer, CellRow, Job, UpliftRow
    from tunebench.settings import Configuration

    Row = TypeVar("Row", CellRow, Job, UpliftRow)


@dataclass
class Summary:
    """The reports of all cells of a run, from this process or from pytest-xdist's workers.

    An experiment is identified by the path of its file. It is shown by its name, and by name and
    file where two of a run have one name.

    Attributes:
        root: the folder that files are named from.
        rivals: of the training sizes, as recorded or trained.
        answers: of each experiment that has one.
        complaints: what was asked for and could not be done, a sentence each.
        written: what was written where, a line each.
        notes: what is undecided, unread, changed since the baseline, or unused in cassettes.
    """

    root: Path
    rivals: list[RivalRow] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _reports: dict[tuple[str, str], CellReport] = field(default_factory=dict)
    _uplifts: dict[tuple[str, str, str], UpliftReport] = field(default_factory=dict)

    def add(self, evaluated: Evaluated) -> None:
        """Take in what a test evaluated; a cell or an uplift of several tests counts once."""
        for uplift in evaluated.uplifts:
            self._uplifts[uplift.path, uplift.row.cell, uplift.row.over] = uplift
        for report in evaluated.cells:
            before = self._reports.get((report.path, report.cell))
            # All limits of a cell are judged by its gate only, and whichever test came last.
            if before is None or report.gated or not before.gated:
                self._reports[report.path, report.cell] = report

    def __bool__(self) -> bool:
        return bool(self._reports or self.complaints)

    def finish(
        self, chosen: Configuration, step_summary: str | None, asked: Asked | None = None
    ) -> None:
        """Make rivals, answers and notes, and write the results where that is asked for.

        It raises nothing: what fails is among `complaints`, and does not stop the rest.

        Args:
            chosen: the settings of the run.
            step_summary: see `write_results`.
            asked: gives the embeddings of rivals, and records them; None where nothing is recorded.
        """
        self._complain(said_once(c for report in self._ordered() for c in report.complaints))
        left_out: list[str] = []
        with self.complaining("the rivals could not be made"):
            left_out = self._make_rivals(chosen, asked)
        written = chosen.results is not None
        rows = [report for report in self._evaluated() if report.detailed or not written]
        with self.complaining("the answers could not be made"):
            self.answers = self._answers(rows)
        with self.complaining("the notes on the cells could not be made"):
            self.notes = [*left_out, *self._unanswered(rows), *self._notes()]
        if chosen.results is not None and self._reports:
            with self.complaining(f"{chosen.results}: the results could not be written"):
                from tunebench.reports import write_results

                results = self.document(rows)
                forget_inputs()  # nothing is made of the texts any more
                self.written, failed = write_results(chosen.results, results, step_summary)
                self._complain(failed)

    @contextmanager
    def complaining(self, what: str) -> Iterator[None]:
        """Turn an error into a complaint: what could not be done, and why."""
        try:
            yield
        except Exception as error:
            self._complain([describe_error(what, error)])

    def _complain(self, sentences: list[str]) -> None:
        # A cell that two tests evaluate says the same twice.
        self.complaints += [one for one in sentences if one not in self.complaints]

    @property
    def cells(self) -> list[CellRow]:
        """All cells with a result, in the order of the experiments' cells, not of the run."""
        return self._rows(self._evaluated())

    @property
    def experiments(self) -> list[About]:
        """The experiments of these cells."""
        return self._experiments(self._evaluated())

    @property
    def uplifts(self) -> list[UpliftRow]:
        """All comparisons, in the order of the cells.

        ``holm_p`` is the p-value, adjusted over all comparisons of the experiment.
        """
        if not self._uplifts:
            return []
        from tunebench.statistics import holm

        adjusted: dict[tuple[str, str, str], float] = {}
        for path in {path for path, *_ in self._uplifts}:
            same = {key: one.row.p for key, one in self._uplifts.items() if key[0] == path}
            adjusted |= zip(same, holm(list(same.values())), strict=True)
        return [
            self._named(key[0], self._uplifts[key].row, holm_p=adjusted[key])
            for key in sorted(self._uplifts, key=self._place)
        ]

    def _place(self, key: tuple[str, str, str]) -> tuple[str, str, int, int, str]:
        path, *ids = key
        reports = (self._reports.get((path, one)) for one in ids)
        first, other = (report.position if report else -1 for report in reports)
        return self._uplifts[key].row.experiment, path, first, other, ids[1]

    def _make_rivals(self, chosen: Configuration, asked: Asked | None) -> list[str]:
        """Make the rows of rivals; what is left out is a note each."""
        from tunebench.analysis.rival_rows import record_rivals, recorded_rivals, trained_rivals

        paths = sorted({report.path for report in self._evaluated()})
        if asked is not None:
            made = record_rivals(paths, asked, again=chosen.record == "all")
        if chosen.rivals:
            made = trained_rivals(paths)
        elif asked is None:
            made = recorded_rivals(paths)
        self.rivals = [
            checked(RivalRow, row | {"experiment": self._name(path)}) for path, row in made.rows
        ]
        self._complain(made.complaints)
        return made.notes

    def _answers(self, reports: Sequence[CellReport]) -> list[Answer]:
        from tunebench.analysis.answer import answers_of

        return answers_of(self._experiments(reports), self._rows(reports), self.rivals)

    def _unanswered(self, reports: Sequence[CellReport]) -> list[str]:
        from tunebench.analysis.answer import unanswered

        rows = self._rows(reports)
        found = (
            (about, unanswered(about, [row for row in rows if row.experiment == about.name]))
            for about in self._experiments(reports)
        )
        several = len({report.path for report in self._ordered()}) > 1
        return [f"{about.name}: {why}" if several else why for about, why in found if why]

    def document(self, reports: Sequence[CellReport] | None = None) -> Results:
        """The content of ``results.json`` after `finish`, of detailed reports; all if left out."""
        from tunebench.analysis.break_even import break_evens
        from tunebench.analysis.forecast import data_needs_of

        if reports is None:
            reports = [report for report in self._evaluated() if report.detailed]
        without = [report for report in self._evaluated() if not report.detailed]
        jobs = {(r.path, r.job.name): self._named(r.path, r.job) for r in reports if r.job}
        rows = self._rows(reports)
        parts: dict[str, Any] = {
            "version": VERSION,
            "tunebench": _version(),
            "answers": self.answers,
            "experiments": self._experiments(reports),
            "cells": rows,
            "jobs": list(jobs.values()),
            "uplifts": self.uplifts,
            "rivals": self.rivals,
            "errors": [
                *(self._failure(r, str(r.error or "")) for r in self._ordered() if r.row is None),
                *(self._failure(r, " ".join(map(str, r.complaints))) for r in without),
            ],
        }
        derived: dict[str, tuple[str, Callable[[], Any]]] = {
            "break_evens": ("the break-evens", lambda: break_evens(rows)),
            "data_needs": ("the forecasts", lambda: data_needs_of(rows)),
        }
        for part, (what, make) in derived.items():
            with self.complaining(f"{what} could not be made"):
                parts[part] = make()
        return checked(Results, parts)

    def _experiments(self, reports: Sequence[CellReport]) -> list[About]:
        return [
            about.model_copy(update={"name": self._name(path), "file": self._file(path)})
            for path, about in {report.path: report.about for report in reports}.items()
            if about is not None
        ]

    def _notes(self) -> list[str]:
        evaluated = [(self._shown(report.path), report) for report in self._evaluated()]
        notes = [
            f"{shown}{gate.sentence}"
            for shown, report in evaluated
            for gate in (report.row.gates if report.row else None) or ()
            if gate.verdict == "inconclusive"
        ]
        notes += said_once(
            replace(remark, cell=f"{shown}{remark.cell}", where=f"{shown}{remark.where}")
            for shown, report in evaluated
            for remark in report.remarks
        )
        # The same sentence for each cell where the baseline is of something else.
        notes += dict.fromkeys(line for _, report in evaluated for line in report.flips)
        notes += said_once(
            Remark(
                report.cell,
                f"{report.unplayed} recorded answers were not asked for",
                report.row.cassette if report.row else None,
                "they are kept and cost nothing",
            )
            for _, report in evaluated
            if report.unplayed
        )
        # Only a run over the whole matrix can tell which cassettes belong to nothing.
        paths = [report.path for report in self._ordered()]
        whole = {r.path: r for r in self._ordered() if paths.count(r.path) == r.cells and r.orphans}
        notes += [
            f"{self._shown(path)}{report.folder}: no cell uses {', '.join(report.orphans)}; what "
            "is left over from an older matrix goes with `tunebench cassettes prune`."
            for path, report in whole.items()
        ]
        return notes

    def _shown(self, path: str) -> str:
        """What a sentence about a cell begins with: several experiments' cells may share names."""
        several = len({report.path for report in self._ordered()}) > 1
        return f"{self._name(path)}: " if several else ""

    def _rows(self, reports: Sequence[CellReport]) -> list[CellRow]:
        return [self._named(report.path, report.row) for report in reports if report.row]

    def _named(self, path: str, row: Row, **more: Any) -> Row:
        """A row with the name by which its experiment is shown."""
        return row.model_copy(update={"experiment": self._name(path), **more})

    def _failure(self, report: CellReport, error: str) -> Failure:
        return Failure(experiment=self._name(report.path), cell=report.cell, error=error)

    def _name(self, path: str) -> str:
        names = {path: uplift.row.experiment for (path, *_), uplift in self._uplifts.items()}
        names |= {path: report.experiment for (path, _), report in self._reports.items()}
        name = names[path]
        alone = list(names.values()).count(name) == 1
        return name if alone else f"{name} ({self._file(path)})"

    def _file(self, path: str) -> str:
        """The path of an experiment file from the root, or its end where it is elsewhere."""
        file = Path(path)
        if file.is_relative_to(self.root):
            return file.relative_to(self.root).as_posix()
        end = "/".join(file.parts[-2:])
        others = {Path(other) for other, _ in self._reports} - {file}
        outside = (one for one in others if not one.is_relative_to(self.root))
        return path if any("/".join(one.parts[-2:]) == end for one in outside) else end

    def _evaluated(self) -> list[CellReport]:
        return [report for report in self._ordered() if report.row]

    def _ordered(self) -> list[CellReport]:
        return sorted(self._reports.values(), key=lambda r: (r.experiment, r.path, r.position))


def _version() -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("tunebench")
    except PackageNotFoundError:
        return None
