"""What fine-tuning takes: files, a job, who is told of it, and who remembers it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from tunebench.wire import MARK

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tunebench.errors import TunebenchError


@dataclass(frozen=True)
class Upload:
    """A file to upload.

    Attributes:
        name: its file name.
        content: JSON lines.
        sha256: of the content, hex.
        rows: how many lines.
    """

    name: str
    content: bytes = field(repr=False)
    sha256: str
    rows: int


@dataclass(frozen=True)
class JobSpec:
    """What a job trains on and how.

    Attributes:
        name: of the job, for people.
        train: the training file.
        valid: the validation file.
        request: fields of the request's body but for the files and the metadata; those in
            ``extra_body`` are the provider's own.
        metadata: of the job; no two different jobs have the same ``tunebench_job``.
    """

    name: str
    train: Upload
    valid: Upload
    request: dict[str, Any]
    metadata: dict[str, str]

    @property
    def mark(self) -> str:
        """What no other job has in its metadata."""
        return self.metadata[MARK]


class Monitor(Protocol):
    """Who is told how a job gets on."""

    def say(self, message: str, /) -> None:
        """A line of what happens."""

    def uploading(self, name: str, size: int, /) -> Callable[[int], None]:
        """A file of a size in bytes is being uploaded; the result is called with bytes sent."""

    def trained(self, name: str, step: int, total: int | None, message: str, /) -> None:
        """The job of that name has taken a step, of so many if the provider says how many."""


class Sent(Protocol):
    """The creation of a job that was sent, and of which no answer came."""

    @property
    def idempotency_key(self) -> str:
        """That it was sent with."""

    @property
    def sent_at(self) -> datetime:
        """When, with its time zone."""


class Journal(Protocol):
    """What is remembered of a job's creation, also after the process was killed."""

    def job(self, mark: str, /) -> str | None:
        """The id of the job of this mark, if it was created or followed."""

    @property
    def missing(self) -> type[TunebenchError]:
        """The error of an answer that is not recorded, on replay."""

    def no_job(self) -> TunebenchError:
        """Why a replay finds no job of its mark."""

    def unanswered(self, mark: str, /) -> Sent | None:
        """The creation of this mark that was sent and not answered, if any was."""

    def sent(self, mark: str, idempotency_key: str, /) -> None:
        """Note, durably, that the creation of a job is about to be sent."""

    def refused(self, mark: str, /) -> None:
        """Note that no job came of the creation, for certain."""
