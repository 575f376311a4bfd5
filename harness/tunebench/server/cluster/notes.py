"""What workers report on its way to the front. Without PyTorch: the actor starts at once."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import ray

from tunebench.server.cluster.connection import node_name
from tunebench.server.tuning.journal import Row

if TYPE_CHECKING:
    from tunebench.server.tuning.group import Group


class Notes:
    """An actor that keeps what workers report until the front takes it."""

    def __init__(self) -> None:
        self._notes: list[tuple[str, tuple[Any, ...]]] = []
        self._saved = 0

    def add(self, kind: str, *values: Any) -> None:
        """Keep a report."""
        self._notes.append((kind, values))
        if kind == "checkpoint":
            self._saved = values[0]

    def saved(self) -> int:
        """The last epoch with a checkpoint, as far as this run knows."""
        return self._saved

    def take(self) -> list[tuple[str, tuple[Any, ...]]]:
        """All reports since the last time."""
        taken, self._notes = self._notes, []
        return taken


class Sender:
    """The journal of a worker; only the first one's reports count."""

    def __init__(self, notes: Any, group: "Group", done: int) -> None:
        self._notes = notes
        self._group = group
        self._done = done

    def _send(self, kind: str, *values: Any) -> None:
        if self._group.rank == 0:
            ray.get(self._notes.add.remote(kind, *values))

    def started(self, sha256: str, max_tokens: int, messages: Sequence[tuple[str, str]]) -> None:
        """Send them, with the node of the worker, and the epoch that it continues after."""
        size = self._group.size
        among = f"The first of {size} workers" if size > 1 else "The worker"
        where = ("info", f"{among} is on the node {node_name()}")
        self._send("started", sha256, max_tokens, [*messages, where], self._done)

    def step(self, row: Row, total: int) -> None:
        """Send it."""
        self._send("step", row, total)

    def checkpoint(self, epoch: int, row: Row, seconds_left: int | None) -> None:
        """Send it; the files are in the shared storage."""
        self._send("checkpoint", epoch, row, seconds_left)

    def finished(self, rows: list[Row], steps: int) -> None:
        """Send it."""
        self._send("finished", rows, steps)
