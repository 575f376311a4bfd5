"""Which combinations the matrix has, and which entries of the file are about one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tunebench.experiment.schema import DecisionRule, Matrix, Skip, Threshold


class Combination(NamedTuple):
    """One model × shots × training size, read by one decision rule.

    Attributes:
        model: the model's name in the experiment.
        shots: worked examples in the prompt.
        train_size: how many rows the model was fine-tuned on; 0 is the model as it came.
        decision_rule: how an answer is read.
    """

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
    made = [(shots, 0) for shots in matrix.shots] + [(0, size) for size in matrix.train_sizes]
    return [
        Combination(model, shots, size, rule)
        for model in models
        for shots, size in made
        for rule in matrix.decision_rules
    ]


def skipped_by(matrix: Matrix, which: Combination) -> str | None:
    """Why the matrix leaves a combination out; None where it is a cell."""
    return next((skip.reason for skip in matrix.skip if matches(skip, which)), None)


def matches(entry: Skip | Threshold, which: Combination) -> bool:
    """Whether an entry of the file is about a combination."""
    # A number of shots is about prompts; a fine-tuned model has none.
    if entry.shots is not None and entry.train_size is None and which.train_size:
        return False
    return (
        entry.model in (None, which.model)
        and entry.shots in (None, which.shots)
        and entry.train_size in (None, which.train_size)
        and entry.decision_rule in (None, which.decision_rule)
    )
