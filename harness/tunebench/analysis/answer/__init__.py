"""The answer of an experiment: fine-tune or not, or what to use, and how sure that is.

It is made of the rows of ``results.json`` alone, so that everybody can make it again. What is
compared is in `options`, how in `gains`, what follows in `verdict`, how it is said in `sentences`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebench.analysis.answer.options import options_of
from tunebench.analysis.answer.sentences import Told
from tunebench.analysis.answer.verdict import decided
from tunebench.reports import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tunebench.reports import About, CellRow, RivalRow

__all__ = ["answer_of", "answers_of", "unanswered"]


def answers_of(
    abouts: Iterable[About], cells: Sequence[CellRow], rivals: Sequence[RivalRow]
) -> list[Answer]:
    """The answers of all experiments that have one."""
    answers = (
        answer_of(
            about,
            [row for row in cells if row.experiment == about.name],
            [row for row in rivals if row.experiment == about.name],
        )
        for about in abouts
    )
    return [answer for answer in answers if answer is not None]


def answer_of(
    about: About, cells: Sequence[CellRow], rivals: Sequence[RivalRow] = ()
) -> Answer | None:
    """The answer of an experiment.

    Args:
        about: the experiment.
        cells: its cells with a result.
        rivals: its rivals; those without predictions do not count.

    Returns:
        None where there is nothing to compare: one option only besides the constant, or only
        prompts, or only fine-tuned models, of an experiment that has both.
    """
    if _lacking(about, cells):
        return None
    options = options_of(about, cells, rivals)
    if len(options) < 3:  # the constant is one of them
        return None
    found = decided(options, about)
    if found is None:
        return None
    low, high = found.gain.interval
    told = Told(found, options, about, cells)
    return Answer(
        experiment=about.name,
        verdict=found.verdict,
        badge=told.badge,
        sentence=told.sentence,
        chosen=found.chosen.option.name,
        rival=found.rival.option.name,
        difference=found.gain.difference,
        ci_low=low,
        ci_high=high,
        p=found.p,
        smallest_gain=about.smallest_gain,
        texts_needed=found.texts_needed,
        detectable=found.detectable,
        missing=told.missing,
        against=told.against,
        statistics=told.statistics,
        options=sorted((one.option for one in options), key=lambda one: -one.accuracy),
    )


def unanswered(about: About, cells: Sequence[CellRow]) -> str:
    """What an experiment with fine-tuning lacks for an answer, a sentence; empty if nothing.

    A cell that was run alone needs no such sentence.
    """
    lacking = _lacking(about, cells)
    if not lacking or len(cells) < 2:
        return ""
    return (
        f"No answer: it needs the {lacking} cells, too; {len(cells)} of {len(about.cells)} cells "
        "have a result."
    )


def _lacking(about: About, cells: Sequence[CellRow]) -> str:
    """The kind of cells that none has a result of; empty where nothing is missing."""
    kinds = {bool(row.train_size) for row in cells}
    if not about.train_sizes or len(kinds) != 1 or len(cells) >= len(about.cells):
        return ""
    return "prompted" if True in kinds else "fine-tuned"
