"""A provider with a limit that it enforces: what comes too early is refused."""

import threading
from dataclasses import dataclass, field
from typing import Any

from ..virtual_time import VirtualTime


@dataclass
class Limited:
    """What a `Loopback` answers once `answer` is its answer.

    Attributes:
        loopback: gives the answers, and knows what was asked.
        said: the class of its answers.
        clock: what it measures time by.
        burst: how many requests may come at once when nothing came for a while.
        per_second: how fast that allowance is renewed.
        tells: writes what is left and when it is renewed into each answer's head.
        hint: header of a refusal that says how long to wait.
        seconds: an answer takes.
    """

    loopback: Any
    said: Any
    clock: VirtualTime
    burst: float = 10
    per_second: float = 50
    tells: bool = False
    hint: str = "retry-after-ms"
    seconds: float = 0.01
    refused_at: list[float] = field(default_factory=list)
    answered_at: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._left, self._renewed = self.burst, self.clock()
        self._lock = threading.Lock()
        self.loopback.answer = self.answer

    def answer(self, asked: Any) -> Any:
        with self._lock:
            now = self.clock()
            gained = (now - self._renewed) * self.per_second
            self._left, self._renewed = min(self.burst, self._left + gained), now
            allowed = self._left >= 1
            self._left -= allowed
            (self.answered_at if allowed else self.refused_at).append(now)
            headers = self._headers(allowed)
        if not allowed:
            return self.said({"error": {"message": "slow down"}}, 429, headers)
        self.clock.sleep(self.seconds)
        said = self.loopback.complete(asked)
        said.headers = headers
        return said

    def _headers(self, allowed: bool) -> dict[str, str]:
        reset_ms = 1000 * (self.burst - self._left) / self.per_second
        wait_ms = 1000 * (1 - self._left) / self.per_second
        headers = {"retry-after-ms": f"{wait_ms:.0f}"} if self.hint and not allowed else {}
        if self.tells:
            headers["x-ratelimit-limit-requests"] = f"{self.burst:.0f}"
            headers["x-ratelimit-remaining-requests"] = f"{int(self._left)}"
            headers["x-ratelimit-reset-requests"] = f"{reset_ms:.0f}ms"
        return headers
