"""Rows of ``results.json`` with an accuracy: cells, with their gates, and rivals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import Field, model_validator

from tunebench.experiment import DecisionRule
from tunebench.reports.checked_json import (
    EXACTLY,
    Count,
    Difference,
    Line,
    Name,
    Number,
    Part,
    Share,
    Text,
    wrong,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

Verdict = Literal["pass", "fail", "inconclusive"]
LabelId = Count


class Gate(Part):
    """One limit of a cell, judged."""

    gate: Name
    value: Number | None
    limit: Number
    mode: Name
    verdict: Verdict
    sentence: Text

    @model_validator(mode="after")
    def _consistent(self) -> Gate:
        if self.mode == "point" and self.value is not None:
            least = self.gate.startswith("min_")
            held = self.value >= self.limit if least else self.value <= self.limit
            if self.verdict != ("pass" if held else "fail"):
                raise wrong("verdict", f"{self.value} against the limit {self.limit} is another")
        return self


class CalibrationRow(Part):
    """How a cell of the rule ``calibrated`` was calibrated.

    Attributes:
        method: ``labelled`` or ``content_free``.
        texts: how many texts it was calibrated with.
        biases: what is added to the log-probability of each label, by label id, in nats; their sum
            is 0.
        unseen: ids of labels that no answer showed, so that their bias of 0 means nothing.
        prompt_tokens: of these texts; the cell's own do not include them.
        completion_tokens: likewise.
        cost: of their answers, once, in the cell's ``currency``.
    """

    method: Name
    texts: Count
    biases: list[Number]
    unseen: list[LabelId] = Field(default_factory=list)
    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    cost: Number | None = None

    @model_validator(mode="after")
    def _consistent(self) -> CalibrationRow:
        if abs(sum(self.biases)) > 1e-3:
            raise wrong("biases", "their sum is not 0")
        return self


class CellRow(Part):
    """A cell.

    Attributes:
        experiment: its name in ``experiments``.
        cell: its id, which is also its test's.
        instruction: the name of its instruction, where there are several.
        example_draw: the number of its draw of worked examples, where there are several.
        seed: the seed of its training, where there are several.
        readings: how many answers were read by which rule (``exact``, ``casefolded``, ``json``,
            ``mentioned``, ``likeliest``), or why none was read (``refusal``, ``empty``,
            ``several``, ``cut off``, ``chatter``, ``unseen``).
        ci_low: lower end of Wilson's 95 % interval; with the effective number of texts where these
            come in groups.
        min_accuracy: the limit of its accuracy.
        recorded_limits: the limits when its recording began, by gate; null where that is not known.
        verdict: of all its gates.
        pinned: the key of ``[[fine_tuned]]`` that names its model or job, where one does.
        server: what the servers said they are.
        answered_as: the model that the provider says has answered, if another name than the
            requested one.
        overrides: fields of the request that the model's ``parameters`` set instead of the rule.
        cost_per_1000: of 1,000 answers, in ``currency``.
        exact_low: lower end of Clopper and Pearson's 95 % interval; null where the texts come in
            groups.
        brier: over the items that have probabilities, as is ``calibration_error``.
        confusion: a row a true label, a column a predicted one; the last is for no label.
        predictions: label ids in the order of the items, null where an answer stated none.
        auc: how well the probabilities rank the texts: the area under the ROC curve, with more
            than two labels the mean of one against the rest.
        calibration: of a cell of the rule ``calibrated``.
        probabilities: of rules that have log-probabilities: a row an item over the label ids, or
            null; of a calibrated cell those after calibration.
        prompt_sha256: of each item's prompt.
    """

    experiment: Name
    cell: Name
    model: Name
    shots: Count
    train_size: Count
    decision_rule: DecisionRule
    instruction: Name | None = None
    example_draw: Count | None = None
    seed: Count | None = None
    n: Annotated[int, Field(ge=1)]
    correct: Count
    unread: Count | None = None
    readings: dict[Text, Count] | None = None
    accuracy: Share
    ci_low: Share
    ci_high: Share
    majority_rate: Share | None = None
    min_accuracy: Share | None = None
    recorded_limits: dict[Name, Number] | None = None
    verdict: Verdict | None = None
    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    latency_ms_median: Number | None = None
    cassette: Text | None = None
    recorded_at: Line
    job: Text | None = None
    fine_tuned_model: Text | None = None
    pinned: Literal["id", "job"] | None = None
    trained_tokens: Count | None = None
    training_seconds: Count | Number | None = None
    server: Text | None = None
    answered_as: Text | None = None
    overrides: dict[Text, Any] | None = None
    cost_per_1000: Number | None = None
    training_cost: Number | None = None
    currency: Text | None = None
    gates: list[Gate] | None = None
    exact_low: Share | None = None
    exact_high: Share | None = None
    balanced_accuracy: Share | None = None
    macro_f1: Share | None = None
    matthews: Difference | None = None
    brier: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    calibration_error: Share | None = None
    auc: Share | None = None
    calibration: CalibrationRow | None = None
    confusion: list[list[Count]] | None = None
    predictions: list[LabelId | None]
    probabilities: list[list[Share] | None] | None = None
    prompt_sha256: list[Name] | None = None

    @property
    def has_later_limits(self) -> bool:
        """Whether a limit is known to be another than when its recording began."""
        then = self.recorded_limits
        return then is not None and any(
            then.get(gate.gate) != gate.limit for gate in self.gates or ()
        )

    @model_validator(mode="after")
    def _consistent(self) -> CellRow:
        _check_counts(self)
        what = f"ft{self.train_size}" if self.train_size else f"{self.shots}shot"
        if not f"{self.cell}-".startswith(f"{self.model}-{what}-"):
            raise wrong("cell", f"its model, shots and training size make {self.model}-{what}")
        variants = {
            self.instruction: self.instruction,
            f"draw{self.example_draw}": self.example_draw,
            f"seed{self.seed}": self.seed,
        }
        for part, value in variants.items():
            if value is not None and f"-{part}-" not in f"{self.cell}-":
                raise wrong("cell", f"it is {self.cell!r}, without {part}")
        for rule in get_args(DecisionRule):
            named = rule != "text" and f"-{rule}-" in f"{self.cell}-"
            if named != (rule == self.decision_rule != "text"):
                raise wrong("decision_rule", f"the cell is {self.cell!r}")
        if self.unread not in (None, self.predictions.count(None)):
            raise wrong("unread", f"{self.predictions.count(None)} predictions are null")
        if self.readings and sum(self.readings.values()) != self.n:
            raise wrong("readings", f"there are {self.n} texts")
        if self.gates is not None and self.verdict != _verdict_of(self.gates):
            raise wrong("verdict", f"its gates make {_verdict_of(self.gates)}")
        if self.exact_low is not None and self.exact_high is not None:
            check_interval(self.exact_low, self.accuracy, self.exact_high, "exact_low")
        for name in ("probabilities", "prompt_sha256"):
            if getattr(self, name) is not None and len(getattr(self, name)) != self.n:
                raise wrong(name, f"there are {self.n} texts")
        return self


class RivalRow(Part):
    """A classical model, trained on the same rows and asked the same texts.

    Attributes:
        model: its name.
        parameters: what was chosen by cross-validation on the training rows.
        library: the distribution that trained it; null for none.
        versions: of that library, and of those that it computes with.
    """

    experiment: Name
    model: Name
    train_size: Count
    n: Annotated[int, Field(ge=1)]
    correct: Count
    accuracy: Share
    ci_low: Share
    ci_high: Share
    majority_rate: Share | None = None
    parameters: dict[Text, Any] | None = None
    library: Text | None = None
    versions: dict[Text, Text] | None = None
    predictions: list[LabelId | None] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> RivalRow:
        _check_counts(self)
        return self


def check_interval(low: float, value: float, high: float, name: str = "ci_low") -> None:
    """For a validator: an interval holds its accuracy."""
    if not low - EXACTLY <= value <= high + EXACTLY:
        raise wrong(name, f"the interval from {low} to {high} does not hold the accuracy {value}")


def _check_counts(row: CellRow | RivalRow) -> None:
    if row.correct > row.n:
        raise wrong("correct", f"there are {row.n} texts")
    if abs(row.accuracy - row.correct / row.n) > EXACTLY:
        raise wrong("accuracy", f"{row.correct} of {row.n} are right")
    check_interval(row.ci_low, row.accuracy, row.ci_high)


def _verdict_of(gates: Sequence[Gate]) -> Verdict | None:
    verdicts = {gate.verdict for gate in gates}
    order: tuple[Verdict, ...] = ("fail", "inconclusive", "pass")
    return next((verdict for verdict in order if verdict in verdicts), None)
