"""How fast a provider is asked while recording: as fast as it allows, and no faster.

Three things hold a request back: the limits that the experiment declares, the limits that the
provider's answers tell, and how many requests are under way. The last follows from the answers:
more while they come, half as many when the provider says that it has too much to do. Such a refusal
slows all requests to that provider down, not only the one that was refused, so it is repeated here
and not by the `openai` package, which repeats whatever else fails.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import openai

from tunebench.api.failures import used_up
from tunebench.api.rate_headers import Window, retry_after, windows_of
from tunebench.errors import TunebenchError
from tunebench.wire import parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import httpx2

    from tunebench.api.answers import Prompt


class _Reply(Protocol):
    @property
    def prompt_tokens(self) -> int: ...
    @property
    def completion_tokens(self) -> int: ...


_R = TypeVar("_R", bound=_Reply)

# "Too many requests" and "service unavailable".
_SLOW_DOWN = (429, 503)
# So many times in a row, with no answer in between, all requests may be refused: about a minute,
# which is the usual window, where the provider does not say how long to wait.
_PATIENCE = 7
_FIRST_WAIT = 0.5
# Who says to come back later than this, such as tomorrow, is not waited for.
_LONGEST_WAIT = 600.0
# A limit of a day may tell its reset, too, while it still lets requests through every few seconds.
_LONGEST_RESET = 60.0
# After a refusal each answer brings the next two requests closer by so much.
_CLOSER = 0.98
_LOOK_UP_SECONDS = 0.5
# Who records is told of a wait that is longer.
_WORTH_TELLING = 5.0
# What is told, before the number of seconds.
_ASKED = "the provider asks to wait"
_REFUSED = "the provider refuses requests and does not say for how long; trying again in"
_USED_UP = "the provider's limit of {} is used up; it is renewed in"


@dataclass
class _Spacing:
    """A limit that is kept by spreading what leaves evenly, so that no minute ever holds more."""

    kind: str
    gap: float  # seconds for each request or token
    why: str
    next_at: float = float("-inf")

    def take(self, amount: float, now: float) -> None:
        self.next_at = max(self.next_at, now) + amount * self.gap

    def correct(self, amount: float) -> None:
        self.next_at += amount * self.gap


@dataclass
class _Told:
    """A limit that the provider told: what may still leave before it is renewed."""

    remaining: float
    renewed_at: float
    window: Window


class Pacer:
    """Lets the requests to one provider leave, from any thread.

    Args:
        ceiling: how many requests may be under way at once at the most.
        requests_per_minute: declared limit, or None.
        tokens_per_minute: declared limit of prompt and completion tokens, or None.
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
        self._told: dict[str, _Told] = {}
        self._ceiling = ceiling
        self._window = float(min(2, ceiling))
        self._patience = _PATIENCE if repeats else 0
        self._clock = clock
        self._changed = threading.Condition()
        self._under_way = 0
        self._not_before = self._slowed_at = float("-inf")
        self._refusal = ""
        self._told_until: dict[str, float] = {}
        self._refused_in_a_row = self._answered_since = 0

    def ask(
        self,
        request: Callable[[], _R],
        tokens: int,
        go_on: Callable[[], None],
        say: Callable[[str], None] = lambda _: None,
    ) -> _R:
        """Make a request when it may leave, and again when the provider had too much to do.

        Args:
            request: makes it. An error whose cause is a status 429 or 503 is a refusal.
            tokens: what it will take, estimated.
            go_on: called while waiting and before leaving; raises to give up.
            say: told of a wait of more than some seconds, once for all requests that wait.

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
        others go on. A limit of money, rather than of pace, is repeated by nobody.
        """
        completions = response.request.url.path.endswith("/completions")
        if (completions and response.status_code in _SLOW_DOWN) or _is_used_up(response):
            response.headers["x-should-retry"] = "false"
        if not completions:
            return
        with self._changed:
            now = self._clock()
            for kind, window in windows_of(response.headers, time.time()).items():
                # What left since may not be counted in it yet.
                others = self._under_way - 1 if kind == "requests" else 0
                renewed_at = now + min(window.reset, _LONGEST_RESET)
                self._told[kind] = _Told(window.remaining - others, renewed_at, window)

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
            for kind, told in self._told.items():
                told.remaining -= cost[kind]
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
        for kind, told in list(self._told.items()):
            if told.renewed_at <= now:
                if told.window.limit is None:
                    del self._told[kind]
                    continue
                told.remaining = told.window.limit
                told.renewed_at = now + min(told.window.reset, _LONGEST_RESET)
            if told.remaining < cost[kind]:
                until.append((told.renewed_at, _USED_UP.format(kind)))
        end, why = max(until)
        if end - now > _WORTH_TELLING and self._is_news(why, end):
            say(f"{why} {end - now:.0f} s")
        return max(0.0, end - now)

    def _is_news(self, why: str, end: float) -> bool:
        if end <= self._told_until.get(why, float("-inf")) + _WORTH_TELLING:
            return False
        # A wait for a spacing comes again with each request.
        spaced = {spacing.why for spacing in self._spacings}
        self._told_until[why] = float("inf") if why in spaced else end
        return True

    def _answered(self, reply: _Reply, cost: Mapping[str, float], left_at: float) -> None:
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
        """Ask for less, and pause as told; False where there is no use in waiting."""
        with self._changed:
            now = self._clock()
            # What left before the last refusal met the same full queue: it counts once.
            if left_at > self._slowed_at:
                # Where few requests are too many already, the pace of the answers since the last
                # refusal, its pause included, is what the provider grants.
                if self._slowed_at > float("-inf") and self._answered_since:
                    self._granted.gap = (now - self._slowed_at) / self._answered_since
                self._window = max(1.0, self._window / 2)
                self._slowed_at = now
                self._answered_since = 0
                self._refused_in_a_row += 1
            told = retry_after(headers, time.time())
            self._refusal = _REFUSED if told is None else _ASKED
            if told is None:
                renewed = [t.renewed_at - now for t in self._told.values() if t.remaining < 1]
                blind = _FIRST_WAIT * 2 ** (self._refused_in_a_row - 1)
                told = max(renewed, default=blind)
            if self._refused_in_a_row > self._patience or told > _LONGEST_WAIT:
                return False
            self._not_before = max(self._not_before, now + told)
            return True


def _is_used_up(response: httpx2.Response) -> bool:
    if response.status_code != 429 and response.status_code < 500:
        return False
    try:
        return used_up(parsed(response.read()))
    except ValueError:
        return False


def estimated_tokens(prompts: Iterable[Prompt], parameters: Mapping[str, Any]) -> int:
    """What a request will take, as providers reckon beforehand: prompts and `max_tokens`.

    Four bytes of UTF-8 count as a token, which is usual in English.
    """
    most = parameters.get("max_completion_tokens") or parameters.get("max_tokens") or 0
    return sum(len(_text(prompt).encode(errors="replace")) // 4 + 1 + most for prompt in prompts)


def _text(prompt: Prompt) -> str:
    return prompt if isinstance(prompt, str) else "".join(part["content"] for part in prompt)
