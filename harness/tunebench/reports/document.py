"""The schema of ``results.json``: what `pytest --results` writes, and what is read back.

Results are one object, version 3. A number is null where there is none: it is not known, or it is
infinite or NaN, such as a loss that diverged. In version 2 ``rivals`` was called ``baselines``.
Version 1 had only ``cells`` without lists, ``uplifts``, ``baselines`` and ``errors``. Fields that
are not in the schema are ignored.

pydantic builds a model's validator when it is first used, so importing this module stays cheap.
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
    wrong,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION = 3

Verdict = Literal["pass", "fail", "inconclusive"]
AnswerVerdict = Literal["fine-tune", "do not fine-tune", "use", "undecided"]
OptionKind = Literal["constant", "rival", "prompt", "fine-tuned"]
LabelId = Count

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
            ``tickets.csv, line 12``: the same on every machine.
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
    items: list[Name]
    label_ids: list[LabelId]
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
        if _repeated(self.labels):
            raise wrong("labels", "a label is there twice")
        if twice := _repeated(self.items):
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
        verdict: of all its gates.
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
    verdict: Verdict | None = None
    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    latency_ms_median: Number | None = None
    cassette: Text | None = None
    recorded_at: Line
    job: Text | None = None
    fine_tuned_model: Text | None = None
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


class Job(Part):
    """A fine-tuning job.

    Attributes:
        name: of the cells that use its model, without their decision rule.
        id: the provider's.
        base: the model that was fine-tuned.
        model: the fine-tuned model.
        served: which checkpoint is served, in the provider's words.
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
    served: Text | None = None
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
        ci_low: lower end of the paired bootstrap's 95 % interval of ``difference``.
        mid_p: McNemar's mid-p value.
        exact_p: McNemar's exact p-value.
        holm_p: ``mid_p`` adjusted over all comparisons of the experiment.
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


class Results(Part):
    """Results of version 3.

    Attributes:
        tunebench: the version that wrote them.
        rivals: what a fine-tuned model has to beat, of each training size.
        errors: cells without a result.
    """

    version: Annotated[int, Field(ge=VERSION, le=VERSION)]
    tunebench: Line | None = None
    answers: list[Answer] = Field(default_factory=list)
    data_needs: list[DataNeed] = Field(default_factory=list)
    experiments: list[About] = Field(default_factory=list)
    cells: list[CellRow]
    jobs: list[Job] = Field(default_factory=list)
    uplifts: list[UpliftRow] = Field(default_factory=list)
    rivals: list[RivalRow] = Field(default_factory=list)
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
        for number, row in enumerate(self.rivals):
            if row.experiment in about and row.predictions is not None:
                _check_answers(f"rivals.{number}", row, about[row.experiment])
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


def _check_answers(at: str, row: CellRow | RivalRow, about: About) -> None:
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
    if cell.calibration is not None and len(cell.calibration.biases) != labels:
        raise wrong(f"{at}.calibration.biases", f"there are {labels} labels")
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
