"""What came out of a cell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from harness.scoring import majority_rate, wilson_interval
from harness.uplift import Uplift

if TYPE_CHECKING:
    import pandas as pd

    from harness.api.fine_tuning import FineTuned
    from harness.experiment import Cell

Verdict = Literal["pass", "fail"]


@dataclass(frozen=True, eq=False)
class Result:
    """What came out of a cell.

    Attributes:
        cell: the cell.
        judgements: one row a text with the columns ``item``, ``label``, ``prediction`` (missing
            where the answer stated no label) and ``correct``.
        prompt_tokens: tokens of all prompts, as the provider counted them.
        completion_tokens: tokens of all completions.
        latency_ms_median: median over the requests, as recorded, milliseconds; a request holds up
            to 20 prompts.
        recorded_at: when the last answer was recorded, ISO 8601.
        unplayed: recorded rows that the cell did not ask for.
        fine_tuned: what came of the job that made its model, or None.
    """

    cell: Cell
    judgements: pd.DataFrame
    prompt_tokens: int
    completion_tokens: int
    latency_ms_median: float
    recorded_at: str
    unplayed: int = 0
    fine_tuned: FineTuned | None = None

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

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the accuracy."""
        return wilson_interval(self.correct, self.n)

    @cached_property
    def majority_rate(self) -> float:
        """The accuracy of always answering the most frequent label of the test texts."""
        return majority_rate(self.judgements["label"].tolist())

    @property
    def verdict(self) -> Verdict | None:
        """``pass`` or ``fail`` against the cell's threshold; None where it has none."""
        if self.cell.threshold is None:
            return None
        return "pass" if self.accuracy >= self.cell.min_accuracy else "fail"

    def uplift_over(self, other: Result) -> Uplift:
        """What this cell gains over another on the same texts.

        Raises:
            UpliftError: the two were not asked the same items, or their labels differ.
        """
        return Uplift.of(self, other)

    def explain(self) -> str:
        """The result in a sentence, for an assertion's message."""
        low, high = self.interval
        unread = f"; {self.unread} answers stated no label" if self.unread else ""
        return (
            f"{self.cell}: {self.correct} of {self.n} right, accuracy {self.accuracy:.3f} "
            f"(95 % interval {low:.3f} to {high:.3f}, always the most frequent label "
            f"{self.majority_rate:.3f}), threshold {self.cell.min_accuracy}{unread}"
        )

    def row(self) -> dict[str, Any]:
        """The result as a row of ``results.json``."""
        cell, made = self.cell, self.fine_tuned
        low, high = self.interval
        return {
            "experiment": cell.experiment.name,
            "model": cell.model,
            "shots": cell.shots,
            "train_size": cell.train_size,
            "decision_rule": cell.decision_rule,
            "n": self.n,
            "correct": self.correct,
            "unread": self.unread,
            "accuracy": self.accuracy,
            "ci_low": low,
            "ci_high": high,
            "majority_rate": self.majority_rate,
            "min_accuracy": None if cell.threshold is None else cell.min_accuracy,
            "verdict": self.verdict,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "latency_ms_median": self.latency_ms_median,
            "cassette": cell.cassette_name,
            "recorded_at": self.recorded_at,
            "job": made.job if made else None,
            "fine_tuned_model": made.model if made else None,
            "trained_tokens": made.trained_tokens if made else None,
            "training_seconds": made.seconds if made else None,
        }
