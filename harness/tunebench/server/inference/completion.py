"""Computes prompts: their shared head, their tails in one pass, then token by token."""

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Literal

import torch

from tunebench.server.inference.models import LanguageModel
from tunebench.server.inference.prefix import KeyValues, cut, pieces
from tunebench.server.inference.sampling import (
    SamplingParameters,
    TokenLogprob,
    biased,
    choose,
    generator,
    report,
)
from tunebench.server.inference.token_bytes import RunningText

_HEAD_ROWS = 64  # positions whose logits are in memory at once: 64 MB for 262,144 tokens


@dataclass(frozen=True)
class Completion:
    """One completion of a prompt.

    Attributes:
        text: without the stop text, if one ended it.
        finish_reason: ``stop`` at a stop text or the model's own end, else ``length``.
        tokens: up to the one in which a stop text begins, the model's end token included.
        offsets: characters of ``text`` before each of them.
        token_count: tokens that were generated, those of the stop text included.
    """

    text: str
    finish_reason: Literal["stop", "length"]
    tokens: tuple[TokenLogprob, ...]
    offsets: tuple[int, ...]
    token_count: int


@dataclass(frozen=True)
class Answer:
    """A prompt's completions, and its own tokens' log-probabilities if requested."""

    completions: tuple[Completion, ...]
    prompt: tuple[TokenLogprob, ...] = ()


@dataclass(eq=False)
class Work:
    """A queued prompt: its model, tokens, parameters, and the future of its answer."""

    model: LanguageModel
    ids: tuple[int, ...]
    parameters: SamplingParameters
    future: Future[Answer] = field(default_factory=Future)

    def __post_init__(self) -> None:
        """Cut the prompt into a head, which others may share, and a tail."""
        self.cuts = cut(self.ids, self.model.token_bytes.ends_line)
        self.head = self.ids[: self.cuts[-1]] if self.cuts else ()
        self.tail = self.ids[len(self.head) :]


_Start = tuple[torch.Tensor, KeyValues]
"""The logits after a prompt, and its keys and values."""


@torch.inference_mode()
def compute(batch: Sequence[Work], go_on: Callable[[], bool]) -> None:
    """Answer prompts of one model with one head; each future gets its answer or the error.

    `go_on` is called before every token; False stops what is not finished.
    """
    wanted = [work for work in batch if work.parameters.max_tokens]
    starts = dict(zip(wanted, _prefill(wanted), strict=True)) if wanted else {}
    for work in batch:
        if work.future.cancelled():
            continue
        prompt = _prompt_logprobs(work) if work.parameters.prompt_logprobs else ()
        start = starts.pop(work, None)
        if start is None:
            completions = [Completion("", "length", (), (), 0)] * work.parameters.n
        else:
            completions = [
                _generate(work, start, choice, go_on) for choice in range(work.parameters.n)
            ]
        # A client may disconnect at any moment, which cancels the future.
        with contextlib.suppress(InvalidStateError):
            work.future.set_result(Answer(tuple(completions), prompt))


def _prefill(batch: Sequence[Work]) -> list[_Start]:
    model = batch[0].model
    past = _head(batch[0])
    lengths = torch.tensor([len(work.tail) for work in batch])
    ids = torch.zeros((len(batch), int(lengths.max())), dtype=torch.long)
    for row, work in enumerate(batch):
        ids[row, : len(work.tail)] = torch.tensor(work.tail)
    hidden, key_values = model.forward(ids, past)
    logits = model.logits(hidden[torch.arange(len(batch)), lengths - 1])
    return [
        (
            logits[row],
            [
                (keys[row : row + 1, :, : len(work.ids)], values[row : row + 1, :, : len(work.ids)])
                for keys, values in key_values
            ]
            if work.parameters.max_tokens > 1
            else [],
        )
        for row, work in enumerate(batch)
    ]


def _head(work: Work) -> KeyValues | None:
    """Keys and values of the head, from the longest prefix that is kept."""
    cache = work.model.prefixes
    past: KeyValues | None = None
    done = 0
    for end in reversed(work.cuts):
        past = cache.get(work.ids[:end])
        if past is not None:
            done = end
            break
    for start, end in pieces(work.head, work.cuts[:-1]) if work.head else []:
        if start >= done:
            _, past = work.model.forward(torch.tensor([work.ids[start:end]]), past)
            cache.put(work.ids[:end], past)
    return past


def _generate(work: Work, start: _Start, choice: int, go_on: Callable[[], bool]) -> Completion:
    """Continue one prompt alone: rows that are decoded together change each other's bits."""
    model, parameters = work.model, work.parameters
    running = RunningText(model.token_bytes, parameters.stop)
    source = generator(parameters, choice)
    tokens: list[TokenLogprob] = []
    offsets: list[int] = []
    count = 0
    logits, past = start
    while True:
        logits = biased(logits, parameters.logit_bias)
        token_id = choose(logits, parameters, source)
        count += 1
        if parameters.top_logprobs is not None:
            tokens.append(report(logits, token_id, parameters.top_logprobs))
            offsets.append(len(running.text))
        ended = token_id in model.end_ids
        if not ended:
            running.add(token_id)
        if ended or running.stopped or count == parameters.max_tokens:
            break
        if work.future.cancelled() or not go_on():
            break
        hidden, past = model.forward(torch.tensor([[token_id]]), past)
        logits = model.logits(hidden[:, -1])[0]
    running.finish()
    kept = sum(offset <= len(running.text) for offset in offsets)
    return Completion(
        text=running.text,
        finish_reason="stop" if ended or running.stopped else "length",
        tokens=tuple(tokens[:kept]),
        offsets=tuple(offsets[:kept]),
        token_count=count,
    )


def _prompt_logprobs(work: Work) -> tuple[TokenLogprob, ...]:
    """Log-probabilities of the prompt's own tokens; ``logit_bias`` does not apply to them."""
    count = work.parameters.top_logprobs or 0
    reports = [TokenLogprob(work.ids[0], None)]
    past: KeyValues | None = None
    for start, end in pieces(work.ids, work.cuts):
        hidden, past = work.model.forward(torch.tensor([work.ids[start:end]]), past)
        for first in range(start, end, _HEAD_ROWS):
            rows = hidden[0, first - start : min(first + _HEAD_ROWS, end) - start]
            following = work.ids[first + 1 : first + 1 + len(rows)]
            for logits, token_id in zip(work.model.logits(rows), following, strict=False):
                reports.append(report(logits, token_id, count))
    return tuple(reports)
