"""What is printed at the end of a run: answers, tables, complaints and notes."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tunebench.analysis import said_once
from tunebench.errors import printable
from tunebench.reports import (
    about_lines,
    calibration_table,
    cell_table,
    job_table,
    model_table,
    uplift_table,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pytest

    from tunebench.analysis import Remark, Summary
    from tunebench.reports import Answer

_WIDEST = 100
_COLOURS = {"pass": "green", "fail": "red", "inconclusive": "yellow"}
_BADGES = {"fine-tune": "green", "use": "green", "do not fine-tune": "red", "undecided": "yellow"}


@dataclass
class Ending:
    """The lines at the end of a run, in paragraphs.

    Attributes:
        summary: the run.
        width: of a line at the most.
        paragraphs: the answers and tables, each a list of lines with its style.
    """

    summary: Summary
    width: int
    paragraphs: list[tuple[list[str], dict[str, bool]]] = field(default_factory=list)

    def add(self, lines: list[str], **style: bool) -> None:
        """Add a paragraph, unless it is empty."""
        if lines:
            self.paragraphs.append((lines, style))

    def write(self, terminal: pytest.TerminalReporter) -> None:
        """Print all lines, if there are any."""
        if not (self.paragraphs or any(texts for texts, _ in self._sentences)):
            return
        terminal.ensure_newline()
        terminal.section("tunebench", sep="=")

        for number, (lines, style) in enumerate(self.paragraphs):
            for line in ("", *lines) if number else lines:
                terminal.write_line(line, **style)
        between = bool(self.paragraphs)
        for texts, style in self._sentences:
            for text in texts:
                if between:
                    terminal.write_line("")
                    between = False
                for line in _wrapped(text, self.width):
                    terminal.write_line(line, **style)

    @property
    def _sentences(self) -> list[tuple[list[str], dict[str, bool]]]:
        summary = self.summary
        return [
            (summary.complaints, {"red": True}),
            (summary.notes, {"yellow": True}),
            (summary.written, {}),
        ]


def ending_of(summary: Summary, config: pytest.Config) -> Ending:
    """The answer of each experiment with a line a model; all tables with ``-v``.

    An experiment without an answer shows its tables. A table that cannot be made is a complaint.
    """
    writer = config.get_terminal_writer()
    width, verbose = min(_WIDEST, writer.fullwidth), config.option.verbose > 0

    def paint(title: str, text: str) -> str:
        colour = _COLOURS.get(text.strip()) if title == "verdict" else None
        return writer.markup(text, **{colour: True}) if colour else text

    ending = Ending(summary, width)
    cells, uplifts, rivals = summary.cells, summary.uplifts, summary.rivals
    several = len({row.experiment for row in cells}) > 1
    for answer in summary.answers:
        name = answer.experiment
        ending.add(_answer_lines(answer, name if several else "", width, writer.markup))
        if not _is_of_training(answer):
            continue
        with summary.complaining("the table of models could not be made"):
            own = [row for row in cells if row.experiment == name]
            ending.add(model_table(own, [r for r in rivals if r.experiment == name], width))
    trained = {answer.experiment for answer in summary.answers if _is_of_training(answer)}
    answered = set() if verbose else trained
    cells = [row for row in cells if row.experiment not in answered]
    rivals = [row for row in rivals if row.experiment not in answered]
    uplifts = [row for row in uplifts if row.experiment not in answered]
    with summary.complaining("the table of cells could not be made"):
        if cells or rivals:
            ending.add(cell_table(cells, rivals, width, paint, costs=verbose))
    with summary.complaining("the table of biases could not be made"):
        if verbose and any(row.calibration for row in cells):
            ending.add(calibration_table(cells, summary.experiments, width))
    with summary.complaining("the table of jobs could not be made"):
        if any(row.job for row in cells):
            ending.add(job_table(cells, width))
    with summary.complaining("the table of uplifts could not be made"):
        if uplifts:
            ending.add(uplift_table(uplifts, width))
    for about in summary.experiments:
        name = f"{about.name}: " if several else ""
        for line in about_lines(about.groups, checked_against_data=about.checked_against_data):
            ending.add(textwrap.wrap(name + line, width, break_on_hyphens=False))
    if answered:
        ending.add(["-v shows every cell, job and uplift."])
    return ending


def _answer_lines(
    answer: Answer, experiment: str, width: int, markup: Callable[..., str]
) -> list[str]:
    """The verdict with its badge in colour, what speaks against it, and the statistics."""
    name = f"{experiment}: " if experiment else ""
    first, *others = textwrap.wrap(
        printable(f"{name}{answer.sentence}"), width, break_on_hyphens=False
    )
    colour = {_BADGES[answer.verdict]: True} if answer.verdict else {}
    badge = f"{answer.badge}:"
    before, found, after = first.partition(badge)
    shown = [
        "".join(
            markup(text, bold=True, **more)
            for text, more in ((before, {}), (found, colour), (after, {}))
            if text
        ),
        *(markup(line, bold=True) for line in others),
    ]
    for sentence in answer.against:
        shown += textwrap.wrap(
            printable(f"- {sentence}"), width, subsequent_indent="  ", break_on_hyphens=False
        )
    return [
        *shown,
        *textwrap.wrap(printable(answer.statistics or ""), width, break_on_hyphens=False),
    ]


def _is_of_training(answer: Answer) -> bool:
    return any(option.kind == "fine-tuned" for option in answer.options)


def join_failures(config: pytest.Config) -> None:
    """Show tests that failed for one reason once, with the names of their cells.

    They all count, and all are in pytest's short summary.
    """
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    for outcome in ("failed", "error") if reporter else ():
        grouped: dict[tuple[str, str | None], list[tuple[Any, Remark]]] = {}
        for report in reporter.stats.get(outcome, ()):
            if (remark := _reason(report)) is not None:
                key = remark.problem, remark.hint
                grouped.setdefault(key, []).append((report, remark))
        for same in grouped.values():
            (first, _), *others = same
            if others:
                (first.longrepr,) = said_once(remark for _, remark in same)
                for report, _ in others:
                    report._pdbshown = True  # pytest leaves it out of the failures


def _reason(report: Any) -> Remark | None:
    """Why a test has failed, where that is a cell without a result."""
    evaluated = getattr(report, "tunebench", None)
    found = (cell.error for cell in evaluated.cells if cell.error) if evaluated else ()
    return next((remark for remark in found if str(remark) == report.longreprtext), None)


def _wrapped(text: str, width: int) -> Iterable[str]:
    text = printable(text)
    return textwrap.wrap(text, width, subsequent_indent="    ", break_on_hyphens=False) or [text]
