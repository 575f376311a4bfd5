"""Rivals: classical models that a fine-tuned model has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True)
class Rival:
    """A classical model, trained on the rows that a model is fine-tuned on.

    Nothing of it is tuned, least of all on the test rows.

    Attributes:
        name: in tables and results.
        predict: given training texts, their label ids and test texts, a label id for each test
            text, the same every time. It raises a `TunebenchError` for rows that teach nothing.
        module: the module that it imports; None for none.
        library: the name of its distribution.
    """

    name: str
    predict: Callable[[Sequence[str], Sequence[int], Sequence[str]], list[int]]
    module: str | None = None
    library: str = ""
