"""Answers of ``results.json``, and what else is made of its rows."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tunebench.reports.checked_json import Count, Difference, Name, Number, Part, Share, Text

AnswerVerdict = Literal["fine-tune", "do not fine-tune", "use", "undecided"]
OptionKind = Literal["constant", "rival", "prompt", "fine-tuned"]


class Option(Part):
    """One way to do the task, as the answer compares it.

    Attributes:
        name: in words, as ``smollm2-135m fine-tuned on 300 rows``.
        kind: ``constant`` is always giving the most frequent label; ``rival`` a classical model.
        cells: the ids of its cells, one for each seed of training; empty for what is not a cell.
        accuracy: the mean over its runs.
        runs: the accuracy of each run, in the order of `cells`; one where there are no seeds.
        ci_low: lower end of the 95 % interval of `accuracy`, over texts and runs.
        auc: how well its probabilities rank the texts, the mean over its runs.
    """

    name: Text
    kind: OptionKind
    model: Name | None = None
    train_size: Count = 0
    decision_rule: Name | None = None
    cells: list[Name] = Field(default_factory=list)
    accuracy: Share
    runs: list[Share] = Field(default_factory=list)
    ci_low: Share
    ci_high: Share
    auc: Share | None = None
    cost_per_1000: Number | None = None
    training_cost: Number | None = None
    currency: Text | None = None


class Answer(Part):
    """The answer of an experiment.

    Attributes:
        verdict: whether to fine-tune; ``use`` where nothing is fine-tuned and one option is shown
            to be the best.
        badge: the verdict in a few words, as ``Fine-tune``; `sentence` begins with it and a colon.
        sentence: the verdict with the two figures that decide.
        chosen: the name of the option that is recommended, or of the best candidate.
        rival: the name of the strongest option that speaks against it: the most accurate of the
            others, or, where it is undecided, the one that `chosen` is least clearly shown to beat.
        difference: the accuracy of `chosen` minus that of `rival`.
        ci_low: lower end of the 95 % interval of `difference`, over texts and runs.
        p: the p-value that decides, corrected: of the claim that `chosen` beats every option that
            is not fine-tuned, after Holm's correction over the fine-tuned options; where the
            verdict is not to fine-tune, of the claim that `rival` does not beat `chosen`, corrected
            for all that it was compared with.
        smallest_gain: the least gain that counts, from the experiment.
        texts_needed: how many texts would settle it, where it is undecided; null where no number
            would.
        detectable: the smallest difference that these texts show four times in five.
        missing: the cells without a result.
        against: what speaks against it, four sentences at most, the most important first.
        statistics: one line for those who read statistics.
        options: all options, the most accurate first.
    """

    experiment: Name
    sentence: Text
    verdict: AnswerVerdict | None = None
    badge: Text | None = None
    chosen: Text | None = None
    rival: Text | None = None
    difference: Difference | None = None
    ci_low: Difference | None = None
    ci_high: Difference | None = None
    p: Share | None = None
    smallest_gain: Difference | None = None
    texts_needed: Annotated[int, Field(ge=0)] | None = None
    detectable: Share | None = None
    missing: list[Name] = Field(default_factory=list)
    against: list[Text] = Field(default_factory=list)
    statistics: Text | None = None
    options: list[Option] = Field(default_factory=list)


class DataNeed(Part):
    """What more training rows can be expected to give, or why that is not known."""

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
    """When training is paid back, where prices are known."""

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
