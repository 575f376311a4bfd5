"""The combinations of the matrix, and which entries of the file match them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from tunebench.experiment.fields import SHARED_REQUESTS
from tunebench.experiment.schema import Selection

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tunebench.experiment.fields import DecisionRule
    from tunebench.experiment.models import FineTuning
    from tunebench.experiment.schema import Matrix


@dataclass(frozen=True)
class Combination:
    """One combination of the values of the matrix; see `Cell` for the attributes."""

    model: str
    shots: int
    train_size: int
    decision_rule: DecisionRule
    instruction: str | None = None
    example_draw: int | None = None
    seed: int | None = None

    def __str__(self) -> str:
        """The id of its test case: ``smollm2-135m-1shot``, ``...-4shot-terse-draw1-calibrated``.

        The rule ``text`` is the default and is left out, and so is what does not vary.
        """
        return self._read_by(self.decision_rule)

    @property
    def recording(self) -> str:
        """The name of its cassette: the id of the cell whose requests it makes, mostly its own."""
        return self._read_by(SHARED_REQUESTS.get(self.decision_rule, self.decision_rule))

    def _read_by(self, rule: DecisionRule) -> str:
        return self.answered_by if rule == "text" else f"{self.answered_by}-{rule}"

    @property
    def answered_by(self) -> str:
        """The id without the decision rule: what has one prompt and one model."""
        parts = [self.model, f"ft{self.train_size}" if self.train_size else f"{self.shots}shot"]
        if self.instruction is not None:
            parts.append(self.instruction)
        if self.example_draw is not None:
            parts.append(f"draw{self.example_draw}")
        if self.seed is not None:
            parts.append(f"seed{self.seed}")
        return "-".join(parts)


def combinations_of(
    models: Iterable[str], matrix: Matrix, fine_tuning: FineTuning
) -> list[Combination]:
    """All combinations, skipped ones too, in the order of the file's values."""
    prompts: list[dict[str, Any]] = [
        {"shots": shots, "train_size": 0, "instruction": instruction, "example_draw": draw}
        for shots, instruction in product(matrix.shots, matrix.instructions or (None,))
        for draw in (matrix.example_draws if shots else ()) or (None,)
    ]
    seeds = fine_tuning.seeds if len(fine_tuning.seeds or ()) > 1 else None
    trainings: list[dict[str, Any]] = [
        {"shots": 0, "train_size": size, "seed": seed}
        for size, seed in product(matrix.train_sizes, seeds or (None,))
    ]
    tuned_rules = fine_tuning.decision_rules or matrix.decision_rules
    return [
        Combination(model=model, decision_rule=rule, **one)
        for model in models
        for some, rules in ((prompts, matrix.decision_rules), (trainings, tuned_rules))
        for one, rule in product(some, rules)
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
