"""The lists of a fine-tuning provider: its jobs, and the events and checkpoints of one job."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from tunebench.wire.jobs import API, MARK, Job, Stored, answered, job_of, line
from tunebench.wire.values import (
    Unusable,
    count,
    exact_name,
    id_,
    moment,
    numbers,
    optional_id,
    within,
    wrong,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_T = TypeVar("_T", bound=Stored, covariant=True)


@dataclass(frozen=True)
class Event(Stored):
    """A message of a job, for people, in one line; `metrics` of an event of that type."""

    _api_names: ClassVar = {"metrics": "data"}

    id: str
    message: str = ""
    created_at: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Unique among the job's events; not every provider gives them an id."""
        return self.id or f"{self.created_at} {self.message}"

    def stored(self) -> dict[str, Any]:
        """What a cassette keeps of it."""
        fields = super().stored()
        metrics = fields.pop("data", None)
        return fields | ({"type": "metrics", "data": metrics} if metrics else {})


@dataclass(frozen=True)
class Checkpoint(Stored):
    """A state of the model that a job kept; `model` is the name to ask it by."""

    _api_names: ClassVar = {"step": "step_number", "model": "fine_tuned_model_checkpoint"}

    id: str
    step: int = 0
    model: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Page(Generic[_T]):
    """A page of a list; the next one comes after the entry `after`, None on the last one."""

    entries: tuple[_T, ...]
    after: str | None = None

    def stored(self) -> dict[str, Any]:
        """What a cassette keeps of it."""
        more = {} if self.after is None else {"has_more": True, "last_id": self.after}
        return {"data": [entry.stored() for entry in self.entries], **more}


def read_jobs(body: Any, mark: str, training_file: str = "") -> Page[Job]:
    """Check and read a page of the list of jobs; only those of a ``tunebench_job`` are kept.

    With a training file, for a provider that may have lost the metadata, jobs that train on it and
    have no such mark are kept, too.
    """
    entries, after = _entries(body)
    found = tuple(
        job_of(entry, f"data[{position}].")
        for position, entry in enumerate(entries)
        if _is_ours(entry, mark, training_file)
    )
    return Page(found, after)


def _is_ours(entry: dict[str, Any], mark: str, training_file: str) -> bool:
    found = within(entry, "metadata", MARK)
    if found is not None:
        return bool(found == mark)
    return bool(training_file) and optional_id(entry.get("training_file")) == training_file


def read_events(body: Any) -> Page[Event]:
    """Check and read a page of a job's events."""
    entries, after = _entries(body)
    events = tuple(
        Event(
            optional_id(entry.get("id")),
            line(entry.get("message")),
            moment(entry.get("created_at")),
            numbers(entry.get("data")) if entry.get("type") == "metrics" else {},
        )
        for entry in entries
    )
    return Page(events, after)


def oldest_first(events: Iterable[Event]) -> tuple[Event, ...]:
    """Events of a list that begins with the newest, each one once."""
    found = list({event.key: event for event in events}.values())[::-1]
    if any(event.created_at is None for event in found):
        return tuple(found)
    # Not every provider begins with the newest.
    return tuple(sorted(found, key=lambda event: event.created_at or 0))


def read_checkpoints(body: Any) -> Page[Checkpoint]:
    """Check and read a page of a job's checkpoints."""
    entries, after = _entries(body)
    checkpoints = tuple(
        Checkpoint(
            optional_id(entry.get("id")),
            count(entry.get("step_number")) or 0,
            exact_name(entry.get("fine_tuned_model_checkpoint")),
            numbers(entry.get("metrics")),
        )
        for entry in entries
    )
    return Page(checkpoints, after)


def _entries(body: Any) -> tuple[list[dict[str, Any]], str | None]:
    """The entries of a page, and what the next page comes after."""
    if body is None:
        raise Unusable("the provider has none")
    fields = {"data": body} if isinstance(body, list) else answered(body, API, "data")
    entries = fields.get("data")
    # Some libraries write an empty list as null, or leave it out.
    if entries is None and ("data" in fields or fields.get("object") == "list"):
        entries = []
    if not isinstance(entries, list):
        raise wrong("data", entries, "a list", API)
    for position, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise wrong(f"data[{position}]", entry, "an object")
    if not entries or fields.get("has_more") not in (True, "true"):
        return entries, None
    last = entries[-1].get("id")
    if last in (None, ""):
        last = fields.get("last_id")
    return entries, id_(last, f"data[{len(entries) - 1}].id")
