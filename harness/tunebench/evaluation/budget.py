"""The budget of a recording: what it may cost, send and take."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from tunebench.errors import RecordingError

if TYPE_CHECKING:
    from tunebench.evaluation.estimate import Estimate

_KEPT = "what is recorded is kept"


@dataclass
class Budget:
    """Limits of a recording, and how much of them is used, by any thread. None: not limited.

    Attributes:
        amount: of the estimated costs, in the currency of the models' prices.
        texts: how many texts may be sent; a prompt is one, and those of a job do not count.
        minutes: how long the recording may take; a job that is running is followed no longer.
        used: the estimates of what was recorded so far.
        sent: the texts that were sent so far.
        currency: of the first estimate.
        stopped: why nothing more may be recorded; empty until then.
    """

    amount: float | None = None
    texts: int | None = None
    minutes: float | None = None
    used: float = 0.0
    sent: int = 0
    currency: str = ""
    stopped: str = ""
    _started: float = field(default_factory=time.monotonic)
    _interrupted: bool = False
    _changing: threading.RLock = field(default_factory=threading.RLock)

    def take(self, estimate: Estimate) -> None:
        """Use an estimate's cost.

        Raises:
            RecordingError: it is not known, in another currency, or more than what is left.
        """
        if self.amount is None:
            return
        with self._changing:
            self._take(estimate, self.amount)

    def _take(self, estimate: Estimate, amount: float) -> None:
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
        if self.used + cost > amount:
            self._stop(
                name,
                f"the budget of {amount:g} {prices.currency} would be "
                f"passed: this takes about {cost:.4g}, and {self.used:.4g} is used",
                f"{_KEPT}: give --budget more and run it again",
            )
        self.currency = prices.currency
        self.used += cost

    def allowed(self, name: str, texts: int) -> int:
        """How many of some texts may be sent, which count as sent from now on.

        Raises:
            RecordingError: none may be sent any more.
        """
        with self._changing:
            left = texts if self.texts is None else min(texts, self.texts - self.sent)
            if texts and left <= 0:
                self.refuse_more(name, texts)
            self.sent += left
            return left

    def refuse_more(self, name: str, texts: int) -> NoReturn:
        """Raise RecordingError for texts that are left of those that may be sent."""
        self._stop(
            name,
            f"--max-texts {self.texts} are sent, and {texts} of its texts are left",
            f"{_KEPT}: run it again, which goes on from there",
        )

    def interrupt(self) -> None:
        """Let nothing more be recorded: other threads end at their next step."""
        self._interrupted = True

    def check_time(self, name: str) -> None:
        """Raise RecordingError where the time is up, or the recording was interrupted."""
        if self._interrupted:
            raise RecordingError("the recording was interrupted", where=name, hint=_KEPT)
        if self.minutes is not None and time.monotonic() - self._started >= 60 * self.minutes:
            self._stop(
                name,
                f"--max-minutes {self.minutes:g} are over",
                f"{_KEPT}: run it again, which goes on from there",
            )

    def _stop(self, name: str, problem: str, hint: str) -> NoReturn:
        error = RecordingError(problem, where=name, hint=hint)
        self.stopped = str(error)
        raise error
