"""Which rows are held out, and in what order a split gives its rows.

Both allow a file to grow. Whether a row is held out depends on its text alone, or on its group. The
order depends on the rows before: rows added at the end change nothing before them.
"""

from __future__ import annotations

import hashlib
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def item_id(key: str) -> str:
    """A text's item id: the first 16 hexadecimal digits of the normalised text's SHA-256."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def is_held_out(key: str, share: float, seed: int) -> bool:
    """Whether a text, or a group, is held out: ``sha256(f"{seed}:{key}") / 2**256 < share``.

    Other texts of the file and their order do not matter.

    Args:
        key: the normalised text, or the name of its group.
        share: of all texts or groups, between 0 and 1.
        seed: any integer; another seed holds out others.
    """
    return position(key, seed) < share


def position(key: str, seed: int) -> float:
    """Deterministic pseudo-random position of a text in [0, 1)."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{key}".encode()).digest()) / 2**256


class _Side:
    """One side of the split: the rows given, and a queue of waiting rows for each class."""

    def __init__(self) -> None:
        self.given: list[int] = []
        self._counts: dict[str, int] = {}
        self._queues: dict[str, deque[int]] = {}

    def take(self, row: int, label: str, seen: dict[str, int], total: int) -> None:
        self._queues.setdefault(label, deque()).append(row)
        while self._queues:
            place = len(self.given) + 1
            # In whole numbers: a class's share of the rows seen × this place, minus its rows.
            owed, _, label = max(
                (seen[name] * place - self._counts.get(name, 0) * total, -queue[0], name)
                for name, queue in self._queues.items()
            )
            if owed <= 0:
                return
            self.given.append(self._queues[label].popleft())
            self._counts[label] = self._counts.get(label, 0) + 1
            if not self._queues[label]:
                del self._queues[label]


def in_quotas(labels: Sequence[str], held_out: Iterable[bool]) -> tuple[list[int], list[int]]:
    """Put the rows of each side in an order whose every beginning is stratified.

    The rows are gone through once. A row waits in the queue of its class until its side has given
    fewer rows of that class than the class's share of all rows seen so far, of both sides; of
    several such classes the one that lacks most comes first. So, when a row is given, its class
    has less than one row more than that share of the side's rows; a class falls behind only as
    long as the side has no row of it. Rows that still wait at the end are not given.

    Args:
        labels: the class of each row.
        held_out: whether each row is a test row.

    Returns:
        The positions of the training rows and of the test rows, each in its order.
    """
    sides = _Side(), _Side()
    seen: dict[str, int] = {}
    for row, (label, held) in enumerate(zip(labels, held_out, strict=True)):
        seen[label] = seen.get(label, 0) + 1
        sides[held].take(row, label, seen, row + 1)
    return sides[0].given, sides[1].given
