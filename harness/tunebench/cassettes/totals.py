"""Totals over recorded rows: tokens, times, servers and models.

A row holds the tokens and the time of its whole request, of which each prompt has its share.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from sys import intern
from typing import TYPE_CHECKING, NamedTuple

from tunebench.wire import Usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tunebench.cassettes.lines import RequestLine
    from tunebench.cassettes.reading import StoredAnswer


class Played(NamedTuple):
    """The part of a played row that counts for totals."""

    request: RequestLine
    recorded_at: str
    latency_ms: float
    prompts: int
    usage: tuple[int | None, int | None]

    @classmethod
    def of(cls, stored: StoredAnswer) -> Played:
        """From the row itself."""
        row = stored.row
        return cls(stored.request, intern(row.recorded_at), row.latency_ms, row.prompts, row.usage)


@dataclass(frozen=True)
class Totals:
    """Totals over the rows that were played.

    Attributes:
        prompt_tokens: 0 where the provider did not count them.
        completion_tokens: 0 where the provider did not count them.
        latency_ms_median: over the requests.
        seconds: over the requests.
        recorded_at: when the last answer came, ISO 8601.
        servers: the servers' names for their states.
        models: the models that answered, by the provider's account.
    """

    prompt_tokens: int
    completion_tokens: int
    latency_ms_median: float
    seconds: float
    recorded_at: str
    servers: list[str]
    models: list[str]


def totals_of(played: Iterable[Played]) -> Totals:
    """Totals over rows."""
    rows = list(played)
    usage = shares((row.usage, row.prompts) for row in rows)
    latencies = Counter((row.latency_ms, row.prompts) for row in rows)
    return Totals(
        prompt_tokens=usage.prompt_tokens or 0,
        completion_tokens=usage.completion_tokens or 0,
        latency_ms_median=_median(
            {one: Fraction(count, one[1]) for one, count in latencies.items()}
        ),
        seconds=sum(latency * count / prompts for (latency, prompts), count in latencies.items())
        / 1000,
        recorded_at=max((row.recorded_at for row in rows), default=""),
        servers=sorted({row.request.server for row in rows} - {""}),
        models=sorted({row.request.answered_by for row in rows} - {""}),
    )


def shares(taken: Iterable[tuple[tuple[int | None, int | None], int]]) -> Usage:
    """The tokens of some prompts: of each its share of the tokens of its request."""
    counts = Counter(taken)
    totals: list[int | None] = []
    for which in (0, 1):
        known = [(usage[which], prompts, n) for (usage, prompts), n in counts.items()]
        if any(tokens is None for tokens, _, _ in known):
            totals.append(None)
        else:
            totals.append(round(sum((tokens or 0) * n / prompts for tokens, prompts, n in known)))
    return Usage(totals[0], totals[1])


def _median(weights: Mapping[tuple[float, int], Fraction]) -> float:
    """The median of latencies, each weighted by the share of its request that was played."""
    half = sum(weights.values(), Fraction()) / 2
    reached = Fraction()
    lower: float | None = None
    for (latency, _), weight in sorted(weights.items()):
        if lower is not None:
            return (lower + latency) / 2
        reached += weight
        if reached > half:
            return latency
        if reached == half:
            lower = latency
    return lower or 0.0
