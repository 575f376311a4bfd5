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
    """

    baselines: list[dict[str, Any]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    _reports: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    _uplifts: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)

    def add(self, report: dict[str, Any]) -> None:
        """Take in the report of a cell or of an uplift; what several tests asked counts once."""
        if "uplift" in report:
            row = report["uplift"]
            self._uplifts[row["experiment"], row["cell"], row["over"]] = row
        else:
            self._reports[report["experiment"], report["cell"]] = report

    def __bool__(self) -> bool:
        return bool(self._reports)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Rows of ``results.json`` in the order of the experiments' cells, not of the run."""
        return [report["row"] for report in self._ordered() if "row" in report]

    @property
    def uplifts(self) -> list[dict[str, Any]]:
        """The entries of ``uplifts`` in ``results.json``, in the order of the cells."""

        def place(row: dict[str, Any]) -> tuple[str, int, int, str]:
            name = row["experiment"]
            first, over = (self._reports.get((name, row[key]), {}) for key in ("cell", "over"))
            return name, first.get("position", -1), over.get("position", -1), row["over"]

        return sorted(self._uplifts.values(), key=place)

    @property
    def experiments(self) -> list[Path]:
        """The files of the experiments of which a cell has a result."""
        paths = {report["path"] for report in self._ordered() if "row" in report}
        return [Path(path) for path in sorted(paths)]

    @property
    def errors(self) -> list[dict[str, str]]:
        """Cells without a result."""
        return [
            {"experiment": r["experiment"], "cell": r["cell"], "error": r["error"]}
            for r in self._ordered()
            if "error" in r
        ]

    @property
    def notes(self) -> list[str]:
        """What is in the cassettes and was not needed."""
        notes = []
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

    def _ordered(self) -> list[dict[str, Any]]:
        return sorted(self._reports.values(), key=lambda r: (r["experiment"], r["position"]))
