"""What a recording may cost: estimates are added up before anything is asked.

A prompt counts a token for four bytes, unless answers of the same cell are recorded: then it counts
what they took. By the hour, what is not recorded is taken to go at 380 tokens a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, NoReturn

from tunebench.cassettes import prompt_text
from tunebench.errors import RecordingError
from tunebench.evaluation.inputs import is_chat
from tunebench.evaluation.rules import CHATTER_TOKENS
from tunebench.formatting import BYTES_PER_TOKEN, TOKENS_PER_SECOND, Estimate, Rates
from tunebench.statistics import answers_cost, hourly_cost, training_cost

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tunebench.api import JobSpec, Prompt
    from tunebench.cassettes import CassetteFile, Row
    from tunebench.experiment import Cell, Prices


# Rows that are looked at to tell what a prompt takes.
_SAMPLE = 200


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

    def take_cell(self, cell: Cell, lacking: Sequence[Prompt], file: CassetteFile) -> None:
        """Take what the prompts cost that a cell's cassette lacks.

        Args:
            cell: the cell.
            lacking: the prompts to ask, of all rounds of its decision rule.
            file: its cassette.

        Raises:
            RecordingError: it would pass the budget.
        """
        if lacking:
            prices = self._prices(cell)
            self._take(str(cell), cost_of_answers(prices, cell, lacking, _answered(file)))

    def take_job(self, cell: Cell, spec: JobSpec) -> None:
        """Take what a fine-tuned cell's job costs.

        Raises:
            RecordingError: it would pass the budget.
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
        raise RecordingError(sentence)


def announcement(cell: Cell, lacking: Sequence[Prompt], file: CassetteFile) -> str | None:
    """What the prompts that a cell's cassette lacks will cost; None where no price or prompt is."""
    prices = cell.experiment.models[cell.model].prices
    cost = cost_of_answers(prices, cell, lacking, _answered(file)) if prices and lacking else None
    if prices is None or cost is None:
        return None
    return f"{cell}: {len(lacking)} prompts to ask, about {cost:.4g} {prices.currency}"


def _answered(file: CassetteFile) -> list[Row]:
    """Some answers of a cassette, to tell from what others will take."""
    answers = (stored for stored in file.rows() if stored.request.endpoint.endswith("completions"))
    return [stored.row for stored in islice(answers, _SAMPLE)]


def _needs(cell: Cell, which: str) -> str:
    return (
        f"--budget needs to know what it costs; give the model {cell.model!r} prices for {which}, "
        "or per_hour."
    )


def cost_of_answers(
    prices: Prices, cell: Cell, lacking: Sequence[Prompt], answered: Iterable[Row]
) -> float | None:
    """What the prompts that a cell lacks cost.

    Args:
        prices: of its model.
        cell: the cell.
        lacking: the prompts to send.
        answered: rows of its cassette that hold answers, to tell how many tokens a prompt takes.

    Returns:
        The cost in the currency of the prices; None where they leave it open.
    """
    rows, n = list(answered), len(lacking)
    told = [row.usage[0] / row.prompts for row in rows if row.usage[0] is not None]
    if rows and len(told) == len(rows):
        asked = sum(told) / len(rows) * n
    else:
        texts = map(prompt_text, lacking)
        asked = sum(len(text.encode("utf-8", "replace")) for text in texts) / BYTES_PER_TOKEN
    longest = max(len(label.encode()) for label in cell.experiment.task.labels)
    room = CHATTER_TOKENS if is_chat(cell) else 0
    most = cell.experiment.task.max_tokens or longest + room if cell.decision_rule == "text" else 1
    said = n * most
    if prices.per_hour is not None:
        seconds = (asked + said) / TOKENS_PER_SECOND
        if rows:
            seconds = sum(row.latency_ms / row.prompts for row in rows) / 1000 / len(rows) * n
        return hourly_cost(seconds, prices.per_hour)
    if prices.input is None or prices.output is None:
        return None
    thousand = answers_cost(asked, said, n, input_price=prices.input, output_price=prices.output)
    return thousand / 1000 * n
