"""Decision rules: what the prompts of a cell are sent with, and how the answers are read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunebench.evaluation.inputs import is_chat
from tunebench.experiment import OVERRIDABLE
from tunebench.formatting import AnswerFormat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tunebench.api import Answer
    from tunebench.evaluation.calibration import CalibrationTexts
    from tunebench.experiment import Cell, Experiment
    from tunebench.presets import Capability


@dataclass(frozen=True)
class Round:
    """One request for each text of a cell.

    Attributes:
        parameters: further fields of the request's body.
        suffix: added to each prompt.
    """

    parameters: dict[str, Any]
    suffix: str = ""


@dataclass(frozen=True)
class Decision:
    """The prediction for one text.

    Attributes:
        label: the label id, or None.
        reading: how it was read, or why none was: a reading rule or what
            `tunebench.formatting.reading` names, or ``likeliest`` or ``unseen``.
        logprobs: the labels' natural log-probabilities by label id, as far as they are seen; None
            where the rule has none, or one is not a number.
    """

    label: int | None
    reading: str
    logprobs: Mapping[int, float] | None = None


@dataclass(frozen=True)
class LabelBiases:
    """What a calibrated rule adds to the log-probabilities of labels.

    Attributes:
        method: of the calibration, as in the experiment file.
        texts: how many texts it was made with.
        values: a bias for each label id, in nats; their sum is 0.
        unseen: ids of labels that no answer showed, so that their bias of 0 means nothing.
    """

    method: str
    texts: int
    values: tuple[float, ...]
    unseen: tuple[int, ...] = ()


class Rule(ABC):
    """A decision rule, ready for the prompts and answers of one cell."""

    biases: LabelBiases | None = None

    @property
    @abstractmethod
    def rounds(self) -> tuple[Round, ...]:
        """The requests for every text, one or more."""

    @abstractmethod
    def read(self, *answers: Answer) -> Decision:
        """The decision on one text, from its answer of each round."""

    def fitted(self, _answers: Sequence[Sequence[Answer]], _labels: Sequence[int]) -> Rule:
        """The rule after calibration, from the answers of each round to its kind's texts."""
        return self

    def decide(self, answers: Sequence[Iterable[Answer]]) -> Iterator[Decision]:
        """The decisions on all texts, from the answers of each round in the order of the texts."""
        return (self.read(*of_text) for of_text in zip(*answers, strict=True))


@dataclass(frozen=True)
class RuleKind:
    """A decision rule as experiments name it.

    Attributes:
        described: how answers are read, to follow a cell in a sentence; empty for the default.
        make: the rule for a cell, given what tokenizes a text for the cell's model.
        answer_tokens: the tokens of an answer at most, as far as known before anything is sent.
        needs: what the provider must support.
        has_probabilities: whether its decisions hold the labels' log-probabilities.
        calibration_texts: texts that a cell asks besides those of the test, to be `fitted` to
            their answers and labels; None where there are none.
    """

    described: str
    make: Callable[[Cell, Callable[[str], list[int]]], Rule]
    answer_tokens: Callable[[Cell], int]
    needs: tuple[Capability, ...] = ()
    has_probabilities: bool = False
    calibration_texts: Callable[[Experiment], CalibrationTexts] | None = None


def answer_format(cell: Cell) -> AnswerFormat:
    """How a cell's labels are stated."""
    labels = cell.experiment.task.labels
    return AnswerFormat.of_chat(labels) if is_chat(cell) else AnswerFormat.of(labels)


def fields_of(one: Round, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a request besides model and prompt.

    Args:
        one: the round; its parameters win, except for those that may be overridden.
        parameters: of the model.
    """
    own = {name: value for name, value in parameters.items() if name not in OVERRIDABLE}
    return {**own, **one.parameters, **_overriding(one, parameters)}


def overrides_of(rule: Rule, parameters: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The fields that a model's `parameters` set differently: the rule's value and theirs."""
    return {
        name: (one.parameters[name], value)
        for one in rule.rounds
        for name, value in _overriding(one, parameters).items()
    }


def _overriding(one: Round, parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: parameters[name]
        for name in OVERRIDABLE
        if name in parameters
        and name in one.parameters
        and parameters[name] != one.parameters[name]
    }
