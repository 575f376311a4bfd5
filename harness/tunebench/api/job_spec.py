"""The inputs of fine-tuning: files, a job, a monitor that shows it, a journal that remembers it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from tunebench.wire import MARK

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunebench.errors import TunebenchError
    from tunebench.wire import SentCreation


@dataclass(frozen=True)
class Upload:
    """A file of JSON lines to upload."""

    name: str
    content: bytes = field(repr=False)
    sha256: str
    rows: int


@dataclass(frozen=True)
class JobSpec:
    """A fine-tuning job.

    Attributes:
        name: of the job, for people.
        request: fields of the request's body except the files and the metadata; those in
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
        """Unique to this job among all metadata."""
        return self.metadata[MARK]


class Monitor(Protocol):
    """Shows the progress of a job."""

    def say(self, message: str, /) -> None:
        """Show a line."""

    def uploading(self, name: str, size: int, /) -> Callable[[int], None]:
        """Show the upload of a file, by its size in bytes; call the result with bytes sent."""

    def trained(self, name: str, step: int, total: int | None, message: str, /) -> None:
        """Show a step of the job of that name; None where the provider states no total."""


class Journal(Protocol):
    """The memory of a job's creation, which outlives the process."""

    def job(self, mark: str, /) -> str | None:
        """The id of the job of this mark, if it was created or followed."""

    @property
    def missing(self) -> type[TunebenchError]:
        """The error of an answer that is not recorded, on replay."""

    def no_job(self) -> TunebenchError:
        """Why a replay finds no job of its mark."""

    def unanswered(self, mark: str, /) -> SentCreation | None:
        """The creation of this mark that was sent and not answered, if there is one."""

    def sent(self, mark: str, idempotency_key: str, /) -> None:
        """Note, durably, that the creation of a job is about to be sent."""

    def refused(self, mark: str, /) -> None:
        """Note that the creation certainly made no job."""
