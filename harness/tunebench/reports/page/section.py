"""What a section of the page is, and the results that it is made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

Row = Mapping[str, Any]
Rows = Sequence[Row]
Block = Markup
Blocks = Sequence[Block]


@dataclass(frozen=True)
class View:
    """The results of one experiment.

    Attributes:
        id: the beginning of the ids of its elements.
        level: the level of its sections' headings.
        experiment: its entry of ``experiments``; only ``name`` is sure.
        parts: the lists of ``results.json``, each with the entries of this experiment.
        texts: the texts by item; None leaves them out of the page.
    """

    id: str
    level: int
    experiment: Row
    parts: Mapping[str, Rows]
    texts: Mapping[str, str] | None

    @property
    def cells(self) -> Rows:
        """The cells."""
        return self.parts["cells"]

    @property
    def rivals(self) -> Rows:
        """The classical models."""
        return self.parts["rivals"]

    @property
    def majority(self) -> float | None:
        """The accuracy of the most frequent label; None if it is not known."""
        rates = (row.get("majority_rate") for row in (self.experiment, *self.cells))
        return next((rate for rate in rates if rate is not None), None)

    def sentences(self, part: str) -> list[str]:
        """The sentences of a part's entries."""
        return [entry["sentence"] for entry in self.parts[part] if entry.get("sentence")]


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes:
        anchor: the end of its id. Begin the ids within it with the view's id and this, so that
            they are unique on the page.
        title: its heading.
        content: makes its blocks (see `tunebench.reports.page.blocks`) from an experiment's
            results; an experiment for which there are none does not have the section.
    """

    anchor: str
    title: str
    content: Callable[[View], Blocks]


def short(row: Row) -> str:
    """A cell's name without its model's."""
    name, model = str(row["cell"]), row.get("model")
    return name.removeprefix(f"{model}-").removeprefix(f"{model}, ")


def rival_name(row: Row) -> str:
    """The name of a rival and of the rows that it is trained on."""
    return f"{row['model']}, {row['train_size']} rows"
