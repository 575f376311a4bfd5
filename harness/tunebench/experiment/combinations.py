"""The combinations of the matrix, and which entries of the file match them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunebench.experiment.schema import Selection

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tunebench.experiment.schema import DecisionRule, Matrix


@dataclass(frozen=True)
class Combination:
    """One model × shots × training size × decision rule; see `Cell` for the attributes."""

    model: str
    shots: int
    train_size: int
    decision_rule: DecisionRule

    def __str__(self) -> str:
        """The id of its test case: ``smollm2-135m-1shot``, ``...-1shot-label_logprobs``.

        The rule ``text`` is the default and is left out.
        """
        size = f"ft{self.train_size}" if self.train_size else f"{self.shots}shot"
        rule = "" if self.decision_rule == "text" else f"-{self.decision_rule}"
        return f"{self.model}-{size}{rule}"


def combinations_of(models: Iterable[str], matrix: Matrix) -> list[Combination]:
    """All combinations, skipped ones too, by model, shots, training size and decision rule."""
    sizes = [(shots, 0) for shots in matrix.shots] + [(0, size) for size in matrix.train_sizes]
    return [
        Combination(model, shots, size, rule)
        for model in models
        for shots, size in sizes
        for rule in matrix.decision_rules
    ]


def skipped_by(matrix: Matrix, which: Combination) -> str | None:
    """Why the matrix leaves a combination out; None if it is a cell."""
    return next((skip.reason for skip in matrix.skip if matches(skip, which)), None)


def matches(entry: Selection, which: Combination) -> bool:
    """Whether an entry of the file selects a combination."""
    # `shots` selects prompts; a fine-tuned model has 0, but is not a zero-shot cell.
    if entry.shots is not None and entry.train_size is None and which.train_size:
        return False
    return all(getattr(entry, key) in (None, getattr(which, key)) for key in Selection.model_fields)
