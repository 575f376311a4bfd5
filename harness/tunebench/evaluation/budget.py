"""The budget of a recording: estimates are added up before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from tunebench.errors import RecordingError

if TYPE_CHECKING:
    from tunebench.evaluation.estimate import Estimate


@dataclass
class Budget:
    """An amount, and how much of it is used.

    Attributes:
        amount: in the currency of the models' prices.
        used: the estimates of what was recorded so far.
        currency: of the first estimate.
        stopped: why nothing more may be recorded; empty until then.
    """

    amount: float
    used: float = 0.0
    currency: str = ""
    stopped: str = ""

    def take(self, estimate: Estimate) -> None:
        """Use an estimate's cost.

        Raises:
            RecordingError: it is not known, in another currency, or more than what is left.
        """
        prices, name, cost = estimate.prices, estimate.name, estimate.cost
        if prices is None or cost is None:
            self._stop(
                name,
                "--budget needs to know what it costs",
                f"give the model {estimate.model!r} prices for {estimate.priced_by}, or per_hour",
            )
        if self.currency not in ("", prices.currency):
            self._stop(
                name,
                f"its prices are in {prices.currency}, and what was recorded before is in "
                f"{self.currency}",
                "record models of one currency at a time with --budget",
            )
        if self.used + cost > self.amount:
            self._stop(
                name,
                f"the budget of {self.amount:g} {prices.currency} would be "
                f"passed: this takes about {cost:.4g}, and {self.used:.4g} is used",
                "what is recorded is kept: give --budget more and run it again",
            )
        self.currency = prices.currency
        self.used += cost

    def _stop(self, name: str, problem: str, hint: str) -> NoReturn:
        error = RecordingError(problem, where=name, hint=hint)
        self.stopped = str(error)
        raise error
