"""A prompt in the queue, and its completions as they grow, token by token."""

import bisect
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Literal

import torch

from tunebench.server.inference.language_model import LanguageModel
from tunebench.server.inference.prefix import cut
from tunebench.server.inference.sampling import (
    Constraint,
    SamplingParameters,
    TokenLogprob,
    biased,
    choose,
    generator,
    reports,
)
from tunebench.server.inference.token_bytes import RunningText

_NEW_TOKEN_COST = 16


@dataclass(frozen=True)
class Completion:
    """One completion of a prompt, or a chunk of one.

    Attributes:
        text: without the stop text, if one ended it.
        finish_reason: ``stop`` at a stop text or the model's own end, else ``length``; None in a
            chunk that is not the last.
        tokens: up to the one in which a stop text begins, the model's end token included.
        offsets: characters of ``text`` before each of them.
        token_count: tokens that were generated, those of the stop text included.
    """

    text: str
    finish_reason: Literal["stop", "length"] | None
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
    """A queued prompt: its model, tokens, parameters, and the future of its answer.

    Attributes:
        on_chunk: called in the worker's thread with the number of a completion and its next chunk,
            alone in an answer; the prompt's tokens come with the first. Chunks join to the answer.
        constraint: makes what each completion keeps to, such as a grammar.
        turn: its place in the queue, which the worker sets.
    """

    model: LanguageModel
    ids: tuple[int, ...]
    parameters: SamplingParameters
    on_chunk: Callable[[int, Answer], None] | None = None
    constraint: Callable[[], Constraint] | None = None
    future: Future[Answer] = field(default_factory=Future)
    turn: float = 0.0

    def __post_init__(self) -> None:
        """Cut the prompt into a head, which others may share, and a tail."""
        self.cuts = cut(self.ids, self.model.token_bytes.ends_line)
        self.head = self.ids[: self.cuts[-1]] if self.cuts else ()
        self.tail = self.ids[len(self.head) :]

    @property
    def continues(self) -> bool:
        """Whether a pass for a new token may follow that of the prompt."""
        return self.parameters.max_tokens > 1

    @property
    def cost(self) -> int:
        """About how long it takes, in tokens of a prompt; a new token needs a pass of its own."""
        return len(self.ids) + _NEW_TOKEN_COST * self.parameters.n * self.parameters.max_tokens


class Generation:
    """One completion of a prompt as it grows.

    Args:
        work: the prompt.
        choice: the completion's number among the prompt's ``n``.
        prompt: the prompt's own tokens, if requested; they come with the first chunk.
    """

    def __init__(self, work: Work, choice: int, prompt: tuple[TokenLogprob, ...]) -> None:
        self.work = work
        self.choice = choice
        self.prompt = prompt
        self._running = RunningText(work.model.token_bytes, work.parameters.stop)
        self._source = generator(work.parameters, choice)
        self._constraint = work.constraint() if work.constraint else None
        self._tokens: list[TokenLogprob] = []
        self._offsets: list[int] = []
        self._count = 0
        self._ended = False
        self._unsent_prompt = prompt
        self._sent_text = 0
        self._sent_tokens = 0

    def take(self, logits: torch.Tensor) -> int | None:
        """Choose the next token, from logits of shape (vocabulary,); None if it is the last."""
        parameters, model, running = self.work.parameters, self.work.model, self._running
        logits = biased(logits, parameters.logit_bias)
        # Log-probabilities are the model's, as if there were no constraint.
        open_logits = logits
        if self._constraint is not None:
            open_logits = logits.masked_fill(~self._constraint.allowed(), -torch.inf)
        token_id = choose(open_logits, parameters, self._source)
        self._count += 1
        if parameters.top_logprobs is not None:
            [told] = reports(logits[None], [token_id], parameters.top_logprobs)
            self._tokens.append(told)
            self._offsets.append(len(running.text))
        is_end = token_id in model.end_ids
        # Only the end completes what follows a constraint.
        self._ended = is_end and not (parameters.ignore_end and self._constraint is None)
        if not is_end:
            running.add(token_id)
            if self._constraint is not None:
                self._constraint.accept(token_id)
                self._ended = self._constraint.finished
        if self._ended or running.stopped or self._count == parameters.max_tokens:
            return None
        return token_id

    def send(self) -> None:
        """Send what cannot change any more, if chunks are wanted."""
        if self.work.on_chunk:
            self._send(self._made(self._running.settled, len(self._tokens), None))

    def finish(self) -> Completion:
        """The whole completion, whose last chunk is sent."""
        running = self._running
        running.finish()
        kept = sum(offset <= len(running.text) for offset in self._offsets)
        stopped = self._ended or running.stopped
        made = self._made(running.text, kept, "stop" if stopped else "length")
        self._send(made)
        return made

    def _made(self, text: str, kept: int, reason: Literal["stop", "length"] | None) -> Completion:
        tokens, offsets = tuple(self._tokens[:kept]), tuple(self._offsets[:kept])
        return Completion(text, reason, tokens, offsets, self._count)

    def _send(self, made: Completion) -> None:
        """Send what is new in a completion so far: its text, and the tokens that begin in it."""
        end = bisect.bisect_right(made.offsets, len(made.text))
        new = slice(self._sent_tokens, end)
        chunk = replace(
            made,
            text=made.text[self._sent_text :],
            tokens=made.tokens[new],
            offsets=made.offsets[new],
        )
        if self.work.on_chunk and (chunk.text or chunk.tokens or chunk.finish_reason):
            self.work.on_chunk(self.choice, Answer((chunk,), self._unsent_prompt))
            self._sent_text, self._sent_tokens, self._unsent_prompt = len(made.text), end, ()
