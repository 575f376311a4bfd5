"""What a recording may cost: estimates are added up before anything is asked.

A prompt counts a token for four bytes, unless answers of the same cell are recorded: then it counts
what they took. By the hour, what is not recorded is taken to go at 380 tokens a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from harness.cassettes.fingerprint import prompt_text, text_sha256
from harness.cell_prompts import is_chat, prompts_of
from harness.decision_rules import CHATTER_TOKENS
from harness.errors import TunebenchError
from harness.formatting.estimates import BYTES_PER_TOKEN, TOKENS_PER_SECOND, Estimate, Rates
from harness.scoring import answers_cost, hourly_cost, training_cost

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.api.fine_tuning import JobSpec
    from harness.experiment import Cell
    from harness.experiment_tables import Prices


class BudgetError(TunebenchError):
    """A recording that would pass the budget, or whose cost is not known."""


@dataclass
class Budget:
    """An amount, and what of it is taken.

    Attributes:
        amount: in the currency of the models' prices.
        taken: the estimates of what was recorded so far.
        currency: of the first estimate.
        stopped: why nothing more may be recorded; empty until then.
    """

    amount: float
    taken: float = 0.0
    currency: str = ""
    stopped: str = ""

    def take_cell(self, cell: Cell, rows: Iterable[dict[str, Any]]) -> None:
        """Take what the texts cost that a cell's cassette lacks.

        Args:
            cell: the cell.
            rows: of its cassette.

        Raises:
            BudgetError: it would pass the budget.
        """
        lacking, answers = _lacking(cell, rows)
        if lacking:
            self._take(str(cell), cost_of_answers(self._prices(cell), cell, lacking, answers))

    def take_job(self, cell: Cell, spec: JobSpec) -> None:
        """Take what a fine-tuned cell's job costs.

        Raises:
            BudgetError: it would pass the budget.
        """
        prices = self._prices(cell)
        epochs = cell.experiment.fine_tuning.n_epochs
        estimate = Estimate.of(len(spec.train.content), Rates(epochs=epochs))
        if prices.per_hour is not None:
            self._take(spec.name, hourly_cost(estimate.seconds, prices.per_hour))
        elif prices.training is not None:
            self._take(spec.name, training_cost(estimate.tokens * epochs, prices.training))
        else:
            self._stop(f"{spec.name}: {_needs(cell, 'training')}")

    def _prices(self, cell: Cell) -> Prices:
        prices = cell.experiment.models[cell.model].prices
        if prices is None:
            self._stop(f"{cell}: {_needs(cell, 'input, output and training')}")
        if self.currency not in ("", prices.currency):
            self._stop(
                f"{cell}: its prices are in {prices.currency}, and what was recorded before is in "
                f"{self.currency}; record models of one currency at a time with --budget."
            )
        self.currency = prices.currency
        return prices

    def _take(self, what: str, cost: float | None) -> None:
        if cost is None:
            self._stop(f"{what}: --budget needs its model's prices for input and output; add them.")
        if self.taken + cost > self.amount:
            self._stop(
                f"{what}: the budget of {self.amount:g} {self.currency} would be passed: this "
                f"takes about {cost:.4g}, and {self.taken:.4g} is taken. What is recorded is "
                "kept; give --budget more and run it again."
            )
        self.taken += cost

    def _stop(self, sentence: str) -> NoReturn:
        self.stopped = sentence
        raise BudgetError(sentence)


def announcement(cell: Cell, rows: Iterable[dict[str, Any]]) -> str | None:
    """What the texts that a cell's cassette lacks will cost; None where no price or text is."""
    prices = cell.experiment.models[cell.model].prices
    lacking, answers = _lacking(cell, rows)
    cost = cost_of_answers(prices, cell, lacking, answers) if prices and lacking else None
    if prices is None or cost is None:
        return None
    return f"{cell}: {len(lacking)} texts to ask, about {cost:.4g} {prices.currency}"


def _lacking(cell: Cell, rows: Iterable[dict[str, Any]]) -> tuple[list[str], list[dict[str, Any]]]:
    """The prompts that have no answer among a cassette's rows, and the rows of answers."""
    endpoint = "POST chat/completions" if is_chat(cell) else "POST completions"
    answers = [row for row in rows if row["endpoint"] == endpoint]
    answered = {sha for row in answers for sha in row["prompt_sha256"]}
    prompts = map(prompt_text, prompts_of(cell).values())
    return [p for p in prompts if text_sha256(p) not in answered], answers


def _needs(cell: Cell, which: str) -> str:
    return (
        f"--budget needs to know what it costs; give the model {cell.model!r} prices for {which}, "
        "or per_hour."
    )


def cost_of_answers(
    prices: Prices, cell: Cell, lacking: list[str], answers: list[dict[str, Any]]
) -> float | None:
    """What the texts that a cell lacks cost.

    Args:
        prices: of its model.
        cell: the cell.
        lacking: the prompts to send.
        answers: rows of its cassette that hold answers, to tell how many tokens a prompt takes.

    Returns:
        The cost in the currency of the prices; None where they leave it open.
    """
    asked = sum(len(row["prompt_sha256"]) for row in answers)
    usage = [row["body"].get("usage") or {} for row in answers]
    if asked and all("prompt_tokens" in one for one in usage):
        told = sum(one["prompt_tokens"] for one in usage) / asked * len(lacking)
    else:
        told = sum(len(prompt.encode("utf-8", "replace")) for prompt in lacking) / BYTES_PER_TOKEN
    longest = max(len(label.encode()) for label in cell.experiment.task.labels)
    room = CHATTER_TOKENS if is_chat(cell) else 0
    most = longest + room if cell.decision_rule == "text" else 1
    said = len(lacking) * (cell.experiment.task.max_tokens or most)
    if prices.per_hour is not None:
        seconds = (told + said) / TOKENS_PER_SECOND
        if asked:
            seconds = sum(row["latency_ms"] for row in answers) / 1000 / asked * len(lacking)
        return hourly_cost(seconds, prices.per_hour)
    if prices.input is None or prices.output is None:
        return None
    n = len(lacking)
    thousand = answers_cost(told, said, n, input_price=prices.input, output_price=prices.output)
    return thousand / 1000 * n
