"""Totals over recorded rows: tokens, times, servers and models.

A row holds the tokens and the time of its whole request, of which each prompt has its share.
"""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from tunebench.wire import Usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from tunebench.cassettes.reading import StoredAnswer


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


class Tally:
    """Adds up rows; keeps 24 bytes of each request whose rows follow each other."""

    def __init__(self) -> None:
        self._usage: Counter[tuple[tuple[int | None, int | None], int]] = Counter()
        self._latencies, self._prompts, self._counts = array("d"), array("Q"), array("Q")
        self._last: tuple[float, int] | None = None
        self._recorded_at = ""
        self._names: set[tuple[str, str]] = set()

    def add(self, stored: StoredAnswer) -> None:
        """Add a row."""
        row, request = stored.row, stored.request
        self._usage[row.usage, row.prompts] += 1
        if self._last == (row.latency_ms, row.prompts):
            self._counts[-1] += 1
        else:
            self._last = row.latency_ms, row.prompts
            self._latencies.append(row.latency_ms)
            self._prompts.append(row.prompts)
            self._counts.append(1)
        self._recorded_at = max(self._recorded_at, row.recorded_at)
        self._names.add((request.server, request.answered_by))

    @property
    def totals(self) -> Totals:
        """Totals over the rows."""
        usage = _added(self._usage)
        values, counts, firsts = self._distinct()
        in_order = firsts.argsort()  # so that the sum has the same digits every time
        return Totals(
            prompt_tokens=usage.prompt_tokens or 0,
            completion_tokens=usage.completion_tokens or 0,
            latency_ms_median=_median(values, counts),
            seconds=sum(
                value.real * count / value.imag
                for value, count in _pairs(values[in_order], counts[in_order])
            )
            / 1000,
            recorded_at=self._recorded_at,
            servers=sorted({server for server, _ in self._names} - {""}),
            models=sorted({model for _, model in self._names} - {""}),
        )

    def _distinct(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """The pairs of latency and prompts, ascending, how often and where first each is there."""
        import numpy as np

        pairs = np.empty(len(self._prompts), dtype=np.complex128)
        pairs.real, pairs.imag = self._latencies, self._prompts
        values, firsts, which = np.unique(pairs, return_index=True, return_inverse=True)
        counts = np.zeros(len(values), dtype=np.int64)
        np.add.at(counts, which, np.asarray(self._counts, dtype=np.int64))
        return values, counts, firsts


def shares(taken: Iterable[tuple[tuple[int | None, int | None], int]]) -> Usage:
    """The tokens of some prompts: of each its share of the tokens of its request."""
    return _added(Counter(taken))


def _added(counts: Mapping[tuple[tuple[int | None, int | None], int], int]) -> Usage:
    totals: list[int | None] = []
    for which in (0, 1):
        known = [(usage[which], prompts, n) for (usage, prompts), n in counts.items()]
        if any(tokens is None for tokens, _, _ in known):
            totals.append(None)
        else:
            totals.append(round(sum((tokens or 0) * n / prompts for tokens, prompts, n in known)))
    return Usage(totals[0], totals[1])


def _pairs(values: NDArray[Any], counts: NDArray[Any]) -> Iterable[tuple[complex, int]]:
    return zip(values.tolist(), counts.tolist(), strict=True)


def _median(values: NDArray[Any], counts: NDArray[Any]) -> float:
    """The median of latencies, each weighted by the share of its request that was played."""
    rows: Counter[int] = Counter()
    for value, count in _pairs(values, counts):
        rows[int(value.imag)] += count
    half = sum((Fraction(count, prompts) for prompts, count in rows.items()), Fraction()) / 2
    reached = Fraction()
    lower: float | None = None
    for value, count in _pairs(values, counts):
        latency = value.real
        if lower is not None:
            return (lower + latency) / 2
        reached += Fraction(count, int(value.imag))
        if reached > half:
            return latency
        if reached == half:
            lower = latency
    return lower or 0.0
