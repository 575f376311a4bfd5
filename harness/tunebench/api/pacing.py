"""Pacing of requests while recording: as fast as the provider allows, and no faster.

Three things hold a request back: the limits that the experiment declares, the limits that the
provider's answers state, and how many requests are under way. The last follows from the answers:
more while they come, half as many when the provider refuses one for its pace. Such a refusal slows
all requests to that provider down, not only the one that was refused, so it is repeated here and
not by the `openai` package, which repeats the other failures.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import openai

from tunebench.api.rate_headers import Window, retry_after, windows_of
from tunebench.api.refusals import used_up
from tunebench.errors import TunebenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import httpx2

    from tunebench.wire import Answers, Embeddings

    _AnyReply = Answers | Embeddings
    _Reply = TypeVar("_Reply", Answers, Embeddings)

# "Too many requests" and "service unavailable".
_SLOW_DOWN = (429, 503)
# After so many refusals in a row, with no answer in between, it gives up: about a minute, which is
# the usual window, where the provider does not say how long to wait.
_MAX_CONSECUTIVE_REFUSALS = 7
_FIRST_WAIT = 0.5
# A provider that asks for a longer wait, such as until tomorrow, is not waited for.
_LONGEST_WAIT = 600.0
# A limit of a day may state its reset, too, while it still lets requests through every few seconds.
_LONGEST_RESET = 60.0
# After a refusal each answer brings the next two requests closer by this factor.
_CLOSER = 0.98
_LOOK_UP_SECONDS = 0.5
# A longer wait is reported.
_WORTH_REPORTING = 5.0
# The reasons for a wait, before the number of seconds.
_ASKED = "the provider asks to wait"
_REFUSED = "the provider refuses requests and does not say for how long; trying again in"
_USED_UP = "the provider's limit of {} is used up; it is renewed in"


@dataclass
class _Spacing:
    """A limit that is kept by sending at even intervals, so that no minute ever holds more."""

    kind: str
    gap: float  # seconds for each request or token
    why: str
    next_at: float = float("-inf")

    def take(self, amount: float, now: float) -> None:
        self.next_at = max(self.next_at, now) + amount * self.gap

    def correct(self, amount: float) -> None:
        self.next_at += amount * self.gap


@dataclass
class _Allowance:
    """A limit that the provider states: what may still be sent before it is renewed."""

    remaining: float
    renewed_at: float
    window: Window


class Pacer:
    """The pace of the requests to one provider, from any thread.

    Args:
        ceiling: how many requests may be under way at once at most.
        requests_per_minute: the declared limit, or None.
        tokens_per_minute: the declared limit of prompt and completion tokens, or None.
        repeats: whether a request that the provider refused for its pace is sent again.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        ceiling: int = 1,
        *,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        repeats: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._granted = _Spacing(
            "requests", 0.0, "the provider refused what came faster; going on in"
        )
        self._spacings = [self._granted]
        for kind, limit in (("requests", requests_per_minute), ("tokens", tokens_per_minute)):
            if limit is not None:
                why = f"{kind}_per_minute is kept; the next request leaves in"
                self._spacings.append(_Spacing(kind, 60 / limit, why))
        self._allowances: dict[str, _Allowance] = {}
        self._ceiling = ceiling
        self._window = float(min(2, ceiling))
        self._max_refusals = _MAX_CONSECUTIVE_REFUSALS if repeats else 0
        self._clock = clock
        self._changed = threading.Condition()
        self._under_way = 0
        self._not_before = self._slowed_at = float("-inf")
        self._refusal = ""
        self._reported_until: dict[str, float] = {}
        self._refused_in_a_row = self._answered_since = 0

    def ask(
        self,
        request: Callable[[], _Reply],
        tokens: int,
        go_on: Callable[[], None],
        say: Callable[[str], None] = lambda _: None,
    ) -> _Reply:
        """Make a request as soon as the limits allow it, and again after a refusal for its pace.

        Args:
            request: makes it. An error whose cause is a status 429 or 503 is a refusal.
            tokens: its estimated number.
            go_on: called while waiting and before sending; raises to give up.
            say: called with a line about a wait of some seconds or more, once for all requests
                that wait.

        Raises:
            TunebenchError: the request failed for another reason, or the provider refused all
                requests for too long or will for too long.
        """
        cost = {"requests": 1.0, "tokens": float(tokens)}
        while True:
            with self._turn(cost, go_on, say) as left_at:
                try:
                    reply = request()
                except TunebenchError as error:
                    refusal = error.__cause__
                    if not (
                        isinstance(refusal, openai.APIStatusError)
                        and refusal.status_code in _SLOW_DOWN
                        and not used_up(refusal.body)
                        and self._slow_down(refusal.response.headers, left_at)
                    ):
                        raise
                    continue
                self._answered(reply, cost, left_at)
                return reply

    def hear(self, response: httpx2.Response) -> None:
        """Learn from an answer's head; a hook of the HTTP client.

        A refusal is kept from the `openai` package, which would repeat it in one thread while the
        others go on.
        """
        if not response.request.url.path.endswith(("/completions", "/embeddings")):
            return
        if response.status_code in _SLOW_DOWN:
            response.headers["x-should-retry"] = "false"
        with self._changed:
            now = self._clock()
            for kind, window in windows_of(response.headers, time.time()).items():
                # It may not count the requests sent since.
                others = self._under_way - 1 if kind == "requests" else 0
                renewed_at = now + min(window.reset, _LONGEST_RESET)
                self._allowances[kind] = _Allowance(window.remaining - others, renewed_at, window)

    @contextmanager
    def _turn(
        self, cost: Mapping[str, float], go_on: Callable[[], None], say: Callable[[str], None]
    ) -> Iterator[float]:
        with self._changed:
            go_on()
            while (wait := self._wait(cost, say)) > 0:
                self._changed.wait(min(wait, _LOOK_UP_SECONDS))
                go_on()
            now = self._clock()
            self._under_way += 1
            for spacing in self._spacings:
                spacing.take(cost[spacing.kind], now)
            for kind, allowance in self._allowances.items():
                allowance.remaining -= cost[kind]
        try:
            yield now
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def _wait(self, cost: Mapping[str, float], say: Callable[[str], None]) -> float:
        """Seconds after which it is worth looking again; 0 if a request may leave."""
        if self._under_way >= int(self._window):
            return _LOOK_UP_SECONDS
        now = self._clock()
        until = [(spacing.next_at, spacing.why) for spacing in self._spacings]
        until.append((self._not_before, self._refusal))
        for kind, allowance in list(self._allowances.items()):
            if allowance.renewed_at <= now:
                if allowance.window.limit is None:
                    del self._allowances[kind]
                    continue
                allowance.remaining = allowance.window.limit
                allowance.renewed_at = now + min(allowance.window.reset, _LONGEST_RESET)
            if allowance.remaining < cost[kind]:
                until.append((allowance.renewed_at, _USED_UP.format(kind)))
        end, why = max(until)
        if end - now > _WORTH_REPORTING and self._is_news(why, end):
            say(f"{why} {end - now:.0f} s")
        return max(0.0, end - now)

    def _is_news(self, why: str, end: float) -> bool:
        if end <= self._reported_until.get(why, float("-inf")) + _WORTH_REPORTING:
            return False
        # A wait for a spacing comes again with each request.
        spaced = {spacing.why for spacing in self._spacings}
        self._reported_until[why] = float("inf") if why in spaced else end
        return True

    def _answered(self, reply: _AnyReply, cost: Mapping[str, float], left_at: float) -> None:
        with self._changed:
            used = reply.prompt_tokens + reply.completion_tokens
            taken = {"requests": 1.0, "tokens": float(used or cost["tokens"])}
            self._refused_in_a_row = 0
            self._answered_since += 1
            if left_at > self._slowed_at:
                self._speed_up()
            for spacing in self._spacings:
                spacing.correct(taken[spacing.kind] - cost[spacing.kind])

    def _speed_up(self) -> None:
        # Twice as many a round until the first refusal, then one more a round.
        more = 1.0 if self._slowed_at == float("-inf") else 1 / self._window
        self._window = min(self._window + more, self._ceiling)
        self._granted.gap *= _CLOSER

    def _slow_down(self, headers: Mapping[str, str], left_at: float) -> bool:
        """Ask for less, and pause as asked; False where there is no use in waiting."""
        with self._changed:
            now = self._clock()
            # Requests sent before the last refusal met the same full queue: it counts once.
            if left_at > self._slowed_at:
                # Where a few requests are too many already, the provider grants the pace of the
                # answers since the last refusal, its pause included.
                if self._slowed_at > float("-inf") and self._answered_since:
                    self._granted.gap = (now - self._slowed_at) / self._answered_since
                self._window = max(1.0, self._window / 2)
                self._slowed_at = now
                self._answered_since = 0
                self._refused_in_a_row += 1
            pause = retry_after(headers, time.time())
            self._refusal = _REFUSED if pause is None else _ASKED
            if pause is None:
                renewed = [a.renewed_at - now for a in self._allowances.values() if a.remaining < 1]
                blind = _FIRST_WAIT * 2 ** (self._refused_in_a_row - 1)
                pause = max(renewed, default=blind)
            if self._refused_in_a_row > self._max_refusals or pause > _LONGEST_WAIT:
                return False
            self._not_before = max(self._not_before, now + pause)
            return True
