"""The worker thread that computes all prompts: which is next, and which are computed together."""

import bisect
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from tunebench.server.http_errors import ApiError
from tunebench.server.inference.completion import Answer, Work
from tunebench.server.inference.decoding import ROWS, Together, compute
from tunebench.server.inference.prefill import prefill

MAX_WAITING_PROMPTS = 8192
MAX_WAITING_TOKENS = 4 << 20

_RETRY_AFTER = 5  # seconds
# × batch_tokens: limits the keys and values of a batch with a long head.
_WHOLE_LENGTH_FACTOR = 16
_MOST_ROWS = 4 * ROWS
# Of all completions that are decoded together: 1.5 GB of keys and values for SmolLM2.
_MOST_TOKENS = 1 << 16


class Client(NamedTuple):
    """Who waits for a prompt: the address, and the connection's port."""

    address: str
    port: int


@dataclass(eq=False)
class _Call:
    function: Callable[[], Any]
    cost: int
    future: Future[Any] = field(default_factory=Future)
    turn: float = 0.0


class Worker:
    """A thread that takes waiting prompts in batches.

    The connections take turns, by the cost of their prompts: a prompt's turn is the later of now
    and its connection's last turn, plus its cost. Among the connections of one address costs are
    shared, so that an address gets no more of the time by opening more. The first in turn leads the
    next batch; of those with the same model and head the ones nearest in length join it, up to
    ``batch_tokens``. Nobody waits forever: as time goes on, the turns of those who come are later.

    The tokens after prompts are decoded together, up to `ROWS` completions; while some are decoded
    and prompts wait, both get half of the time. Beyond `ROWS` only a far cheaper prompt joins.

    Attributes:
        batch_tokens: padded tokens in one batch, without heads.
        deterministic: every batch holds one prompt, and its tokens are decoded alone; between two
            of them a far cheaper prompt that has come is computed first. See ``--deterministic``.
    """

    def __init__(self, *, batch_tokens: int, deterministic: bool) -> None:
        self.batch_tokens = batch_tokens
        self.deterministic = deterministic
        self._changed = threading.Condition()
        self._waiting: list[Work | _Call] = []  # by turn
        self._turn = 0.0  # up to which all is computed
        self._last_turns: dict[Client, float] = {}  # of connections, where it is later than that
        self._closing = False
        self._together: dict[int, Together] = {}  # by the model's identity
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()

    def submit(self, works: Sequence[Work], client: Client) -> list[Future[Answer]]:
        """Queue prompts; their futures can be cancelled.

        Raises:
            ApiError: 429, too much is waiting already.
        """
        with self._changed:
            waiting = [work for work in self._left() if isinstance(work, Work)]
            tokens = sum(len(work.ids) for work in (*waiting, *works))
            if waiting and (
                len(waiting) + len(works) > MAX_WAITING_PROMPTS or tokens > MAX_WAITING_TOKENS
            ):
                raise ApiError(
                    429,
                    f"The queue is full: {len(waiting):,} prompts are waiting; retry in "
                    f"{_RETRY_AFTER} seconds.",
                    code="rate_limit_exceeded",
                    headers={"retry-after": str(_RETRY_AFTER)},
                )
            self._add(works, client)
        return [work.future for work in works]

    def call(
        self, function: Callable[[], Any], client: Client | None = None, cost: int = 0
    ) -> Future[Any]:
        """Run a function in the worker thread: in the client's turn, or without one at once."""
        call = _Call(function, cost)
        with self._changed:
            self._add([call], client)
        return call.future

    def close(self, timeout: float) -> bool:
        """Drop what waits and end the thread; whether it has ended.

        A forward pass or the loading of a model cannot be interrupted.
        """
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _add(self, items: Sequence[Work | _Call], client: Client | None) -> None:
        if client is not None:
            last = {one: turn for one, turn in self._last_turns.items() if turn > self._turn}
            turn = last.setdefault(client, self._turn)
            sharing = sum(one.address == client.address for one in last)
            for item in items:
                turn += item.cost * sharing
                item.turn = turn
            self._last_turns = {**last, client: turn}
        for item in items:
            bisect.insort(self._waiting, item, key=lambda one: one.turn)
        self._changed.notify()

    def _left(self) -> list[Work | _Call]:
        self._waiting = [item for item in self._waiting if not item.future.cancelled()]
        return self._waiting

    def _run(self) -> None:
        owed = 0.0  # seconds of decoding, for those that prompts have taken meanwhile
        while not self._closing:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._together or self._closing)
            started = time.monotonic()
            if owed <= 0 and self._take_turn():
                owed += time.monotonic() - started
            else:
                self._decode()
                owed -= time.monotonic() - started
            if not self._together:
                owed = 0.0
        for together in self._together.values():
            together.stop()

    def _take_turn(self, before: float = float("inf")) -> bool:
        """Compute what is first in turn, if its turn is before another one; whether there was."""
        with self._changed:
            if self._closing or not self._waiting or self._waiting[0].turn > before:
                return False
            if not self._left() or self._waiting[0].turn > before:
                return False
            first = self._waiting[0]
            if isinstance(first, _Call):
                del self._waiting[0]
            elif not (free := self._free_rows(first)):
                return False
            else:
                works = [item for item in self._waiting if isinstance(item, Work)]
                batch = choose_batch(works, 0 if self.deterministic else self.batch_tokens, free)
                taken = set(map(id, batch))
                self._waiting = [item for item in self._waiting if id(item) not in taken]
        if isinstance(first, _Call):
            _run_into(first.function, first.future)
        elif self.deterministic:
            self._compute(batch)
        else:
            self._start(batch)
            return True
        self._turn = max(self._turn, first.turn)
        return True

    def _free_rows(self, first: Work) -> int:
        """How many prompts with more than one new token may be taken now."""
        works = [work for together in self._together.values() for work in together.works]
        if not first.continues:
            return ROWS
        room = min(ROWS - len(works), (_MOST_TOKENS - sum(map(_length, works))) // _length(first))
        if room > 0 or not works:
            return max(1, room)
        half = (self._turn + max(work.turn for work in works)) / 2
        return int(len(works) < _MOST_ROWS and first.turn < half)

    def _start(self, batch: list[Work]) -> None:
        model = batch[0].model
        try:
            starts = prefill(batch)
            together = self._together.get(id(model)) or Together(model)
            for work, start in zip(batch, starts, strict=True):
                together.add(work, start)
        except Exception as error:
            _fail(batch, error)
            return
        if together:
            self._together[id(model)] = together
        self._note_turns(batch)

    def _decode(self) -> None:
        for key, together in list(self._together.items()):
            works = together.works
            try:
                together.step()
            except Exception as error:
                _fail(works, error)
            self._note_turns(works)
            # `step` drops those that have failed, too.
            if not together or all(work.future.done() for work in works):
                del self._together[key]

    def _note_turns(self, works: Sequence[Work]) -> None:
        done = [work.turn for work in works if work.future.done()]
        self._turn = max([self._turn, *done])

    def _compute(self, batch: list[Work]) -> None:
        def go_on() -> bool:
            # Half-way at the most: each one that interrupts another is half as expensive or less,
            # so that only a few are unfinished at a time.
            while self._take_turn(before=(self._turn + batch[0].turn) / 2):
                pass
            return not self._closing

        try:
            compute(batch, go_on)
        except Exception as error:
            _fail(batch, error)


def _length(work: Work) -> int:
    return len(work.ids) + work.parameters.max_tokens


def _fail(works: Sequence[Work], error: Exception) -> None:
    # An error must end neither the thread nor the answers that are set already.
    for work in works:
        with contextlib.suppress(InvalidStateError):
            work.future.set_exception(error)


def choose_batch(waiting: Sequence[Work], batch_tokens: int, most: int = ROWS) -> list[Work]:
    """The first prompt and those that can be batched with it, nearest in length first.

    `batch_tokens` limits rows × the longest tail; one prompt is taken even beyond it. At most
    `most` prompts with more than one new token are taken.
    """
    first = waiting[0]
    fitting = [w for w in waiting[1:] if w.model is first.model and w.head == first.head]
    fitting.sort(key=lambda work: abs(len(work.tail) - len(first.tail)))
    batch, longest = [first], len(first.tail)
    most -= first.continues
    for work in fitting:
        if work.continues and not most:
            continue
        longest = max(longest, len(work.tail))
        rows = len(batch) + 1
        whole = rows * (longest + len(first.head))
        if rows * longest > batch_tokens or whole > batch_tokens * _WHOLE_LENGTH_FACTOR:
            break
        batch.append(work)
        most -= work.continues
    return batch


def _run_into(function: Callable[[], Any], future: Future[Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        # Between two tokens the mode is on, and a model must not be loaded in it.
        with torch.inference_mode(False):
            future.set_result(function())
    except Exception as error:
        future.set_exception(error)
