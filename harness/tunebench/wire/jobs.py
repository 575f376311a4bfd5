"""What a provider answers about files and fine-tuning jobs: checked and read here alone.

Providers differ much here: numbers come as strings, fields are null or absent, states have names
of their own. Whatever is there for information is read where it can be. Strict is what a wrong
reading would follow from: a job without an id, a state that is no word, a success without a model.

Each thing that is read has a stored form: the fields that a cassette keeps of such an answer. It
is read as the answer was.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar

from tunebench.errors import printable
from tunebench.wire.values import (
    MAX_NAME,
    Unusable,
    count,
    name,
    numeric,
    optional_name,
    reported,
    words,
    wrong,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

# What a job's metadata hold of ours.
MARK = "tunebench_job"
_METADATA = (MARK, "experiment", "cell", "training_file_sha256")

# The words that providers use for a job that has ended. Any other state, known or not, is one to
# wait for: a job that is taken for dead by mistake trains on, and costs, while a second one starts.
_ENDS = {
    "succeeded": (
        "succeeded", "success", "successful", "completed", "complete", "finished", "done",
    ),
    "failed": (
        "failed", "failure", "error", "errored", "failed_validation", "validation_failed",
        "rejected", "expired", "timed_out", "timeout",
    ),
    "cancelled": ("cancelled", "canceled", "aborted", "terminated", "deleted"),
}  # fmt: skip
_ENDED = {word: end for end, words_ in _ENDS.items() for word in words_}
_FILE_STATES = {
    "processed": (
        "processed", "succeeded", "success", "completed", "complete", "ready", "active",
        "available", "finished", "done",
    ),
    "failed": (
        "error", "errored", "failed", "failure", "rejected", "invalid", "cancelled", "canceled",
        "deleted", "expired",
    ),
}  # fmt: skip
_FILE_STATE = {word: state for state, words_ in _FILE_STATES.items() for word in words_}
# As in ``JOB_STATE_SUCCEEDED``.
_PREFIXES = ("job_state_", "job_status_", "file_state_", "state_", "status_")

_API = "does the provider have OpenAI's fine-tuning API?"
_MAX_WORDS = 1000
_MAX_ENTRIES = 100
_LATEST_SECOND = 1e11  # the year 5138; what is greater counts milliseconds


class _Stored(Protocol):
    def stored(self) -> dict[str, Any]: ...


_T = TypeVar("_T", bound=_Stored, covariant=True)


@dataclass(frozen=True)
class UploadedFile:
    """A file at a provider.

    Attributes:
        id: of the file.
        status: the provider's word, or an empty string.
        details: why it could not be processed, or an empty string.
    """

    id: str
    status: str = ""
    details: str = ""

    @property
    def state(self) -> Literal["processed", "failed", "processing"]:
        """What the status means. A provider that has none has nothing to wait for."""
        if not self.status:
            return "processed"
        return _FILE_STATE.get(_word(self.status), "processing")  # type: ignore[return-value]

    def stored(self) -> dict[str, Any]:
        """What a cassette keeps of it."""
        return _present({"id": self.id, "status": self.status, "status_details": self.details})


@dataclass(frozen=True)
class Job:
    """A fine-tuning job; an empty string or None where the provider does not say.

    Attributes:
        id: of the job.
        status: the provider's word.
        model: the model that is fine-tuned.
        fine_tuned_model: the name by which the fine-tuned model is asked.
        created_at: seconds since 1970.
        finished_at: likewise.
        trained_tokens: as the provider counted them.
        hyperparameters: as the provider states them.
        training_file: its id.
        validation_file: its id.
        result_files: ids of the files with its metrics.
        error: what went wrong.
        metadata: those that tunebench gave it.
    """

    id: str
    status: str = ""
    model: str = ""
    fine_tuned_model: str = ""
    created_at: int | None = None
    finished_at: int | None = None
    trained_tokens: int | None = None
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    training_file: str = ""
    validation_file: str = ""
    result_files: tuple[str, ...] = ()
    error: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def end(self) -> str:
        """``succeeded``, ``failed`` or ``cancelled``; empty while it is to be waited for."""
        return _ENDED.get(_word(self.status), "")

    def stored(self) -> dict[str, Any]:
        """What a cassette keeps of it."""
        return _present(
            {
                "id": self.id,
                "status": self.status,
                "model": self.model,
                "fine_tuned_model": self.fine_tuned_model,
                "created_at": self.created_at,
                "finished_at": self.finished_at,
                "trained_tokens": self.trained_tokens,
                "hyperparameters": dict(self.hyperparameters),
                "training_file": self.training_file,
                "validation_file": self.validation_file,
                "result_files": list(self.result_files),
                "error": {"message": self.error} if self.error else None,
                "metadata": dict(self.metadata),
            }
        )


@dataclass(frozen=True)
class Event:
    """What a job says of itself.

    Attributes:
        id: of the event, or an empty string.
        message: for people, in one line.
        created_at: seconds since 1970, or None.
        metrics: numbers by name, of an event of the type ``metrics``; empty for any other.
    """

    id: str
    message: str = ""
    created_at: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What no other event of the job has; not every provider gives events an id."""
        return self.id or f"{self.created_at} {self.message}"

    def stored(self) -> dict[str, Any]:
        """What a cassette keeps of it."""
        return _present(
            {
                "id": self.id,
                "message": self.message,
                "created_at": self.created_at,
                "type": "metrics" if self.metrics else None,
                "data": dict(self.metrics),
            }
        )


@dataclass(frozen=True)
class Checkpoint:
    """A state of the model that a job kept.

    Attributes:
        id: of the checkpoint, or an empty string.
        step: after how many steps; 0 where the provider does not say.
        model: the name by which it is asked, or an empty string.
        metrics: numbers by name.
    """

    id: str
    step: int = 0
    model: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)

    def stored(self) -> dict[str, Any]:
        """What a cassette keeps of it."""
        return _present(
            {
                "id": self.id,
                "step_number": self.step,
                "fine_tuned_model_checkpoint": self.model,
                "metrics": dict(self.metrics),
            }
        )


@dataclass(frozen=True)
class Page(Generic[_T]):
    """A page of a list.

    Attributes:
        entries: in the order of the answer.
        after: what the next page comes after; None on the last one.
    """

    entries: tuple[_T, ...]
    after: str | None = None

    def stored(self) -> dict[str, Any]:
        """What a cassette keeps of it."""
        more = {} if self.after is None else {"has_more": True, "last_id": self.after}
        return {"data": [entry.stored() for entry in self.entries], **more}


def read_file(body: Any) -> UploadedFile:
    """Check and read what is said of an uploaded file.

    Raises:
        Unusable: it has no id, or the provider reports an error.
    """
    fields = _object(body, "is base_url the API root?")
    return UploadedFile(
        _id(fields.get("id"), "id"),
        optional_name(fields.get("status")),
        _line(fields.get("status_details")),
    )


def read_job(body: Any) -> Job:
    """Check and read the state of a job.

    Raises:
        Unusable: it has no id or no status, it has succeeded without a model, or the provider
            reports an error.
    """
    job = _job(_object(body, _API), "")
    name(body.get("status"), "status")
    if job.end == "succeeded" and not job.fine_tuned_model:
        raise wrong("fine_tuned_model", body.get("fine_tuned_model"), "the model's name, as the "
                    "job has succeeded; ask its provider")  # fmt: skip
    return job


def read_created_job(body: Any) -> Job:
    """Check and read the answer to a job's creation: its id is all that must be there.

    Raises:
        Unusable: it has no id, or the provider reports an error.
    """
    return _job(_object(body, _API), "")


def read_jobs(body: Any, mark: str, training_file: str = "") -> Page[Job]:
    """Check and read a page of the list of jobs; those of others are left out.

    Args:
        body: the answer's JSON value.
        mark: the ``tunebench_job`` of the metadata that is looked for.
        training_file: the id of a file, where the provider may have lost the metadata: jobs that
            are trained on it and have no such mark are taken, too.

    Raises:
        Unusable: it is no list, or one of those jobs has no id.
    """
    entries, after = _entries(body)
    found = tuple(
        _job(entry, f"data[{position}].")
        for position, entry in enumerate(entries)
        if _is_ours(entry, mark, training_file)
    )
    return Page(found, after)


def read_events(body: Any) -> Page[Event]:
    """Check and read a page of a job's events.

    Raises:
        Unusable: it is no list.
    """
    return _page(body, _event)


def oldest_first(events: Iterable[Event]) -> tuple[Event, ...]:
    """Events of a list that begins with the newest, each one once."""
    found = list({event.key: event for event in events}.values())[::-1]
    if any(event.created_at is None for event in found):
        return tuple(found)
    # Not every provider begins with the newest.
    return tuple(sorted(found, key=lambda event: event.created_at or 0))


def read_checkpoints(body: Any) -> Page[Checkpoint]:
    """Check and read a page of a job's checkpoints.

    Raises:
        Unusable: it is no list.
    """
    return _page(body, _checkpoint)


def read_result(content: bytes) -> bytes:
    """Check and read a result file: CSV, which OpenAI serves in base64.

    Raises:
        Unusable: it is not text.
    """
    import base64  # late, with what it imports: few runs have a result file
    import binascii

    try:
        plain = base64.b64decode(b"".join(content.split()), validate=True)
        # A header of few letters may be base64 as well, but of nothing that is CSV.
        if "," in plain.decode():
            return plain
    except (binascii.Error, UnicodeDecodeError):
        pass
    try:
        content.decode()
    except UnicodeDecodeError:
        raise Unusable("the file is not text, so it is not CSV") from None
    if content.strip() == b"null":
        raise Unusable("the provider has none")
    if content.lstrip()[:1] in (b"<", b"{"):
        raise Unusable("the file is a web page or JSON and not CSV")
    return content


def _is_ours(entry: dict[str, Any], mark: str, training_file: str) -> bool:
    metadata = entry.get("metadata")
    found = metadata.get(MARK) if isinstance(metadata, dict) else None
    if found is not None:
        return bool(found == mark)
    return bool(training_file) and _optional_id(entry.get("training_file")) == training_file


def _job(fields: dict[str, Any], at: str) -> Job:
    files = fields.get("result_files")
    files = files[:_MAX_ENTRIES] if isinstance(files, list) else []
    metadata = fields.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    kept = {key: optional_name(metadata.get(key)) for key in _METADATA}
    return Job(
        id=_id(fields.get("id"), f"{at}id"),
        status=optional_name(fields.get("status")),
        model=optional_name(fields.get("model")),
        fine_tuned_model=_exact(fields.get("fine_tuned_model")),
        created_at=_moment(fields.get("created_at")),
        finished_at=_moment(fields.get("finished_at")),
        trained_tokens=count(fields.get("trained_tokens")),
        hyperparameters=_hyperparameters(fields),
        training_file=_optional_id(fields.get("training_file")),
        validation_file=_optional_id(fields.get("validation_file")),
        result_files=tuple(filter(None, map(_optional_id, files))),
        error=_line(fields.get("error")),
        metadata={key: value for key, value in kept.items() if value},
    )


def _event(fields: dict[str, Any]) -> Event:
    metrics = _metrics(fields.get("data")) if fields.get("type") == "metrics" else {}
    return Event(
        _optional_id(fields.get("id")),
        _line(fields.get("message")),
        _moment(fields.get("created_at")),
        metrics,
    )


def _checkpoint(fields: dict[str, Any]) -> Checkpoint:
    return Checkpoint(
        _optional_id(fields.get("id")),
        count(fields.get("step_number")) or 0,
        _exact(fields.get("fine_tuned_model_checkpoint")),
        _metrics(fields.get("metrics")),
    )


def _page(body: Any, read: Callable[[dict[str, Any]], _T]) -> Page[_T]:
    entries, after = _entries(body)
    return Page(tuple(map(read, entries)), after)


def _entries(body: Any) -> tuple[list[dict[str, Any]], str | None]:
    """The entries of a page, and what the next page comes after."""
    if body is None:
        raise Unusable("the provider has none")
    fields = {"data": body} if isinstance(body, list) else _object(body, _API, but="data")
    entries = fields.get("data")
    # Some libraries write an empty list as null, or leave it out.
    if entries is None and ("data" in fields or fields.get("object") == "list"):
        entries = []
    if not isinstance(entries, list):
        raise wrong("data", entries, f"a list; {_API}")
    for position, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise wrong(f"data[{position}]", entry, "an object")
    if not entries or fields.get("has_more") not in (True, "true"):
        return entries, None
    last = entries[-1].get("id")
    if last in (None, ""):
        last = fields.get("last_id")
    return entries, _id(last, f"data[{len(entries) - 1}].id")


def _object(body: Any, hint: str, but: str = "id") -> dict[str, Any]:
    if not isinstance(body, dict):
        raise Unusable(f"the answer is not a JSON object; {hint}")
    # What a job says went wrong stands in the same field.
    if body.get("error") and body.get(but) is None:
        raise Unusable(reported(body["error"]))
    return body


def _id(value: Any, where: str) -> str:
    found = _optional_id(value)
    # It becomes a part of a path.
    if not found or found in (".", ".."):
        raise wrong(where, value, "an id")
    return found


def _optional_id(value: Any) -> str:
    """An id, which some providers write as a number; an empty string where it is none."""
    return _exact(str(value) if type(value) is int else value)


def _exact(value: Any) -> str:
    """A name that is sent back as it is; an empty string where it is none."""
    usable = isinstance(value, str) and len(value) <= MAX_NAME and printable(value) == value
    return value if usable else ""


def _line(value: Any) -> str:
    """The provider's words, which come out the same when they are read once more."""
    return words(value, _MAX_WORDS).strip()


def _moment(value: Any) -> int | None:
    """A point in time in seconds since 1970, which some providers write as a date."""
    found = numeric(value)
    if found is None and isinstance(value, str) and len(value) <= MAX_NAME:
        try:
            moment = datetime.fromisoformat(value.strip())
            found = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            return None
    if found is None or not 1 <= found < 1000 * _LATEST_SECOND:
        return None
    return int(found if found < _LATEST_SECOND else found / 1000)


def _hyperparameters(fields: dict[str, Any]) -> dict[str, Any]:
    """Those of the job and those of its method, which is where OpenAI puts them nowadays."""
    found: dict[str, Any] = {}
    method = fields.get("method")
    kind = method.get("type") if isinstance(method, dict) else None
    part = method.get(kind) if isinstance(method, dict) and isinstance(kind, str) else None
    current = part.get("hyperparameters") if isinstance(part, dict) else None
    for values in (fields.get("hyperparameters"), current):
        for key, value in list(values.items())[:_MAX_ENTRIES] if isinstance(values, dict) else ():
            if value is None or isinstance(value, bool):
                found[printable(key)] = value
            elif isinstance(value, str):
                found[printable(key)] = optional_name(value)
            elif (number := numeric(value)) is not None:
                found[printable(key)] = number
    return found


def _metrics(values: Any) -> dict[str, float]:
    """The numbers among some values, by their names."""
    if not isinstance(values, dict):
        return {}
    found = {printable(key): numeric(value) for key, value in list(values.items())[:_MAX_ENTRIES]}
    return {key: value for key, value in found.items() if value is not None}


def _word(status: str) -> str:
    word = "_".join(status.strip().lower().replace("-", " ").replace("_", " ").split())
    for prefix in _PREFIXES:
        word = word.removeprefix(prefix)
    return word


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields that say something; an id stays, if it is empty, too."""
    silent: tuple[Any, ...] = (None, "", {}, [])
    return {key: value for key, value in fields.items() if key == "id" or value not in silent}
