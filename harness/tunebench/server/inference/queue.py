"""The worker thread that computes all prompts, and which of them it computes together."""

import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from typing import Any

from tunebench.server.inference.completion import Answer, Work, compute

# × batch_tokens: limits the keys and values of a batch with a long head.
_WHOLE_LENGTH_FACTOR = 16


class Worker:
    """A thread that takes waiting prompts in batches.

    Prompts of different requests wait in one queue. The oldest is always in the next batch, so
    that none waits forever; of those with the same model and head the ones nearest in length join
    it, up to ``batch_tokens``.

    Batched or not, the tokens after a prompt are decoded for each prompt alone.

    Attributes:
        batch_tokens: padded tokens in one batch, without heads.
        deterministic: every batch holds one prompt. See ``--deterministic``.
    """

    def __init__(self, *, batch_tokens: int, deterministic: bool) -> None:
        self.batch_tokens = batch_tokens
        self.deterministic = deterministic
        self._inbox: queue.SimpleQueue[Work | tuple[Callable[[], Any], Future[Any]] | None]
        self._inbox = queue.SimpleQueue()
        self._waiting: list[Work] = []
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()

    def submit(self, works: Sequence[Work]) -> list[Future[Answer]]:
        """Queue prompts; their futures can be cancelled."""
        for work in works:
            self._inbox.put(work)
        return [work.future for work in works]

    def call(self, function: Callable[[], Any]) -> Future[Any]:
        """Run a function in the worker thread, before the prompts that wait."""
        future: Future[Any] = Future()
        self._inbox.put((function, future))
        return future

    def close(self, timeout: float) -> bool:
        """Drop what waits and end the thread; whether it has ended.

        A forward pass or the loading of a model cannot be interrupted.
        """
        self._closing.set()
        self._inbox.put(None)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._collect()
            if batch := self._next_batch():
                try:
                    compute(batch, lambda: not self._closing.is_set())
                except Exception as error:
                    # An error must end neither the thread nor the answers that are set already.
                    for work in batch:
                        with contextlib.suppress(InvalidStateError):
                            work.future.set_exception(error)

    def _collect(self) -> None:
        """Queue everything in the inbox; wait if there is nothing to do."""
        while not (self._inbox.empty() and self._waiting):
            item = self._inbox.get()
            if isinstance(item, Work):
                self._waiting.append(item)
            elif item is not None:
                _run_into(*item)
            if item is None or (self._inbox.empty() and not self._waiting):
                return

    def _next_batch(self) -> list[Work]:
        self._waiting = [work for work in self._waiting if not work.future.cancelled()]
        if not self._waiting:
            return []
        batch = choose_batch(self._waiting, 0 if self.deterministic else self.batch_tokens)
        taken = set(map(id, batch))
        self._waiting = [work for work in self._waiting if id(work) not in taken]
        return batch


def choose_batch(waiting: Sequence[Work], batch_tokens: int) -> list[Work]:
    """The oldest prompt and those that can be batched with it, nearest in length first.

    `batch_tokens` limits rows × the longest tail; one prompt is taken even beyond it.
    """
    oldest = waiting[0]
    fitting = [w for w in waiting[1:] if w.model is oldest.model and w.head == oldest.head]
    fitting.sort(key=lambda work: abs(len(work.tail) - len(oldest.tail)))
    batch, longest = [oldest], len(oldest.tail)
    for work in fitting:
        longest = max(longest, len(work.tail))
        rows = len(batch) + 1
        whole = rows * (longest + len(oldest.head))
        if rows * longest > batch_tokens or whole > batch_tokens * _WHOLE_LENGTH_FACTOR:
            break
        batch.append(work)
    return batch


def _run_into(function: Callable[[], Any], future: Future[Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(function())
    except Exception as error:
        future.set_exception(error)
