"""The result of a cell."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tunebench.evaluation.inputs import dataset_of
from tunebench.evaluation.prices import cost_of_training, cost_per_1000
from tunebench.evaluation.rules import RULES
from tunebench.statistics import (
    area_under_roc,
    clustered_interval,
    effective_texts,
    label_probabilities,
    majority_rate,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from tunebench.api import FineTuned
    from tunebench.evaluation.replaying import Calibration
    from tunebench.experiment import Cell, Prices


@dataclass(frozen=True, eq=False)
class Result:
    """The result of a cell.

    Attributes:
        cell: the cell.
        judgements: a row for each text with the columns ``item``, ``label``, ``prediction``
            (missing where the answer stated no label), ``correct`` and ``reading`` (how it was
            read, or why not).
        prompt_tokens: tokens of all prompts, as the provider counted them.
        completion_tokens: tokens of all completions.
        latency_ms_median: median over the requests, as recorded, milliseconds; a request holds up
            to 20 prompts.
        recorded_at: when the last answer was recorded, ISO 8601.
        unplayed: how many recorded rows were not used.
        fine_tuned: the result of the job that made its model, or None.
        seconds: the sum of the times of all requests, as recorded.
        server: the names that the servers gave themselves, or an empty string.
        label_logprobs: for each judgement the labels' log-probabilities by label id, as far as
            the decision rule saw them; None where they are not known. Empty where none is known.
        answers: for each judgement the text of the answer as it was given; empty where the decision
            rule asks more than once.
        answered_as: other model names than the requested one in the answers, mostly the same name
            with a date.
        overrides: fields of the request that the model's `parameters` set instead of the decision
            rule, with both values: the rule's and the one that was sent.
        groups: for each judgement the number of its text's group; None where texts have none.
        checked_against_data: whether the prompts were made of the data set; otherwise their hashes
            are taken from ``items.jsonl``.
        items_behind: how ``items.jsonl`` is behind the data set, a clause; None if it is not.
        cut: how many of the texts were cut to ``max_chars``; None where that is not set, or without
            the data set.
        recorded_limits: the limits that the cell had when its recording began, by gate; None where
            the cassette does not state them.
        calibration: of the rule ``calibrated``, or None. Its texts count neither in the tokens
            above nor in the time.
    """

    cell: Cell
    judgements: pd.DataFrame
    prompt_tokens: int
    completion_tokens: int
    latency_ms_median: float
    recorded_at: str
    unplayed: int = 0
    fine_tuned: FineTuned | None = None
    seconds: float = 0.0
    server: str = ""
    label_logprobs: Sequence[Mapping[int, float] | None] = ()
    answers: Sequence[str] = field(default=(), repr=False)
    answered_as: str = ""
    overrides: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    groups: tuple[int, ...] | None = None
    checked_against_data: bool = True
    items_behind: str | None = None
    cut: int | None = None
    calibration: Calibration | None = None
    recorded_limits: Mapping[str, float] | None = None

    def __repr__(self) -> str:
        return f"<Result {self.cell}: {self.correct} of {self.n} right>"

    @property
    def n(self) -> int:
        """How many texts there are."""
        return len(self.judgements)

    @cached_property
    def correct(self) -> int:
        """How many answers were right."""
        return int(self.judgements["correct"].sum())

    @property
    def accuracy(self) -> float:
        """The share of right answers; an answer that states no label is not right."""
        return self.correct / self.n

    @property
    def unread(self) -> int:
        """How many answers stated no label."""
        return int(self.judgements["prediction"].isna().sum())

    @cached_property
    def readings(self) -> dict[str, int]:
        """How many answers were read in which way, or not read for which reason, most first."""
        return self._readings(self.judgements)

    def _readings(self, judgements: pd.DataFrame) -> dict[str, int]:
        if "reading" not in judgements:
            return {}
        counted = judgements["reading"].value_counts(sort=False).items()
        return dict(Counter({str(name): n for name, n in counted if n}).most_common())

    @property
    def unread_sentence(self) -> str:
        """How many answers stated no label, and why; empty if all did."""
        if not self.unread:
            return ""
        none = self._readings(self.judgements[self.judgements["prediction"].isna()])
        why = ", ".join(f"{count} {reading}" for reading, count in none.items())
        meant = "; chatter: other text" if "chatter" in none else ""
        found = f" ({why}{meant})" if why else ""
        return f"{self.unread} of {self.n} answers stated no label{found}"

    @property
    def remarks(self) -> list[str]:
        """Remarks on the answers, a clause each."""
        remarks = [self.unread_sentence] if self.unread else []
        remarks += [self._pin_remark] if self.pinned else []
        remarks += [
            f"sent with {name} = {sent!r}, as the model's `parameters` say, and not with its "
            f"decision rule's {of_rule!r}"
            + (": the answers are drawn by chance" if name == "temperature" and sent else "")
            for name, (of_rule, sent) in self.overrides.items()
        ]
        if self.cut:
            task = self.cell.experiment.task
            remarks.append(
                f"{self.cut} of {self.n} texts {'was' if self.cut == 1 else 'were'} cut to the "
                f"{task.keep or 'start'} of at most "
                f"{task.max_chars:,} characters"
            )
        remarks += [self.items_behind] if self.items_behind else []
        if self.calibration is not None:
            remarks += self.calibration.remarks(self.cell.experiment.task.labels)
        return remarks

    @property
    def pinned(self) -> str | None:
        """The key of ``[[fine_tuned]]`` that names its model, ``id`` or ``job``; None if none."""
        pin = self.cell.pin
        return None if pin is None else "id" if pin.id is not None else "job"

    @property
    def _pin_remark(self) -> str:
        made = self.fine_tuned
        assert made is not None
        job = f", of the job {made.job}," if made.job else ","
        return (
            f"answered by {made.model}{job} which the experiment names: that it was trained on "
            f"{self.cell.train_size} rows, and on no test text, is not checked"
        )

    @cached_property
    def probabilities(self) -> list[list[float] | None] | None:
        """The labels' probabilities for each text; None for a rule that has none.

        They are over the labels seen; None where none was, or where one's log-probability is not a
        number.
        """
        if not RULES[self.cell.decision_rule].has_probabilities:
            return None
        labels = len(self.cell.experiment.task.labels)
        return [None if one is None else label_probabilities(one, labels)
                for one in self.label_logprobs or [None] * self.n]  # fmt: skip

    @property
    def with_probabilities(self) -> tuple[list[list[float]], list[int]]:
        """The probabilities that are known, and the true label ids of their texts."""
        truths = self.judgements["label"].tolist()
        known = [
            (row, truth)
            for row, truth in zip(self.probabilities or (), truths, strict=False)
            if row is not None
        ]
        return [row for row, _ in known], [truth for _, truth in known]

    @cached_property
    def auc(self) -> float | None:
        """How well the known probabilities rank the texts; see `area_under_roc`."""
        return area_under_roc(*self.with_probabilities)

    @property
    def predictions(self) -> list[int | None]:
        """The label id that each answer states, None where it states none."""
        column = self.judgements["prediction"]
        read = column.to_numpy(dtype="int64", na_value=-1)
        return [None if label < 0 else label for label in read.tolist()]

    @property
    def places(self) -> Mapping[str, str]:
        """Where each item is in the user's file, as ``tickets.csv, line 12``, if that is known."""
        return dataset_of(self.cell.experiment).places if self.checked_against_data else {}

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the accuracy; by groups where the texts have any."""
        return clustered_interval(self._right, self.groups)

    @property
    def effective_n(self) -> float:
        """How many texts of their own say as much; fewer than `n` where they come in groups."""
        return self.n if self.groups is None else effective_texts(self._right, self.groups)

    @property
    def _right(self) -> list[bool]:
        return [bool(right) for right in self.judgements["correct"]]

    @cached_property
    def majority_rate(self) -> float:
        """The accuracy of always answering the most frequent label of the test texts."""
        return majority_rate(self.judgements["label"].tolist())

    @property
    def prices(self) -> Prices | None:
        """The prices of its model, if the experiment has them."""
        return self.cell.experiment.models[self.cell.model].prices

    @property
    def cost_per_1000(self) -> float | None:
        """The cost of 1,000 answers like these; None without prices.

        With a price per hour, requests count as if they were made one after another.
        """
        return cost_per_1000(
            self.prices, self.prompt_tokens, self.completion_tokens, self.seconds, self.n
        )

    @property
    def calibration_cost(self) -> float | None:
        """The cost of the answers that it was calibrated with; None without any, or prices."""
        return None if self.calibration is None else self.calibration.cost(self.prices)

    @property
    def training_cost(self) -> float | None:
        """The cost of the job that made its model; None without a job, prices or counted tokens."""
        return cost_of_training(self.prices, self.trained_tokens, self.training_seconds)

    @property
    def trained_tokens(self) -> int | None:
        """The trained tokens as the provider counted them; None if it did not, or without a job."""
        return self.fine_tuned.trained_tokens if self.fine_tuned else None

    @property
    def training_seconds(self) -> int | None:
        """The time of the job; None if it is not known, or without a job."""
        return self.fine_tuned.seconds if self.fine_tuned else None

    def explain(self) -> str:
        """The result in a sentence, for an assertion's message."""
        low, high = self.interval
        unread = f"; {self.unread_sentence}" if self.unread else ""
        return (
            f"{self.cell}: {self.correct} of {self.n} right, accuracy {self.accuracy:.3f} "
            f"(95 % interval {low:.3f} to {high:.3f}, always the most frequent label "
            f"{self.majority_rate:.3f}), threshold {self.cell.min_accuracy}{unread}"
        )
