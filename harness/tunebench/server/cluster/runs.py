"""Jobs as runs of Ray Train.

A job is a Ray task on the front's node that waits for the run. Its workers send what they report to
an actor; the front takes it from there, as only the front writes into the database.
"""

import contextlib
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError
from ray.util import placement_group_table

from tunebench.server.cluster.connection import counted, here, on_node, room_for
from tunebench.server.cluster.notes import Notes
from tunebench.server.cluster.workers import RunSettings, run
from tunebench.server.inference.weights import whole_folder
from tunebench.server.tuning import jobs
from tunebench.server.tuning.journal import DatabaseJournal, GoneError
from tunebench.server.tuning.run import Work
from tunebench.server.tuning.storage import Storage, private

_ANSWER_SECONDS = 30
_WORD_SECONDS = 15
"""How long a job waits before its events say for what."""
_CAPACITY_SECONDS = 120
"""How long a job waits in a cluster that has become too small for it."""


class RayRun:
    """The run of one job, seen from the front."""

    def __init__(self, storage: Storage, name: str, work: Work, settings: RunSettings) -> None:
        self.returncode: int | None = None
        self._storage = storage
        self._name = name
        self._settings = settings
        self._journal = DatabaseJournal(storage, name)
        self._waiting: deque[tuple[str, tuple[Any, ...]]] = deque()
        self._starts = 0
        self._heard = time.monotonic()
        self._checked = self._heard
        self._said_waits = False
        self._small_since: float | None = None
        near = on_node(here())
        self._notes = ray.remote(Notes).options(num_cpus=0, scheduling_strategy=near).remote()
        task = ray.remote(run).options(num_cpus=0, max_retries=0, scheduling_strategy=near)
        self._task = task.remote(name, work, settings, self._notes)
        self._taken = self._notes.take.remote()

    def poll(self) -> int | None:
        """Write down what is reported; the status once the run has ended."""
        if self.returncode is not None:
            return self.returncode
        ended, _ = ray.wait([self._task], timeout=0)
        try:
            self._take(wait=bool(ended))
        except RayActorError:
            self.returncode = 1
            return 1
        try:
            while self._waiting:
                self._heard = time.monotonic()
                self._small_since = None
                self._write(*self._waiting[0])
                self._waiting.popleft()  # last: what fails on a full disk is tried again
        except GoneError:
            self.returncode = 0
        if self.returncode is None and ended:
            self.returncode = self._status()
        if self.returncode is None:
            self._check_capacity()
        return self.returncode

    def kill(self) -> None:
        """End the run: with the task end the actors that it has started."""
        with contextlib.suppress(RayError):
            ray.cancel(self._task, force=True)
            ray.wait([self._task], timeout=_ANSWER_SECONDS)
            ray.kill(self._notes)
        with self._storage.reading() as connection:
            over = jobs.find(connection, self._name)["status"] not in jobs.ACTIVE
        if over:
            with contextlib.suppress(OSError):
                self._settings.storage.remove(self._name)

    def _take(self, *, wait: bool) -> None:
        # While the actor starts, and on a busy machine, the other jobs are not kept waiting.
        if wait or ray.wait([self._taken], timeout=0)[0]:
            self._waiting.extend(ray.get(self._taken, timeout=_ANSWER_SECONDS))
            self._taken = self._notes.take.remote()
        if wait:
            self._waiting.extend(ray.get(self._taken, timeout=_ANSWER_SECONDS))
            self._taken = self._notes.take.remote()

    def _write(self, kind: str, values: tuple[Any, ...]) -> None:
        if kind == "failed":
            jobs.fail(self._storage, self._name, *values)
            raise GoneError
        if kind == "started":
            self._starts += 1
            if self._starts > 1:
                self._say_again(values[-1])
            values = values[:-1]
        elif kind == "checkpoint":
            folder = self._journal.epoch_folder(values[0])
            if not folder.exists():
                with whole_folder(folder) as unfinished:
                    self._settings.storage.copy(f"{self._name}/{folder.name}", unfinished)
        getattr(self._journal, kind)(*values)

    def _say_again(self, done: int) -> None:
        where = f"from the checkpoint of epoch {done}" if done else "from the beginning"
        self._warn(f"A worker or its node was lost; the job continues {where}.")

    def _warn(self, message: str) -> None:
        with self._storage.transaction() as connection:
            jobs.add_event(connection, self._name, message, level="warn")

    def _status(self) -> int:
        try:
            ray.get(self._task)
        except RayError as error:
            log = self._storage.job_folder(self._name) / "log"
            with open(log, "a", opener=private) as file:
                file.write(f"{error}\n")
            return 1
        return 0

    def _check_capacity(self) -> None:
        """Say what a job waits for; fail one that the cluster, having lost nodes, cannot hold."""
        now = time.monotonic()
        if now - max(self._heard, self._checked) < _WORD_SECONDS:
            return
        self._checked = now
        problem = too_small(self._settings, {})
        if problem is None:
            self._small_since = None
            if not self._starts and not self._said_waits and self._is_pending():
                self._said_waits = True
                self._warn(f"The job waits until the cluster has room for {self._settings}.")
        elif self._small_since is None:
            self._small_since = now
            self._warn(f"{problem} The job waits {_CAPACITY_SECONDS} seconds, and then fails.")
        elif now - self._small_since > _CAPACITY_SECONDS:
            jobs.fail(self._storage, self._name, problem, "too_few_resources")
            self.returncode = 0

    def _is_pending(self) -> bool:
        """Whether a run like this one waits for room; there may be others."""
        own = [self._settings.each] * self._settings.workers
        return any(
            one["state"] == "PENDING" and list(one["bundles"].values()) == own
            for one in placement_group_table().values()
        )


def too_small(settings: RunSettings, taken: Mapping[str, int]) -> str | None:
    """Why the cluster can never run a job, if that is so; `taken` is what its replicas have."""
    hint = "add nodes, or start the server with fewer --workers or --replicas."
    for kind, each in settings.each.items():
        need = each * settings.workers
        have = int(ray.cluster_resources().get(kind, 0)) - taken.get(kind, 0)
        if need > have:
            asked = counted(need, kind)
            return f"The job needs {asked}, and the cluster has {have} for jobs; {hint}"
    if (room := room_for(settings.each)) < settings.workers:
        return f"The job needs {settings}, and the nodes have room for {room}; {hint}"
    return None
