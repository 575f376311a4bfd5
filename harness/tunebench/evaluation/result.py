"""What came out of a cell."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tunebench.statistics import (
    answers_cost,
    hourly_cost,
    majority_rate,
    training_cost,
    wilson_interval,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from tunebench.api import FineTuned
    from tunebench.experiment import Cell, Prices


_LARGEST = 2**53  # up to here every program that reads JSON tells whole numbers apart


@dataclass(frozen=True, eq=False)
class Result:
    """What came out of a cell.

    Attributes:
        cell: the cell.
        judgements: one row a text with the columns ``item``, ``label``, ``prediction`` (missing
            where the answer stated no label), ``correct`` and ``reading`` (how it was read, or
            why none was).
        prompt_tokens: tokens of all prompts, as the provider counted them.
        completion_tokens: tokens of all completions.
        latency_ms_median: median over the requests, as recorded, milliseconds; a request holds up
            to 20 prompts.
        recorded_at: when the last answer was recorded, ISO 8601.
        unplayed: recorded rows that the cell did not ask for.
        fine_tuned: what came of the job that made its model, or None.
        seconds: sum over the requests of how long they took, as recorded.
        server: what the servers said of themselves, or an empty string.
        label_logprobs: for each judgement the labels' log-probabilities by label id, as far as
            the rule ``label_logprobs`` saw them; None where they are not known.
        answered_as: the names of other models than the one asked that answers came from, as the
            provider says; mostly the same one with a date.
        overrides: fields of the request that the model's `parameters` set instead of the decision
            rule, with both values: the rule's and the one that was asked with.
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
    label_logprobs: tuple[Mapping[int, float] | None, ...] = ()
    answered_as: str = ""
    overrides: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """How many texts were asked."""
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
        """How many answers were read by which rule, or why not, most first."""
        return self._readings(self.judgements)

    def _readings(self, judgements: pd.DataFrame) -> dict[str, int]:
        return dict(Counter(judgements.get("reading", ())).most_common())

    @property
    def unread_sentence(self) -> str:
        """How many answers stated no label, and why; empty if all did."""
        if not self.unread:
            return ""
        none = self._readings(self.judgements[self.judgements["prediction"].isna()])
        why = ", ".join(f"{count} {reading}" for reading, count in none.items())
        return f"{self.unread} of {self.n} answers stated no label" + (f" ({why})" if why else "")

    @property
    def remarks(self) -> list[str]:
        """What to know of the answers beside how many are right, a clause each."""
        remarks = [self.unread_sentence] if self.unread else []
        remarks += [
            f"asked with {name} = {asked!r}, as the model's `parameters` say, and not with its "
            f"decision rule's {of_rule!r}"
            + (": the answers are drawn by chance" if name == "temperature" and asked else "")
            for name, (of_rule, asked) in self.overrides.items()
        ]
        return remarks

    @property
    def predictions(self) -> list[int | None]:
        """The label id that each answer states, None where it states none."""
        column = self.judgements["prediction"]
        read = zip(column.fillna(-1), column.isna(), strict=True)
        return [None if missing else int(label) for label, missing in read]

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the accuracy."""
        return wilson_interval(self.correct, self.n)

    @cached_property
    def majority_rate(self) -> float:
        """The accuracy of always answering the most frequent label of the test texts."""
        return majority_rate(self.judgements["label"].tolist())

    @property
    def prices(self) -> Prices | None:
        """What its model costs, where the experiment says so."""
        return self.cell.experiment.models[self.cell.model].prices

    @property
    def cost_per_1000(self) -> float | None:
        """What 1,000 answers like these cost; None without prices.

        By the hour, requests count as if they were made one after another.
        """
        prices = self.prices
        if prices is None:
            return None
        if prices.per_hour is not None:
            return hourly_cost(self.seconds, prices.per_hour) / self.n * 1000
        if prices.input is None or prices.output is None:
            return None
        return answers_cost(
            self.prompt_tokens,
            self.completion_tokens,
            self.n,
            input_price=prices.input,
            output_price=prices.output,
        )

    @property
    def training_cost(self) -> float | None:
        """What the job cost that made its model; None without a job, prices or counted tokens."""
        prices, seconds, tokens = self.prices, self.training_seconds, self.trained_tokens
        if prices is None:
            return None
        if prices.per_hour is not None:
            return None if seconds is None else hourly_cost(seconds, prices.per_hour)
        if prices.training is None or tokens is None:
            return None
        return training_cost(tokens, prices.training)

    @property
    def trained_tokens(self) -> int | None:
        """As the provider counted them; None where it did not, or without a job."""
        return self.fine_tuned.trained_tokens if self.fine_tuned else None

    @property
    def training_seconds(self) -> int | None:
        """How long the job took; None where that is not known, or without a job."""
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
