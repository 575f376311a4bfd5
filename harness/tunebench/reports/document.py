"""The content of ``results.json``, as it is checked when it is read back.

`tunebench.reports.files` says what each field means. Fields that are not known here do not matter;
what is here has its kind and its range, and numbers that follow from each other must do so.
"""

from __future__ import annotations

from collections import Counter
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
    WrongJson,
    checked,
    parsed,
    wrong,
)
from tunebench.reports.document_parts import (  # noqa: TC001 - pydantic needs them
    Answer,
    BreakEven,
    DataNeed,
    Failure,
    Job,
    Skipped,
    UpliftRow,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION = 2
READABLE = (1, 2)

Verdict = Literal["pass", "fail", "inconclusive"]
LabelId = Count


class About(Part):
    """An experiment."""

    name: Name
    file: Name | None = None
    dataset: Text | None = None
    labels: Annotated[list[Text], Field(min_length=1)]
    n: Count | None = None
    items: list[Name]
    label_ids: list[LabelId]
    majority_rate: Share | None = None
    train_sizes: list[Count] = Field(default_factory=list)
    skipped: list[Skipped] = Field(default_factory=list)

    @model_validator(mode="after")
    def _consistent(self) -> About:
        if _repeated(self.labels):
            raise wrong("labels", "a label is there twice")
        if twice := _repeated(self.items):
            raise wrong("items", f"the item {twice!r} is there twice")
        if len(self.label_ids) != len(self.items):
            raise wrong("label_ids", f"there are {len(self.items)} items")
        if self.label_ids and max(self.label_ids) >= len(self.labels):
            raise wrong("label_ids", f"there are {len(self.labels)} labels, with ids from 0 on")
        if self.n not in (None, len(self.items)):
            raise wrong("n", f"there are {len(self.items)} items")
        if self.majority_rate is not None and self.items:
            most = max(Counter(self.label_ids).values()) / len(self.items)
            if abs(most - self.majority_rate) > EXACTLY:
                raise wrong("majority_rate", f"by the label ids it is {most}")
        return self


class Gate(Part):
    """What was judged of a cell."""

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


class _Measured(Part):
    """An accuracy with its interval, of a cell or a yardstick."""

    experiment: Name
    model: Name
    train_size: Count
    n: Annotated[int, Field(ge=1)]
    correct: Count
    accuracy: Share
    ci_low: Share
    ci_high: Share
    majority_rate: Share | None = None
    predictions: list[LabelId | None] | None = None

    @model_validator(mode="after")
    def _counted(self) -> _Measured:
        if self.correct > self.n:
            raise wrong("correct", f"there are {self.n} texts")
        if abs(self.accuracy - self.correct / self.n) > EXACTLY:
            raise wrong("accuracy", f"{self.correct} of {self.n} are right")
        _check_interval(self.ci_low, self.accuracy, self.ci_high)
        return self


class CellRow(_Measured):
    """A cell."""

    cell: Name
    shots: Count
    decision_rule: DecisionRule
    recorded_at: Line
    predictions: list[LabelId | None]
    unread: Count | None = None
    readings: dict[Text, Count] | None = None
    min_accuracy: Share | None = None
    verdict: Verdict | None = None
    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    latency_ms_median: Number | None = None
    cassette: Text | None = None
    job: Text | None = None
    fine_tuned_model: Text | None = None
    trained_tokens: Count | None = None
    training_seconds: Number | None = None
    server: Text | None = None
    answered_as: Text | None = None
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
    confusion: list[list[Count]] | None = None
    probabilities: list[list[Share] | None] | None = None
    prompt_sha256: list[Name] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> CellRow:
        what = f"ft{self.train_size}" if self.train_size else f"{self.shots}shot"
        if not f"{self.cell}-".startswith(f"{self.model}-{what}-"):
            raise wrong("cell", f"its model, shots and training size make {self.model}-{what}")
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
            _check_interval(self.exact_low, self.accuracy, self.exact_high, "exact_low")
        for name in ("probabilities", "prompt_sha256"):
            if getattr(self, name) is not None and len(getattr(self, name)) != self.n:
                raise wrong(name, f"there are {self.n} texts")
        return self


class Yardstick(_Measured):
    """A classical model on the same texts."""


class Results(Part):
    """Results of version 2."""

    version: Annotated[int, Field(ge=VERSION, le=VERSION)]
    experiments: list[About] = Field(default_factory=list)
    cells: list[CellRow]
    jobs: list[Job] = Field(default_factory=list)
    uplifts: list[UpliftRow] = Field(default_factory=list)
    baselines: list[Yardstick] = Field(default_factory=list)
    answers: list[Answer] = Field(default_factory=list)
    data_needs: list[DataNeed] = Field(default_factory=list)
    break_evens: list[BreakEven] = Field(default_factory=list)
    errors: list[Failure] = Field(default_factory=list)

    @model_validator(mode="after")
    def _consistent(self) -> Results:
        if twice := _repeated([about.name for about in self.experiments]):
            raise wrong("experiments", f"the experiment {twice!r} is there twice")
        about = {one.name: one for one in self.experiments}
        if again := _repeated([(cell.experiment, cell.cell) for cell in self.cells]):
            raise wrong("cells", f"the cell {again[1]!r} of {again[0]!r} is there twice")
        for number, cell in enumerate(self.cells):
            at = f"cells.{number}"
            if cell.experiment not in about:
                raise wrong(f"{at}.experiment", f"there is no experiment {cell.experiment!r}")
            _check_answers(at, cell, about[cell.experiment])
            _check_confusion(at, cell, about[cell.experiment])
        for number, row in enumerate(self.baselines):
            if row.experiment in about and row.predictions is not None:
                _check_answers(f"baselines.{number}", row, about[row.experiment])
        return self


class SizeRow(Part):
    """A cell of version 1, as far as it is still read."""

    model: Name
    train_size: Count
    decision_rule: Name
    accuracy: Share
    ci_low: Share
    ci_high: Share

    @model_validator(mode="after")
    def _consistent(self) -> SizeRow:
        _check_interval(self.ci_low, self.accuracy, self.ci_high)
        return self


class OlderResults(Part):
    """Results of version 1."""

    version: Annotated[int, Field(ge=1, le=1)]
    cells: list[SizeRow]


def read_document(content: bytes) -> dict[str, Any]:
    """The content of a ``results.json`` of any version that is known.

    Raises:
        WrongJson: it is none, or a field of it is wrong.
    """
    value = parsed(content)
    version = value.get("version") if isinstance(value, dict) else None
    if type(version) is not int or version not in READABLE:
        readable = " or ".join(map(str, READABLE))
        raise WrongJson(f"version: these are not results of version {readable}")
    checked(OlderResults if version == 1 else Results, value)
    document: dict[str, Any] = value
    return document


def _check_interval(low: float, value: float, high: float, name: str = "ci_low") -> None:
    if not low - EXACTLY <= value <= high + EXACTLY:
        raise wrong(name, f"the interval from {low} to {high} does not hold the accuracy {value}")


def _check_answers(at: str, row: _Measured, about: About) -> None:
    """Whether a row's counts are those of its predictions."""
    predictions = row.predictions or []
    if not len(predictions) == row.n == len(about.items):
        raise wrong(f"{at}.predictions", f"there is not one for each of {len(about.items)} items")
    if max((p for p in predictions if p is not None), default=0) >= len(about.labels):
        raise wrong(
            f"{at}.predictions", f"there are {len(about.labels)} labels, with ids from 0 on"
        )
    right = sum(p == label for p, label in zip(predictions, about.label_ids, strict=True))
    if right != row.correct:
        raise wrong(f"{at}.correct", f"by the predictions and the label ids {right} are right")
    own, rate = row.majority_rate, about.majority_rate
    if own is not None and rate is not None and abs(own - rate) > EXACTLY:
        raise wrong(f"{at}.majority_rate", f"the experiment's is {rate}")


def _check_confusion(at: str, cell: CellRow, about: About) -> None:
    labels = len(about.labels)
    for row in cell.probabilities or ():
        if row is not None and (len(row) != labels or abs(sum(row) - 1) > 1e-6):
            raise wrong(f"{at}.probabilities", "a row is not one of each label, 1 together")
    if cell.confusion is None:
        return
    counted = [[0] * (labels + 1) for _ in range(labels)]
    for label, said in zip(about.label_ids, cell.predictions, strict=True):
        counted[label][labels if said is None else said] += 1
    if cell.confusion != counted:
        raise wrong(f"{at}.confusion", "it does not count the predictions by label id")


def _verdict_of(gates: Sequence[Gate]) -> Verdict | None:
    verdicts = {gate.verdict for gate in gates}
    order: tuple[Verdict, ...] = ("fail", "inconclusive", "pass")
    return next((verdict for verdict in order if verdict in verdicts), None)


def _repeated(values: Sequence[Any]) -> Any:
    """The first value that is there more than once; None where each is there once."""
    return next((value for value, count in Counter(values).items() if count > 1), None)
