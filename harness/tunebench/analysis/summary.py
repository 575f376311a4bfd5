"""The reports of all cells of a run, for the table and the result files."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunebench.errors import describe_error
from tunebench.reports import finite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tunebench.settings import Configuration


@dataclass
class Summary:
    """The reports of all cells of a run, from this process or from pytest-xdist's workers.

    An experiment is known by the path of its file. It is shown by its name, and by name and file
    where two of a run have one name.

    Attributes:
        root: the folder that files are named from.
        rivals: the entries of ``baselines`` in ``results.json``.
        complaints: what was asked for and could not be done, a sentence each.
        written: what was written where, a line each.
        answers: of each experiment, once results are written.
        tables: the lines of each table of the run's end.
        notes: what is undecided, unread, changed since the baseline, or in cassettes in vain.
    """

    root: Path
    rivals: list[dict[str, Any]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    tables: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _reports: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    _uplifts: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)

    def add(self, report: dict[str, Any]) -> None:
        """Take in the report of a cell or of an uplift; what several tests asked counts once."""
        if "uplift" in report:
            row = report["uplift"]
            self._uplifts[report["path"], row["cell"], row["over"]] = row
        elif "cell" in report:
            key = report["path"], report["cell"]
            # All limits of a cell are judged by its gate only, and whichever test came last.
            if not self._reports.get(key, {}).get("gated") or report.get("gated"):
                self._reports[key] = report

    def __bool__(self) -> bool:
        return bool(self._reports or self.complaints)

    def finish(self, chosen: Configuration, step_summary: str | None) -> None:
        """Make the rivals and the tables, and write the results where that is asked for.

        It raises nothing: what fails is among `complaints`, and costs nothing else.
        """
        for report in self._ordered():
            self._complain(report["complaints"])
        if chosen.rivals:
            with self._told("the rivals could not be made"):
                self._make_rivals()
        self._make_tables()
        with self._told("the notes on the cells could not be made"):
            self.notes = self._notes()
        if chosen.results is not None and self._reports:
            with self._told(f"{chosen.results}: the results could not be written"):
                self._write(chosen.results, step_summary)

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Tell of an error instead of raising it."""
        try:
            yield
        except Exception as error:
            self._complain([describe_error(what, error)])

    def _complain(self, sentences: list[str]) -> None:
        # A cell that two tests evaluate says the same twice.
        self.complaints += [one for one in sentences if one not in self.complaints]

    def _make_rivals(self) -> None:
        from tunebench.analysis.rivals import rivals_of

        rows, complaints = rivals_of(sorted({report["path"] for report in self._evaluated()}))
        self.rivals = [row | {"experiment": self._name(path)} for path, row in rows]
        self._complain(complaints)

    def _make_tables(self) -> None:
        from tunebench.reports import job_table, table, uplift_table

        with self._told("the table of cells could not be made"):
            if self.rows:
                self.tables.append(table(self.rows, self.rivals))
        with self._told("the table of jobs could not be made"):
            if any(row["job"] for row in self.rows):
                self.tables.append(job_table(self.rows))
        with self._told("the table of uplifts could not be made"):
            if uplifts := self.uplifts:
                self.tables.append(uplift_table(uplifts))

    def _write(self, folder: Path, step_summary: str | None) -> None:
        from tunebench.reports import write_results

        document = self.document()
        several = len(document["experiments"]) > 1
        self.answers = [
            f"{answer['experiment']}: {answer['sentence']}" if several else answer["sentence"]
            for answer in document["answers"]
        ]
        self.written, failed = write_results(folder, document, step_summary)
        self._complain(failed)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Rows of ``results.json`` without details, in the order of the cells, not of the run."""
        return [self._named(report, report["row"]) for report in self._evaluated()]

    @property
    def uplifts(self) -> list[dict[str, Any]]:
        """The entries of ``uplifts`` in ``results.json``, in the order of the cells.

        ``holm_p`` is the mid-p value, adjusted over all comparisons of the experiment.
        """

        def place(key: tuple[str, str, str]) -> tuple[str, str, int, int, str]:
            path, *ids = key
            first, other = (self._reports.get((path, one), {}).get("position", -1) for one in ids)
            return self._uplifts[key]["experiment"], path, first, other, ids[1]

        if not self._uplifts:
            return []
        from tunebench.statistics import holm

        keys = sorted(self._uplifts, key=place)
        rows = [self._uplifts[key] | {"experiment": self._name(key[0])} for key in keys]
        for path in {key[0] for key in keys}:
            together = [row for key, row in zip(keys, rows, strict=True) if key[0] == path]
            adjusted = holm([row["mid_p"] for row in together])
            for row, p in zip(together, adjusted, strict=True):
                row["holm_p"] = p
        return rows

    @property
    def errors(self) -> list[dict[str, str]]:
        """Cells without a result, or with one that could not be told of."""
        return [
            self._error(report, report["error"]) for report in self._ordered() if "error" in report
        ]

    def document(self) -> dict[str, Any]:
        """What ``results.json`` holds, but for its version; needs reports with details."""
        from tunebench.analysis.answer import answers_of
        from tunebench.analysis.break_even import break_evens
        from tunebench.analysis.forecast import data_needs_of

        evaluated = [report for report in self._evaluated() if "details" in report]
        without = [report for report in self._evaluated() if "details" not in report]
        experiments = {
            report["path"]: report["about"]
            | {"name": self._name(report["path"]), "file": self._file(report["path"])}
            for report in evaluated
        }
        jobs = {
            (r["path"], r["job"]["name"]): self._named(r, r["job"]) for r in evaluated if r["job"]
        }
        cells = [self._named(report, report["row"] | report["details"]) for report in evaluated]
        document: dict[str, Any] = {
            "answers": [],
            "data_needs": [],
            "experiments": list(experiments.values()),
            "cells": cells,
            "jobs": list(jobs.values()),
            "uplifts": self.uplifts,
            "baselines": self.rivals,
            "break_evens": [],
            "errors": self.errors + [self._error(r, " ".join(r["complaints"])) for r in without],
        }
        derived: dict[str, tuple[str, Callable[[], Any]]] = {
            "break_evens": ("the break-evens", lambda: break_evens(cells)),
            "answers": ("the answers", lambda: answers_of(document)),
            "data_needs": ("the forecasts", lambda: data_needs_of(document)),
        }
        for part, (what, make) in derived.items():
            with self._told(f"{what} could not be made"):
                document[part] = make()
        # JSON has no number for what a provider's file or a fit that got nowhere may hold.
        return {name: finite(part) for name, part in document.items()}

    def _notes(self) -> list[str]:
        several = len({report["path"] for report in self._ordered()}) > 1

        def named(report: dict[str, Any], line: str) -> str:
            # Cells of two experiments may have one name, which the table tells apart by a column.
            return f"{self._name(report['path'])}: {line}" if several else line

        evaluated = self._evaluated()
        notes = [
            named(report, gate["sentence"])
            for report in evaluated
            for gate in report["row"]["gates"]
            if gate["verdict"] == "inconclusive"
        ]
        notes += [named(report, line) for report in evaluated for line in report["remarks"]]
        # The same sentence for each cell where the baseline is of something else.
        notes += dict.fromkeys(line for report in evaluated for line in report["flips"])
        counts: dict[str, int] = {}
        for report in self._ordered():
            path = report["path"]
            counts[path] = counts.get(path, 0) + 1
            if report.get("unplayed"):
                notes.append(
                    f"{report['row']['cassette']}: {report['unplayed']} recorded answers were not "
                    "asked for; `tunebench cassettes prune` removes them."
                )
            # Only a run over the whole matrix can tell which cassettes belong to nothing.
            if counts[path] == report["cells"] and report["orphans"]:
                line = (
                    f"{report['folder']}: no cell uses {', '.join(report['orphans'])}; what is "
                    "left over from an older matrix goes with `tunebench cassettes prune`."
                )
                notes.append(named(report, line))
        return notes

    def _named(self, report: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
        """An entry of the results with the name by which its experiment is shown."""
        return row | {"experiment": self._name(report["path"])}

    def _error(self, report: dict[str, Any], error: str) -> dict[str, str]:
        name = self._name(report["path"])
        return {"experiment": name, "cell": report["cell"], "error": error}

    def _name(self, path: str) -> str:
        names = {path: row["experiment"] for (path, *_), row in self._uplifts.items()}
        names |= {path: report["experiment"] for (path, _), report in self._reports.items()}
        name: str = names[path]
        alone = list(names.values()).count(name) == 1
        return name if alone else f"{name} ({self._file(path)})"

    def _file(self, path: str) -> str:
        """The path of an experiment file from the root, or its end where it lies elsewhere."""
        file = Path(path)
        if file.is_relative_to(self.root):
            return file.relative_to(self.root).as_posix()
        end = "/".join(file.parts[-2:])
        others = {Path(other) for other, _ in self._reports} - {file}
        outside = (one for one in others if not one.is_relative_to(self.root))
        return path if any("/".join(one.parts[-2:]) == end for one in outside) else end

    def _evaluated(self) -> list[dict[str, Any]]:
        return [report for report in self._ordered() if "row" in report]

    def _ordered(self) -> list[dict[str, Any]]:
        return sorted(
            self._reports.values(), key=lambda r: (r["experiment"], r["path"], r["position"])
        )
