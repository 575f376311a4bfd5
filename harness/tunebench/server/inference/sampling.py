"""Sampling of a token from logits, and its log-probabilities.

Log-probabilities are natural logarithms in float32, after ``logit_bias`` and before temperature
and ``top_p``: they describe the model with the bias, not how the token was drawn.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch


@dataclass(frozen=True)
class SamplingParameters:
    """How a completion is sampled.

    Attributes:
        max_tokens: the most tokens; 0 only computes the prompt.
        temperature: 0 takes the likeliest token.
        top_p: tokens are drawn from the smallest set of likeliest ones with this probability.
        seed: the same seed and prompt give the same answer; None is random.
        stop: texts before which a completion ends.
        logit_bias: token id and what is added to its logit.
        top_logprobs: how many alternatives are reported for a token; None reports no tokens.
        n: completions of the prompt.
        prompt_logprobs: whether the prompt's own tokens are reported too.
        ignore_end: whether a completion goes on after the model's own end.
    """

    max_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    logit_bias: tuple[tuple[int, float], ...] = ()
    top_logprobs: int | None = None
    n: int = 1
    prompt_logprobs: bool = False
    ignore_end: bool = False


class Constraint(Protocol):
    """What a completion keeps to, token by token."""

    finished: bool
    """Whether the completion is whole and ends here."""

    def allowed(self) -> torch.Tensor:
        """Which tokens may come next: booleans, shape (vocabulary,)."""

    def accept(self, token_id: int) -> None:
        """Note the token that was chosen."""


@dataclass(frozen=True)
class TokenLogprob:
    """A token, its log-probability, and the likeliest tokens in its place.

    ``logprob`` is None for a prompt's first token.
    """

    token_id: int
    logprob: float | None
    top: tuple[tuple[int, float], ...] = ()


def biased(logits: torch.Tensor, bias: tuple[tuple[int, float], ...]) -> torch.Tensor:
    """Logits with the bias added, shape (vocabulary,); the given ones stay as they are."""
    if not bias:
        return logits
    ids, values = zip(*bias, strict=True)
    added = torch.tensor(values, dtype=logits.dtype)
    return logits.index_add(0, torch.tensor(ids), added)


def reports(logits: torch.Tensor, ids: Sequence[int], count: int) -> list[TokenLogprob]:
    """Log-probabilities of a token in each row of (biased) logits, shape (rows, vocabulary)."""
    if not ids:
        return []
    logprobs = torch.log_softmax(logits, dim=-1)
    own = logprobs[torch.arange(len(ids)), torch.tensor(ids)].tolist()
    if not count:
        return [TokenLogprob(token_id, each) for token_id, each in zip(ids, own, strict=True)]
    places = _likeliest(logprobs, min(count, logprobs.shape[-1]))
    top = logprobs.gather(-1, places)
    return [
        TokenLogprob(token_id, each, tuple(zip(likeliest, values, strict=True)))
        for token_id, each, likeliest, values in zip(
            ids, own, places.tolist(), top.tolist(), strict=True
        )
    ]


def _likeliest(logprobs: torch.Tensor, count: int) -> torch.Tensor:
    """The token ids of the largest log-probabilities of each row, the largest first."""
    if count == 1:
        # NumPy finds it in a tenth of the time, which is a tenth of an echo's.
        return torch.from_numpy(logprobs.numpy().argmax(-1, keepdims=True))
    return torch.topk(logprobs, count).indices


def generator(parameters: SamplingParameters, choice: int) -> torch.Generator | None:
    """The random generator of one completion; None at temperature 0.

    Only the seed and the completion's number among ``n`` decide its state, so that a prompt's
    answer does not depend on its place in the request.
    """
    if parameters.temperature == 0:
        return None
    source = torch.Generator()
    if parameters.seed is None:
        source.seed()
    else:
        digest = hashlib.sha256(f"{parameters.seed} {choice}".encode()).digest()
        source.manual_seed(int.from_bytes(digest[:8], "big") >> 1)
    return source


def choose(
    logits: torch.Tensor, parameters: SamplingParameters, source: torch.Generator | None
) -> int:
    """The next token, from (biased) logits of shape (vocabulary,)."""
    if source is None:
        return int(logits.argmax())
    # The maximum becomes 0, so that a tiny temperature makes no infinity.
    probabilities = torch.softmax((logits.double() - logits.max()) / parameters.temperature, dim=-1)
    if parameters.top_p < 1:
        ordered, places = probabilities.sort(descending=True, stable=True)
        outside = ordered.cumsum(0) - ordered >= parameters.top_p
        outside[0] = False
        probabilities[places[outside]] = 0
    return int(torch.multinomial(probabilities, 1, generator=source))
