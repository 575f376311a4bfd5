"""Computes prompts: their shared head, then their tails in one pass."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from tunebench.server.inference.completion import Work
from tunebench.server.inference.language_model import LanguageModel
from tunebench.server.inference.prefix import KeyValues, Prefix, pieces
from tunebench.server.inference.sampling import TokenLogprob, reports

_HEAD_ROWS = 64  # positions whose logits are in memory at once: 64 MB for 262,144 tokens


@dataclass(frozen=True)
class Start:
    """A computed prompt, from which completions start.

    Attributes:
        logits: of the token after it; None if no token is wanted.
        past: its keys and values; empty if no more than one token is wanted.
        prompt: its own tokens, if requested; ``logit_bias`` does not apply to them.
    """

    logits: torch.Tensor | None = None
    past: KeyValues | None = None
    prompt: tuple[TokenLogprob, ...] = ()


@torch.inference_mode()
def prefill(batch: Sequence[Work]) -> list[Start]:
    """Compute prompts of one model with one head, each without what it does not need."""
    wanted = [w for w in batch if w.parameters.max_tokens or w.parameters.prompt_logprobs]
    if not wanted:
        return [Start()] * len(batch)
    model = batch[0].model
    echoed = [work for work in wanted if work.parameters.prompt_logprobs]
    past, heads = _head(batch[0], whole=bool(echoed))
    lengths = torch.tensor([len(work.tail) for work in wanted])
    ids = torch.zeros((len(wanted), int(lengths.max())), dtype=torch.long)
    for row, work in enumerate(wanted):
        ids[row, : len(work.tail)] = torch.tensor(work.tail)
    hidden, key_values = model.forward(ids, past)
    logits = model.logits(hidden[torch.arange(len(wanted)), lengths - 1])
    echo = _Echo(model, batch[0].head, heads) if echoed else None
    starts = {
        work: Start(
            logits[row] if work.parameters.max_tokens else None,
            [
                (keys[row : row + 1, :, : len(work.ids)], values[row : row + 1, :, : len(work.ids)])
                for keys, values in key_values
            ]
            if work.continues
            else None,
            echo.of(work, hidden[row, : len(work.tail)])
            if echo and work.parameters.prompt_logprobs
            else (),
        )
        for row, work in enumerate(wanted)
    }
    return [starts.get(work, Start()) for work in batch]


def _head(work: Work, *, whole: bool) -> tuple[KeyValues | None, list[torch.Tensor]]:
    """Keys and values of the head, from the longest prefix that is kept.

    With ``whole``, also the hidden states of each of its pieces.
    """
    cache = work.model.prefixes
    past: KeyValues | None = None
    hidden: list[torch.Tensor] = []
    done = 0
    for end in work.cuts if whole else reversed(work.cuts):
        kept = cache.get(work.ids[:end])
        if kept is not None:
            past, done = kept.key_values, end
            hidden.append(kept.hidden)
        if (kept is None) == whole:
            break
    for start, end in pieces(work.head, work.cuts[:-1]) if work.head else []:
        if start >= done:
            computed, past = work.model.forward(torch.tensor([work.ids[start:end]]), past)
            hidden.append(computed[0])
            cache.put(work.ids[:end], Prefix(past, computed[0]))
    return past, hidden


class _Echo:
    """The log-probabilities of prompts' own tokens; those of a shared head are computed once."""

    def __init__(
        self, model: LanguageModel, head: Sequence[int], hidden: Sequence[torch.Tensor]
    ) -> None:
        self._model = model
        self._head = head
        self._hidden = hidden
        self._known: dict[int, tuple[list[TokenLogprob], torch.Tensor | None]] = {}

    def of(self, work: Work, hidden: torch.Tensor) -> tuple[TokenLogprob, ...]:
        """The prompt's tokens; ``hidden`` is that of its tail."""
        count = work.parameters.top_logprobs or 0
        if count not in self._known:
            self._known[count] = self._of(self._hidden, self._head[1:], count)
        head, last = self._known[count]
        between = [] if last is None else reports(last, work.tail[:1], count)
        tail, _ = self._of([hidden], work.tail[1:], count)
        return (TokenLogprob(work.ids[0], None), *head, *between, *tail)

    def _of(
        self, hidden: Sequence[torch.Tensor], following: Sequence[int], count: int
    ) -> tuple[list[TokenLogprob], torch.Tensor | None]:
        """The tokens after each position but the last, and that one's logits."""
        made: list[TokenLogprob] = []
        last: torch.Tensor | None = None
        for piece in hidden:
            for first in range(0, len(piece), _HEAD_ROWS):
                logits = self._model.logits(piece[first : first + _HEAD_ROWS])
                ids = following[len(made) : len(made) + len(logits)]
                made += reports(logits[: len(ids)], ids, count)
                last = logits[-1:]
        return made, last
