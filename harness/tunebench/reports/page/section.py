"""What a section of the page is, and the results that it is made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from tunebench.reports.answers import Answer, Option
    from tunebench.reports.cell_rows import CellRow, RivalRow
    from tunebench.reports.document import Results
    from tunebench.reports.rows import About

Blocks = Sequence[Markup]


@dataclass(frozen=True)
class View:
    """The results of one experiment.

    Attributes:
        id: the beginning of the ids of its elements.
        level: the level of its sections' headings.
        about: the experiment; only its name is sure.
        results: the results, of whose lists each has the entries of this experiment alone.
        texts: the texts by item; None leaves them out of the page.
    """

    id: str
    level: int
    about: About
    results: Results
    texts: Mapping[str, str] | None

    @property
    def cells(self) -> list[CellRow]:
        """The cells."""
        return self.results.cells

    @property
    def rivals(self) -> list[RivalRow]:
        """The classical models."""
        return self.results.rivals

    @property
    def answer(self) -> Answer | None:
        """The answer; None if there is none."""
        return next(iter(self.results.answers), None)

    @property
    def options(self) -> list[Option]:
        """The options that the answer compares, the most accurate first; older ones have none."""
        return self.answer.options if self.answer else []


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes:
        anchor: the end of its id. Begin the ids within it with the view's id and this, so that
            they are unique on the page.
        title: its heading.
        content: makes its blocks (see `tunebench.reports.page.blocks`) from an experiment's
            results; an experiment for which there are none does not have the section.
        folded: whether it is shown on demand, where an answer with options comes before it.
    """

    anchor: str
    title: str
    content: Callable[[View], Blocks]
    folded: bool = False


def rival_name(row: RivalRow) -> str:
    """The name of a rival and of the rows that it is trained on."""
    return f"{row.model}, {row.train_size} rows"
