"""Rows of ``results.json``: experiments, jobs and comparisons."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, model_validator

from tunebench.reports.checked_json import (
    EXACTLY,
    Count,
    Difference,
    Name,
    Names,
    Number,
    Part,
    Share,
    Text,
    wrong,
)
from tunebench.tables import are_different

if TYPE_CHECKING:
    from collections.abc import Sequence

_METRICS = ("training_loss", "validation_loss", "classification/accuracy")


class Skipped(Part):
    """A combination of the matrix that the experiment leaves out, with its reason."""

    model: Name | None = None
    shots: Count | None = None
    train_size: Count | None = None
    decision_rule: Name | None = None
    instruction: Name | None = None
    example_draw: Count | None = None
    seed: Count | None = None
    reason: Text | None = None


class About(Part):
    """An experiment.

    Attributes:
        name: the task's; with the file behind it where several experiments of the run share it.
        file: its path from pytest's root folder.
        instruction: the first line of a prompt.
        seed: of the draw of worked examples, and of the texts held out.
        fine_tuning_seed: of the training.
        sha256: of what the experiment file says but for comments, order and addresses.
        items: ids of the test texts.
        label_ids: the true labels, in the order of the items.
        groups: for each item the number of its group, where the texts come in groups.
        checked_against_data: whether the prompts were made of the data set; where that is not on
            the machine, a replay takes their hashes from ``items.jsonl``.
        cells: the ids of all its cells, also of those without a result.
        local_models: those that a provider on this machine serves.
        smallest_gain: the least gain in accuracy for which fine-tuning is worth it.
        places: where each item is in the user's table, by the name of its file, as
            ``tickets.csv, line 12``: the same on every machine. Null for more than 100,000 items.
    """

    name: Name
    file: Name | None = None
    dataset: Text | None = None
    instruction: Text | None = None
    seed: int | None = None
    fine_tuning_seed: int | None = None
    sha256: Name | None = None
    labels: Annotated[list[Text], Field(min_length=1)]
    n: Count | None = None
    items: Names
    label_ids: list[Count]
    groups: list[Count] | None = None
    checked_against_data: bool = True
    cells: list[Name] = Field(default_factory=list)
    local_models: list[Name] = Field(default_factory=list)
    smallest_gain: Share = 0.0
    places: list[Text] | None = None
    majority_rate: Share | None = None
    train_sizes: list[Count] = Field(default_factory=list)
    skipped: list[Skipped] = Field(default_factory=list)

    @model_validator(mode="after")
    def _consistent(self) -> About:
        if repeated(self.labels):
            raise wrong("labels", "a label is there twice")
        if twice := repeated(self.items):
            raise wrong("items", f"the item {twice!r} is there twice")
        if len(self.label_ids) != len(self.items):
            raise wrong("label_ids", f"there are {len(self.items)} items")
        for name, values in (("groups", self.groups), ("places", self.places)):
            if values is not None and len(values) != len(self.items):
                raise wrong(name, f"there are {len(self.items)} items")
        if self.label_ids and max(self.label_ids) >= len(self.labels):
            raise wrong("label_ids", f"there are {len(self.labels)} labels, with ids from 0 on")
        if self.n not in (None, len(self.items)):
            raise wrong("n", f"there are {len(self.items)} items")
        if self.majority_rate is not None and self.items:
            most = max(Counter(self.label_ids).values()) / len(self.items)
            if abs(most - self.majority_rate) > EXACTLY:
                raise wrong("majority_rate", f"by the label ids it is {most}")
        return self


class Job(Part):
    """A fine-tuning job.

    Attributes:
        name: of the cells that use its model, without their decision rule.
        id: the provider's.
        base: the model that was fine-tuned.
        model: the fine-tuned model.
        messages: what the provider said of it, but for metrics.
        curve: by step the metrics that the provider's file has.
    """

    experiment: Name
    name: Name
    id: Text | None = None
    base: Text | None = None
    model: Text | None = None
    train_size: Count | None = None
    trained_tokens: Count | None = None
    seconds: Count | Number | None = None
    hyperparameters: dict[Text, Any] | None = None
    messages: list[Text] = Field(default_factory=list)
    curve: list[dict[Text, Count | Number | Text | None]] | None = None

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
    """A comparison of two cells that a test made.

    Attributes:
        only_first: how many texts only ``cell`` got right.
        only_other: how many texts only ``over`` got right.
        ci_low: lower end of the paired bootstrap's 95 % interval of ``difference``, over whole
            groups where the texts come in groups.
        p: McNemar's mid-p value; of the t test over groups where the texts come in groups.
        exact_p: McNemar's exact p-value; null where the texts come in groups.
        holm_p: ``p`` adjusted over all comparisons of the experiment.
        texts_needed: how many texts it takes to see such an uplift.
    """

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
    p: Share
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
        if self.holm_p is not None and self.holm_p < self.p - EXACTLY:
            raise wrong("holm_p", "it is below p")
        return self


def repeated(values: Sequence[Any]) -> Any:
    """The first value that is there more than once; None where each is there once."""
    if are_different(values):
        return None
    return next(value for value, count in Counter(values).items() if count > 1)
