"""The reports of all cells of a run, for the table and the result files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Summary:
    """The reports of all cells of a run, from this process or from pytest-xdist's workers.

    Attributes:
        baselines: the entries of ``baselines`` in ``results.json``.
        complaints: yardsticks that were asked for and not made, a sentence each.
        written: what was written where, and what was not, a sentence each.
        answers: of each experiment, once results are written.
    """

    baselines: list[dict[str, Any]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    _reports: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    _uplifts: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)

    def add(self, report: dict[str, Any]) -> None:
        """Take in the report of a cell or of an uplift; what several tests asked counts once."""
        if "uplift" in report:
            row = report["uplift"]
            self._uplifts[row["experiment"], row["cell"], row["over"]] = row
        elif "cell" in report:
            key = report["experiment"], report["cell"]
            # All limits of a cell are judged by its gate only, and whichever test came last.
            if not self._reports.get(key, {}).get("gated") or report.get("gated"):
                self._reports[key] = report

    def __bool__(self) -> bool:
        return bool(self._reports)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Rows of ``results.json`` without details, in the order of the cells, not of the run."""
        return [report["row"] for report in self._evaluated()]

    @property
    def uplifts(self) -> list[dict[str, Any]]:
        """The entries of ``uplifts`` in ``results.json``, in the order of the cells.

        ``holm_p`` is the mid-p value, adjusted over all comparisons of the experiment.
        """

        def place(row: dict[str, Any]) -> tuple[str, int, int, str]:
            name = row["experiment"]
            first, over = (self._reports.get((name, row[key]), {}) for key in ("cell", "over"))
            return name, first.get("position", -1), over.get("position", -1), row["over"]

        rows = [dict(row) for row in sorted(self._uplifts.values(), key=place)]
        if not rows:
            return []
        from harness.scoring import holm

        for name in {row["experiment"] for row in rows}:
            together = [row for row in rows if row["experiment"] == name]
            adjusted = holm([row["mid_p"] for row in together])
            for row, p in zip(together, adjusted, strict=True):
                row["holm_p"] = p
        return rows

    @property
    def experiments(self) -> list[Path]:
        """The files of the experiments of which a cell has a result."""
        return [Path(path) for path in sorted({report["path"] for report in self._evaluated()})]

    @property
    def errors(self) -> list[dict[str, str]]:
        """Cells without a result."""
        return [
            {"experiment": r["experiment"], "cell": r["cell"], "error": r["error"]}
            for r in self._ordered()
            if "error" in r
        ]

    def document(self) -> dict[str, Any]:
        """What ``results.json`` holds, but for its version; needs reports with details."""
        from harness.answer import answers_of
        from harness.break_evens import break_evens
        from harness.data_needs import data_needs_of

        evaluated = self._evaluated()
        experiments = {report["experiment"]: report["about"] for report in evaluated}
        jobs = {(r["experiment"], r["job"]["name"]): r["job"] for r in evaluated if r["job"]}
        document = {
            "experiments": list(experiments.values()),
            "cells": [report["row"] | report["details"] for report in evaluated],
            "jobs": list(jobs.values()),
            "uplifts": self.uplifts,
            "baselines": self.baselines,
            "break_evens": break_evens(self.rows),
            "errors": self.errors,
        }
        return {
            "answers": answers_of(document),
            "data_needs": data_needs_of(document),
            **document,
        }

    @property
    def notes(self) -> list[str]:
        """What is undecided, unread, changed since the baseline, or in cassettes in vain."""
        undecided = (gate for row in self.rows for gate in row["gates"])
        notes = [gate["sentence"] for gate in undecided if gate["verdict"] == "inconclusive"]
        # Cells of two experiments may have one name, which the table tells apart by a column.
        several = len({report["experiment"] for report in self._evaluated()}) > 1
        notes += [
            f"{report['experiment']}: {line}" if several else line
            for report in self._evaluated()
            for line in report["remarks"]
        ]
        # The same sentence for each cell where the baseline is of something else.
        notes += dict.fromkeys(line for report in self._evaluated() for line in report["flips"])
        counts: dict[str, int] = {}
        for report in self._ordered():
            name = report["experiment"]
            counts[name] = counts.get(name, 0) + 1
            if report.get("unplayed"):
                notes.append(
                    f"{report['row']['cassette']}: {report['unplayed']} recorded answers were not "
                    "asked for; --record=all records the cassette anew without them."
                )
            # Only a run over the whole matrix can tell which cassettes belong to nothing.
            if counts[name] == report["cells"] and report["orphans"]:
                notes.append(
                    f"cassettes/{name}: no cell uses {', '.join(report['orphans'])}; delete what "
                    "is left over from an older matrix."
                )
        return notes

    def _evaluated(self) -> list[dict[str, Any]]:
        return [report for report in self._ordered() if "row" in report]

    def _ordered(self) -> list[dict[str, Any]]:
        return sorted(self._reports.values(), key=lambda r: (r["experiment"], r["position"]))
