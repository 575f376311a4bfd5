"""Time that passes only while all who could use it wait."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass
class _Sleeper:
    until: float
    can_be_woken: bool


class VirtualTime(threading.Condition):
    """The clock of a `Pacer`, and the condition that it waits on.

    It stands still while a thread works, and jumps to the next moment that one waits for once all
    of them wait. `complete` says how many there are; elsewhere it is one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._threads = 1
        self._sleepers: list[_Sleeper] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """What a provider calls that takes its time."""
        with self:
            self._sleep(seconds, can_be_woken=False)

    def wait(self, seconds: float) -> None:
        self._sleep(seconds, can_be_woken=True)

    def notify_all(self) -> None:
        for sleeper in self._sleepers:
            if sleeper.can_be_woken:
                sleeper.until = self.now
        super().notify_all()

    def complete(
        self, client: Any, prompts: Sequence[Any], threads: int, **options: Any
    ) -> list[Any]:
        """The replies to prompts that a client asks for one by one, in so many threads."""
        left = len(prompts)

        def done(_: int) -> None:
            nonlocal left
            with self:
                left -= 1
                self._threads = min(threads, left)
                self._jump()

        self._threads = min(threads, left)
        try:
            return client.complete("m", prompts, {"max_tokens": 1}, done=done, **options)
        finally:
            self._threads = 1

    def _sleep(self, seconds: float, *, can_be_woken: bool) -> None:
        sleeper = _Sleeper(self.now + seconds, can_be_woken)
        self._sleepers.append(sleeper)
        self._jump()
        while sleeper.until > self.now:
            assert super().wait(120), "a thread that time waits for neither works nor waits"
        self._sleepers.remove(sleeper)

    def _jump(self) -> None:
        asleep = [sleeper.until for sleeper in self._sleepers if sleeper.until > self.now]
        if asleep and len(asleep) >= self._threads:
            self.now = min(asleep)
            super().notify_all()
