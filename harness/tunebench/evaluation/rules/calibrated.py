"""The decision rule ``calibrated``: the likeliest label after a correction of the model's lean.

It makes the requests of ``label_logprobs``, adds a bias to each label's log-probability, and reads
the label that is likeliest then. A label that is not among the tokens shown for a text is not read,
as under ``label_logprobs``, whatever its bias. The biases come from the answers to further prompts:
see `tunebench.evaluation.calibration` for their texts and `tunebench.statistics` for the fit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tunebench.errors import RequestError
from tunebench.evaluation.calibration import calibration_texts
from tunebench.evaluation.rules import label_logprobs
from tunebench.evaluation.rules.base import Decision, LabelBiases, Round, Rule, RuleKind
from tunebench.evaluation.rules.label_logprobs import LogprobsRule, likeliest
from tunebench.statistics import content_free_biases, fitted_biases

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tunebench.api import Answer
    from tunebench.experiment import Cell

# Far below what decides, and far above the last digits, in which machines differ.
_DECIMALS = 6


@dataclass(frozen=True)
class CalibratedRule(Rule):
    """The label that is likeliest when the biases are added.

    Attributes:
        uncalibrated: the rule whose requests it makes.
        n_labels: number of labels of the task.
        method: of the calibration.
        biases: of the labels; None until it is fitted.
    """

    uncalibrated: LogprobsRule
    n_labels: int
    method: str
    biases: LabelBiases | None = None

    @property
    def rounds(self) -> tuple[Round, ...]:
        """Those of ``label_logprobs``."""
        return self.uncalibrated.rounds

    def fitted(self, answers: Sequence[Sequence[Answer]], labels: Sequence[int]) -> CalibratedRule:
        """The rule with the biases that follow from the answers to the calibration texts.

        Args:
            answers: of each round, in the order of the texts.
            labels: the texts' label ids; empty where they have none.

        Raises:
            RequestError: the answers show no label.
        """
        seen = [self.uncalibrated.seen(*of_text)[0] for of_text in zip(*answers, strict=True)]
        if labels:
            biases = fitted_biases(seen, labels, self.n_labels)
        else:
            biases = content_free_biases(seen, self.n_labels)
        if biases is None:
            raise RequestError(
                f"none of the {len(seen)} answers to calibrate with shows "
                + ("the text's label" if labels else "a label")
                + " among the likeliest tokens",
                hint="use a provider with `logit_bias` and `tokenize`, or take calibrated out of "
                "the decision rules",
            )
        shown = set().union(*seen)
        unseen = tuple(label for label in range(self.n_labels) if label not in shown)
        rounded = tuple(round(bias, _DECIMALS) + 0.0 for bias in biases)
        return replace(self, biases=LabelBiases(self.method, len(seen), rounded, unseen))

    def read(self, *answers: Answer) -> Decision:
        """The likeliest label with its bias, if one can be seen."""
        seen, known = self.uncalibrated.seen(*answers)
        if self.biases is not None:
            seen = {label: value + self.biases.values[label] for label, value in seen.items()}
        return likeliest(seen, known)


def _made(cell: Cell, tokenize: Callable[[str], list[int]]) -> CalibratedRule:
    experiment = cell.experiment
    return CalibratedRule(
        label_logprobs.made(cell, tokenize),
        len(experiment.task.labels),
        experiment.calibration.method,
    )


RULE = RuleKind(
    described="read by the likeliest label after calibration",
    make=_made,
    answer_tokens=label_logprobs.RULE.answer_tokens,
    needs=label_logprobs.RULE.needs,
    has_probabilities=True,
    calibration_texts=calibration_texts,
)
