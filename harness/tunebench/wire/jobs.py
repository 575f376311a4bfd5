"""Answers about files and fine-tuning jobs: checked and read here only.

Providers differ much here: numbers come as strings, fields are null or absent, states have their
own names. Information is read where it can be. Strict is what a wrong reading would make costly: a
job without an id, a state that is not a word, a success without a model.

Everything that is read has a stored form, the fields that a cassette keeps of such an answer. It
is read as the answer was.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from tunebench.errors import printable
from tunebench.wire.values import (
    MAX_ENTRIES,
    Unusable,
    by_word,
    count,
    entries_of,
    exact_name,
    id_,
    mapping,
    moment,
    name,
    numeric,
    optional_id,
    optional_name,
    reported,
    within,
    words,
    wrong,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

# What tunebench writes into a job's metadata.
MARK = "tunebench_job"
_METADATA = (MARK, "experiment", "cell", "training_file_sha256")

# The words that providers use for a job that has ended. Any other state, known or not, is waited
# for: a job that is believed dead by mistake trains on, and costs, while a second one starts.
_ENDS = by_word(
    {
        "succeeded": (
            "succeeded", "success", "successful", "completed", "complete", "finished", "done",
        ),
        "failed": (
            "failed", "failure", "error", "errored", "failed_validation", "validation_failed",
            "rejected", "expired", "timed_out", "timeout",
        ),
        "cancelled": ("cancelled", "canceled", "aborted", "terminated", "deleted"),
    }
)  # fmt: skip
_FILE_STATES = by_word(
    {
        "processed": (
            "processed", "succeeded", "success", "completed", "complete", "ready", "active",
            "available", "finished", "done",
        ),
        "failed": (
            "error", "errored", "failed", "failure", "rejected", "invalid", "cancelled",
            "canceled", "deleted", "expired",
        ),
    }
)  # fmt: skip
# As in ``JOB_STATE_SUCCEEDED``.
_PREFIXES = ("job_state_", "job_status_", "file_state_", "state_", "status_")

API = "does the provider have OpenAI's fine-tuning API?"
_MAX_WORDS = 1000


class Stored:
    """A dataclass with a stored form: its fields that are not empty, by their names in the API."""

    _api_names: ClassVar[Mapping[str, str]] = {}

    def stored(self) -> dict[str, Any]:
        """What a cassette keeps of it."""
        kept = {}
        for key, value in vars(self).items():
            # An id stays, even an empty one.
            if key == "id" or value not in (None, "", (), {}):
                value = list(value) if isinstance(value, tuple) else value
                kept[self._api_names.get(key, key)] = value
        return kept


@dataclass(frozen=True)
class UploadedFile(Stored):
    """A file at a provider; `status` is the provider's word, `details` why processing failed."""

    _api_names: ClassVar = {"details": "status_details"}

    id: str
    status: str = ""
    details: str = ""

    @property
    def state(self) -> Literal["processed", "failed", "processing"]:
        """What the status means. There is nothing to wait for without one."""
        if not self.status:
            return "processed"
        return _FILE_STATES.get(_word(self.status), "processing")  # type: ignore[return-value]


@dataclass(frozen=True)
class Job(Stored):
    """A fine-tuning job; an empty string or None where the provider does not say.

    Attributes:
        status: the provider's word.
        model: the model that is fine-tuned.
        fine_tuned_model: the name to ask the fine-tuned model by.
        created_at: seconds since 1970, as is `finished_at`.
        training_file: its id; likewise of the other files.
        seed: of the training.
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
    seed: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def end(self) -> str:
        """``succeeded``, ``failed`` or ``cancelled``; empty while it has not ended."""
        return _ENDS.get(_word(self.status), "")

    def stored(self) -> dict[str, Any]:
        """What a cassette keeps of it."""
        error = {"error": {"message": self.error}} if self.error else {}
        return super().stored() | error


class SentCreation(NamedTuple):
    """The creation of a job that was sent and not answered."""

    idempotency_key: str
    sent_at: datetime


def read_file(body: Any) -> UploadedFile:
    """Check and read the state of an uploaded file."""
    fields = answered(body, "is the address the API root?")
    return UploadedFile(
        id_(fields.get("id"), "id"),
        optional_name(fields.get("status")),
        line(fields.get("status_details")),
    )


def read_job(body: Any, asked: str = "") -> Job:
    """Check and read the state of a job; of the one that was `asked` for, if that is given."""
    job = read_created_job(body)
    if asked and job.id != asked:
        raise wrong("id", job.id, f"{asked}, which was asked for", "ask its provider")
    name(body.get("status"), "status")
    if job.end == "succeeded" and not job.fine_tuned_model:
        wanted = "the model's name, as the job has succeeded"
        raise wrong("fine_tuned_model", body.get("fine_tuned_model"), wanted, "ask its provider")
    return job


def read_created_job(body: Any) -> Job:
    """Check and read the answer to a job's creation; only its id must be there."""
    return job_of(answered(body, API))


def job_of(fields: dict[str, Any], at: str = "") -> Job:
    """A job from its fields; `at` is their place in the answer."""
    files = fields.get("result_files")
    metadata = mapping(fields.get("metadata"))
    kept = {key: optional_name(metadata.get(key)) for key in _METADATA}
    return Job(
        id=id_(fields.get("id"), f"{at}id"),
        status=optional_name(fields.get("status")),
        model=optional_name(fields.get("model")),
        fine_tuned_model=exact_name(fields.get("fine_tuned_model")),
        created_at=moment(fields.get("created_at")),
        finished_at=moment(fields.get("finished_at")),
        trained_tokens=count(fields.get("trained_tokens")),
        hyperparameters=_hyperparameters(fields),
        training_file=optional_id(fields.get("training_file")),
        validation_file=optional_id(fields.get("validation_file")),
        result_files=tuple(filter(None, map(optional_id, files[:MAX_ENTRIES])))
        if isinstance(files, list)
        else (),
        error=line(fields.get("error")),
        seed=count(fields.get("seed")),
        metadata={key: value for key, value in kept.items() if value},
    )


def answered(body: Any, hint: str, expected: str = "id") -> dict[str, Any]:
    """The fields of an answer.

    Without the `expected` field, ``error`` is the provider's, and not of the job in the answer.
    """
    if not isinstance(body, dict):
        raise Unusable("the answer is not a JSON object", hint=hint)
    if body.get("error") and body.get(expected) is None:
        raise reported(body["error"])
    return body


def line(value: Any) -> str:
    """The provider's words in one line, which is the same when it is read again."""
    return words(value, _MAX_WORDS).strip()


def _hyperparameters(fields: dict[str, Any]) -> dict[str, Any]:
    """Those of the job and those of its method, which is where OpenAI puts them nowadays."""
    found: dict[str, Any] = {}
    kind = within(fields, "method", "type")
    current = within(fields, "method", kind, "hyperparameters") if isinstance(kind, str) else None
    for key, value in (*entries_of(fields.get("hyperparameters")), *entries_of(current)):
        if value is None or isinstance(value, bool):
            found[printable(key)] = value
        elif isinstance(value, str):
            found[printable(key)] = optional_name(value)
        elif (number := numeric(value)) is not None:
            found[printable(key)] = number
    return found


def _word(status: str) -> str:
    word = "_".join(status.strip().lower().replace("-", " ").replace("_", " ").split())
    for prefix in _PREFIXES:
        word = word.removeprefix(prefix)
    return word
