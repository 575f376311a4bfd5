"""The parts of ``results.json`` that stand for themselves: jobs, comparisons, sentences."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from tunebench.reports.checked_json import (
    EXACTLY,
    Count,
    Difference,
    Name,
    Number,
    Part,
    Share,
    Text,
    wrong,
)

_METRICS = ("training_loss", "validation_loss", "classification/accuracy")


class Skipped(Part):
    """A combination of the matrix that is no cell."""

    model: Name | None = None
    shots: Count | None = None
    train_size: Count | None = None
    decision_rule: Name | None = None
    reason: Text | None = None


class Job(Part):
    """A fine-tuning job."""

    experiment: Name
    name: Name
    id: Text | None = None
    base: Text | None = None
    model: Text | None = None
    train_size: Count | None = None
    trained_tokens: Count | None = None
    seconds: Number | None = None
    hyperparameters: dict[Text, Any] | None = None
    served: Text | None = None
    curve: list[dict[Text, Number | Text | None]] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Job:
        before = -1.0
        for step in self.curve or ():
            number = step.get("step")
            if not isinstance(number, int | float) or number <= before:
                raise wrong("curve", "its steps are not numbers that ascend")
            before = number
            if any(isinstance(step.get(name), str) for name in _METRICS):
                raise wrong("curve", "a loss or an accuracy is text")
        return self


class UpliftRow(Part):
    """A comparison of two cells."""

    experiment: Name
    model: Name
    cell: Name
    over_model: Name
    over: Name
    n: Annotated[int, Field(ge=1)]
    only_first: Count
    only_other: Count
    difference: Difference
    ci_low: Difference
    ci_high: Difference
    mid_p: Share
    exact_p: Share | None = None
    holm_p: Share | None = None
    texts_needed: Annotated[int, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> UpliftRow:
        if self.only_first + self.only_other > self.n:
            raise wrong("n", f"{self.only_first + self.only_other} texts tell the two apart")
        if abs(self.difference - (self.only_first - self.only_other) / self.n) > EXACTLY:
            raise wrong("difference", "it does not follow from only_first, only_other and n")
        if self.ci_low > self.ci_high:
            raise wrong("ci_low", "it is above ci_high")
        if self.holm_p is not None and self.holm_p < self.mid_p - EXACTLY:
            raise wrong("holm_p", "it is below mid_p")
        return self


class Answer(Part):
    """The answer of an experiment."""

    experiment: Name
    sentence: Text
    decision: Literal["fine-tune", "prompt", "undecided"] | None = None
    cell: Name | None = None
    over: Name | None = None
    evidence: list[Text] | None = None


class DataNeed(Part):
    """What more training rows can be expected to give."""

    experiment: Name
    sentence: Text
    model: Name | None = None
    decision_rule: Name | None = None
    a: Number | None = None
    b: Number | None = None
    slope_low: Number | None = None
    slope_high: Number | None = None
    next_size: Count | None = None
    expected_accuracy: Share | None = None
    low: Share | None = None
    high: Share | None = None


class BreakEven(Part):
    """When training is paid back."""

    experiment: Name
    sentence: Text
    cell: Name | None = None
    over: Name | None = None
    requests: Annotated[int, Field(ge=0)] | None = None
    training_cost: Number | None = None
    cost_difference: Number | None = None
    difference: Difference | None = None
    cost_per_additional_correct: Number | None = None
    currency: Text | None = None


class Failure(Part):
    """A cell without a result."""

    experiment: Name | None = None
    cell: Name | None = None
    error: Text | None = None
