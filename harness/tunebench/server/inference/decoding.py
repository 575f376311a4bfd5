"""The tokens after prompts: of one prompt alone, or of several together."""

from __future__ import annotations

import contextlib
import functools
from collections import deque
from concurrent.futures import InvalidStateError
from typing import TYPE_CHECKING

import torch

from tunebench.server.inference.completion import Answer, Completion, Generation, Work
from tunebench.server.inference.constraints import ConstraintError
from tunebench.server.inference.prefill import Start, prefill

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tunebench.server.inference.decoder import Rows, SeparateRows
    from tunebench.server.inference.language_model import LanguageModel
    from tunebench.server.inference.sampling import TokenLogprob

ROWS = 16
"""Completions that are decoded together; more only for cheap prompts that come in between."""


@torch.inference_mode()
def compute(batch: Sequence[Work], go_on: Callable[[], bool]) -> None:
    """Answer prompts of one model with one head, each alone after its prompt.

    Rows that are decoded together would change each other's bits. `go_on` is called before every
    token; False stops what is not finished.
    """
    for work, start in zip(batch, prefill(batch), strict=True):
        if work.future.cancelled():
            continue
        completions: list[Completion] = []
        try:
            for choice in range(work.parameters.n):
                generation = Generation(work, choice, start.prompt)
                if start.logits is not None:
                    _alone(generation, start.logits, start, go_on)
                completions.append(generation.finish())
        except ConstraintError as error:
            _fail(work, error)  # this answer only, and not those that are computed with it
        else:
            _answer(work, completions, start.prompt)


def _alone(
    generation: Generation, logits: torch.Tensor, start: Start, go_on: Callable[[], bool]
) -> None:
    model, past = generation.work.model, start.past
    while (token_id := generation.take(logits)) is not None:
        if generation.work.future.cancelled() or not go_on():
            break
        generation.send()
        hidden, past = model.forward(torch.tensor([[token_id]]), past)
        logits = model.logits(hidden[:, -1])[0]


def _answer(
    work: Work, completions: Sequence[Completion], prompt: tuple[TokenLogprob, ...]
) -> None:
    # A client may disconnect at any moment, which cancels the future.
    with contextlib.suppress(InvalidStateError):
        work.future.set_result(Answer(tuple(completions), prompt))


class Together:
    """The completions of one model that are decoded together; each joins and leaves by itself."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self._running: list[Generation] = []  # in the order of the rows
        self._tokens: list[int] = []  # the last one of each
        self._waiting: deque[tuple[Generation, Start]] = deque()
        self._finished: dict[Work, dict[int, Completion]] = {}

    def __len__(self) -> int:
        """Completions that are not finished."""
        return len(self._running) + len(self._waiting)

    @property
    def works(self) -> list[Work]:
        """The prompts of them."""
        running = [generation.work for generation in self._running]
        return running + [generation.work for generation, _ in self._waiting]

    @functools.cached_property
    def _rows(self) -> Rows | SeparateRows:
        return self._model.rows()

    @torch.inference_mode()
    def add(self, work: Work, start: Start) -> None:
        """Begin a computed prompt: its first completion at once, others when there is a row."""
        for choice in range(work.parameters.n):
            generation = Generation(work, choice, start.prompt)
            if choice and work.continues:
                self._waiting.append((generation, start))
            else:
                self._begin(generation, start)

    @torch.inference_mode()
    def step(self) -> None:
        """One more token of each that has a row."""
        self._drop_ended()
        while self._waiting and len(self._running) < ROWS:
            self._begin(*self._waiting.popleft())
        if not self._running:
            return
        logits = self._rows.step(self._tokens)
        for row in reversed(range(len(self._running))):
            generation = self._running[row]
            token_id = self._take(generation, logits[row])
            if token_id is None:
                self._leave(row)
                self._finish(generation)
            else:
                self._tokens[row] = token_id

    def stop(self) -> None:
        """End all with what they have."""
        for generation in [*self._running, *(generation for generation, _ in self._waiting)]:
            self._finish(generation)

    def _begin(self, generation: Generation, start: Start) -> None:
        token_id = None if start.logits is None else self._take(generation, start.logits)
        if token_id is None or start.past is None:
            self._finish(generation)
        else:
            self._rows.add(start.past)
            self._running.append(generation)
            self._tokens.append(token_id)

    def _take(self, generation: Generation, logits: torch.Tensor) -> int | None:
        try:
            token_id = generation.take(logits)
            if token_id is not None:
                generation.send()
        except Exception as error:  # of one completion: the others go on
            _fail(generation.work, error)
            return None
        return token_id

    def _leave(self, row: int) -> None:
        self._rows.remove(row)
        self._running[row], self._tokens[row] = self._running[-1], self._tokens[-1]
        del self._running[-1], self._tokens[-1]

    def _finish(self, generation: Generation) -> None:
        work = generation.work
        done = self._finished.setdefault(work, {})
        try:
            done[generation.choice] = generation.finish()
        except Exception as error:
            _fail(work, error)
        if len(done) == work.parameters.n:
            del self._finished[work]
            _answer(work, [done[choice] for choice in range(len(done))], generation.prompt)

    def _drop_ended(self) -> None:
        """Drop what nobody waits for: the client has left, or another completion failed."""
        for row in reversed(range(len(self._running))):
            if self._running[row].work.future.done():
                self._leave(row)
        self._waiting = deque(one for one in self._waiting if not one[0].work.future.done())
        self._finished = {w: done for w, done in self._finished.items() if not w.future.done()}


def _fail(work: Work, error: Exception) -> None:
    with contextlib.suppress(InvalidStateError):
        work.future.set_exception(error)
