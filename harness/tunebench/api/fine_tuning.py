"""Fine-tuning at a provider: upload, create the job, follow it, read its result.

`tunebench.api.job_creation` creates a job, and never twice.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from tunebench.api.job_creation import JobCreation
from tunebench.api.job_requests import JobRequests, is_missing, why_missing
from tunebench.errors import JobError, RequestError
from tunebench.wire import oldest_first

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tunebench.api.client import Client
    from tunebench.api.job_spec import JobSpec, Journal, Monitor
    from tunebench.wire import Checkpoint, Event, Job, Page

_T = TypeVar("_T")

# A job's events mention these states.
_USUAL = ("validating_files", "queued", "running")
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 15.0
# A job that has succeeded may get its model a moment later, and a proxy may answer instead.
_UNUSABLE_PAUSES = (1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True)
class FineTuned:
    """The result of a job that succeeded.

    Attributes:
        job: the provider's id of it; empty where it is not known.
        model: the name to ask the fine-tuned model by.
        base: the model that was fine-tuned.
        seconds: from the event that it started, or else from its creation, to its end; None where
            the provider does not say.
        events: from the first to the last; none where the provider does not list them.
        checkpoints: in the order of their steps; none where the provider does not list them.
        metrics: the first result file, CSV; empty if there is none.
        seed: of the training; None where the provider does not say.
    """

    job: str
    model: str
    base: str
    trained_tokens: int | None = None
    seconds: int | None = None
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    events: tuple[Event, ...] = field(default=(), repr=False)
    checkpoints: tuple[Checkpoint, ...] = field(default=(), repr=False)
    metrics: bytes = field(default=b"", repr=False)
    seed: int | None = None


def fine_tune(
    client: Client,
    spec: JobSpec,
    monitor: Monitor | None,
    journal: Journal,
    check: Callable[[], None] = lambda: None,
) -> FineTuned:
    """Fine-tune, or go on with a job that was created before.

    Without a monitor it is a replay, which waits for nothing. `check` is called while the job runs;
    what it raises ends the following, and the job goes on.

    Raises:
        JobError: the job failed or was cancelled, in the provider's words.
        RequestError: a request failed for good. The job, if there is one, goes on.
        CassetteMissError: on replay, the job is not recorded.
    """
    job = journal.job(spec.mark)
    if job is None:
        if monitor is None:
            raise journal.no_job()
        job = JobCreation(client, spec, monitor, journal).job()
    return follow(client, spec.name, spec.request["model"], job, monitor, journal, check)


def follow(
    client: Client,
    name: str,
    base: str,
    job: str,
    monitor: Monitor | None,
    journal: Journal,
    check: Callable[[], None] = lambda: None,
) -> FineTuned:
    """Follow a job to its end; see `fine_tune`.

    Args:
        client: a connection to its provider.
        name: of the job, for people.
        base: the model that it fine-tunes, where the provider does not say.
        job: its id.
        monitor: shows its progress; None for a replay.
        journal: holds what is recorded of it.
        check: called while it runs.
    """
    return _Following(client, name, base, job, monitor, journal).to_the_end(check)


def events_of(client: Client, job: str) -> tuple[Event, ...]:
    """A job's events, from the first to the last.

    Raises:
        RequestError: the provider gives none.
    """
    return oldest_first(_all(JobRequests(client).events(job)))


class _Following:
    """A job that is followed to its end, and its result."""

    def __init__(
        self,
        client: Client,
        name: str,
        base: str,
        job: str,
        monitor: Monitor | None,
        journal: Journal,
    ) -> None:
        self._requests = JobRequests(client)
        self._name, self._base = name, base
        self._job, self._monitor, self._journal = job, monitor, journal
        self._reported: set[str] = set()
        self._lacks: set[str] = set()

    def to_the_end(self, check: Callable[[], None]) -> FineTuned:
        """Poll the job until it has ended, and report its events meanwhile."""
        pause, status = _FIRST_PAUSE, ""
        try:
            while True:
                job = self._state()
                news = self._monitor is not None and self._report_events()
                if job.status != status:
                    status = job.status
                    self._report_state(job)
                    news = True
                if job.end:
                    break
                pause = _FIRST_PAUSE if news else pause
                if self._monitor is not None:
                    check()
                    time.sleep(pause)
                    pause = min(pause * 1.5, _LONGEST_PAUSE)
        except KeyboardInterrupt:
            self._say(
                f"no longer following the job {self._job}; the provider goes on with it, and the "
                "same command finds it again."
            )
            raise
        if job.end != "succeeded":
            problem = f"the fine-tuning job {_end_of(job)}"
            raise JobError(problem, hint="fix that and record it again")
        return self._result(job)

    def _state(self) -> Job:
        for pause in _UNUSABLE_PAUSES:
            try:
                return self._requests.job(self._job)
            except RequestError as error:
                if self._monitor is None or not isinstance(error.__cause__, ValueError):
                    raise
            time.sleep(pause)
        return self._requests.job(self._job)

    def _report_state(self, job: Job) -> None:
        """Report a state that no event mentions."""
        usual = job.status in _USUAL or job.end
        if "events" in self._lacks or not usual:
            self._say(f"the job {self._job} is {job.status}")

    def _report_events(self) -> bool:
        """Report the new events; whether there were any."""
        if "events" in self._lacks:
            return False
        new: tuple[Event, ...] = self._read("events", self._new_events, ())
        for event in new:
            self._reported.add(event.key)
            step = event.metrics.get("step")
            if step is None:
                if event.message:
                    self._say(event.message)
            elif self._monitor is not None:
                total = event.metrics.get("total_steps")
                self._monitor.trained(
                    self._name, int(step), None if total is None else int(total), event.message
                )
        return bool(new)

    def _new_events(self) -> tuple[Event, ...]:
        new: list[Event] = []
        for page in self._requests.events(self._job):
            unseen = [event for event in page.entries if event.key not in self._reported]
            new += unseen
            if len(unseen) < len(page.entries):
                break
        return oldest_first(new)

    def _result(self, job: Job) -> FineTuned:
        requests = self._requests
        events: tuple[Event, ...] = oldest_first(
            self._read("events", lambda: _all(requests.events(self._job)), ())
        )
        checkpoints: tuple[Checkpoint, ...] = self._read(
            "checkpoints", lambda: _all(requests.checkpoints(self._job)), ()
        )
        metrics = b""
        if job.result_files:
            metrics = self._read("result file", lambda: requests.result(job.result_files[0]), b"")
        started = next((e.created_at for e in events if "job started" in e.message.lower()), None)
        started = job.created_at if started is None else started
        seconds = None
        if started is not None and job.finished_at is not None and job.finished_at >= started:
            seconds = job.finished_at - started
        return FineTuned(
            job=job.id,
            model=job.fine_tuned_model,
            base=job.model or self._base,
            trained_tokens=job.trained_tokens,
            seconds=seconds,
            hyperparameters=dict(job.hyperparameters),
            events=events,
            checkpoints=tuple(sorted(checkpoints, key=lambda checkpoint: checkpoint.step)),
            metrics=metrics,
            seed=job.seed,
        )

    def _read(self, what: str, read: Callable[[], _T], lacking: _T) -> _T:
        """Read what not every provider and not every recording has; `lacking` is its default."""
        try:
            return read()
        except self._journal.missing:
            if self._monitor is not None:
                raise
        except RequestError as error:
            if not is_missing(error):
                raise
            if what not in self._lacks:
                self._say(f"no {what} of {self._job}: {why_missing(error)}; going on without")
            self._lacks.add(what)
        return lacking

    def _say(self, message: str) -> None:
        if self._monitor is not None:
            self._monitor.say(f"{self._name}: {message}")


def _end_of(job: Job) -> str:
    what = "was cancelled" if job.end == "cancelled" else "failed"
    word = f" ({job.status})" if job.status.lower() not in ("failed", "cancelled") else ""
    return f"{job.id} {what}{word}" + (f": {job.error.rstrip('.')}" if job.error else "")


def _all(pages: Iterable[Page[Any]]) -> tuple[Any, ...]:
    return tuple(entry for page in pages for entry in page.entries)
