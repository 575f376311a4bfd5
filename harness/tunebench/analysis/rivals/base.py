"""Rivals: classical models that a fine-tuned model has to beat."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True)
class Predicted:
    """The predictions of a trained rival.

    Attributes:
        labels: a label id for each test text.
        parameters: what was chosen in the training, such as the regularisation, as JSON values.
    """

    labels: list[int]
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Rival:
    """A classical model, trained on the rows that a model is fine-tuned on.

    Whatever is tuned is tuned on these rows, never on the test rows.

    Attributes:
        name: in tables and results.
        predict: given training texts, their label ids and test texts, the predictions for the test
            texts, the same every time. It raises a `TunebenchError` for rows that teach nothing.
        module: the module that it imports; None for none.
        library: the name of its distribution.
        made_of: what else decides the predictions, such as a model's name, as JSON values.
    """

    name: str
    predict: Callable[[Sequence[str], Sequence[int], Sequence[str]], Predicted]
    module: str | None = None
    library: str = ""
    made_of: Mapping[str, Any] = field(default_factory=dict)
