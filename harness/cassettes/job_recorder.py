"""The cassette of a fine-tuning job.

A job is polled until it has ended, so the same request is answered differently as time goes by.
Stored are its changes of state, in their order, and what is read of it once it has ended. A replay
is told the same states one after the other, without waiting between them. Searches for a job are
not stored: which job is this one, its creation says, or its states do.

Beside answers it holds notes: that the creation of a job was sent, before it is, and that it was
refused. So a recording that was killed in between does not start a second job.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from harness.cassettes.fingerprint import digest_of, text_sha256
from harness.cassettes.misses import CassetteMissError
from harness.cassettes.recorder import RecordedCassette
from harness.cassettes.store import RequestLine, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vcr.request import Request

    from harness.cassettes.fingerprint import Fingerprint
    from harness.cassettes.store import CassetteError, StoredAnswer

_CREATION, _UPLOAD = "POST fine_tuning/jobs", "POST files"
_SENT, _REFUSED = "SENT fine_tuning/jobs", "REFUSED fine_tuning/jobs"
_STATE = re.compile(r"GET fine_tuning/jobs/[^/?]+")
_READ = re.compile(r"GET (fine_tuning/jobs/[^/?]+/.*|files/[^/?]+/content)")
_ENDED = ("succeeded", "failed", "cancelled")
_MARK = "tunebench_job"


@dataclass(frozen=True)
class Sent:
    """The creation of a job that was sent, and of which no answer came.

    Attributes:
        idempotency_key: that it was sent with.
        sent_at: when, UTC.
    """

    idempotency_key: str
    sent_at: datetime


class JobCassette(RecordedCassette):
    """A `RecordedCassette` of the traffic of one fine-tuning job."""

    sync = True

    def __init__(self, path: str, **options: Any) -> None:
        super().__init__(path, **options)
        self._turn = 0
        self._status = ""

    # What fine-tuning asks of its cassette.

    def job(self, mark: str) -> str | None:
        """The id of the job of this ``tunebench_job``, if it was created or followed."""
        found = None
        for stored in self._of(mark):
            endpoint, answer = stored.request.endpoint, stored.row.answer
            if endpoint == _CREATION or _STATE.fullmatch(endpoint):
                found = str(answer["id"])
        if found is not None:
            self._count_as_played(mark)
        return found

    def unanswered(self, mark: str) -> Sent | None:
        """The creation of this ``tunebench_job`` that was sent and not answered, if any was."""
        sent: Sent | None = None
        for stored in self._of(mark):
            endpoint, row = stored.request.endpoint, stored.row
            if endpoint == _SENT:
                sent = Sent(row.answer["idempotency_key"], datetime.fromisoformat(row.recorded_at))
            elif endpoint in (_REFUSED, _CREATION):
                sent = None
        return sent

    def sent(self, mark: str, idempotency_key: str) -> None:
        """Note, before it is, that the creation of a job is sent."""
        self._note(_SENT, mark, {"idempotency_key": idempotency_key})

    def refused(self, mark: str) -> None:
        """Note that the provider refused to create a job, so that there is none."""
        self._note(_REFUSED, mark, {})

    def no_job(self) -> CassetteError:
        """Why a replay finds no job of its mark."""
        name, path = self.file.header["recording"], self.file.path
        if not self.file.exists:
            return CassetteMissError(
                f"{name}: there is no cassette {path}, and replay sends nothing to a provider; "
                f"{self.hint}."
            )
        if not any(row.request.endpoint == _CREATION for row in self.file.rows()):
            return CassetteMissError(f"{name}: {path} holds no job yet; {self.hint}.")
        return CassetteMissError(
            f"{name}: {path} holds another job than the one this is: the training rows, the model "
            f"or its fine-tuning options have changed; undo that change, or {self.hint}."
        )

    def _of(self, mark: str) -> Iterator[StoredAnswer]:
        """The rows that state this mark."""
        for stored in self.file.rows():
            asked = (stored.request.parameters or {}).get("metadata")
            answer = stored.row.answer
            told = answer.get("metadata") if isinstance(answer, dict) else None
            if any(isinstance(one, dict) and one.get(_MARK) == mark for one in (asked, told)):
                yield stored

    def _count_as_played(self, mark: str) -> None:
        """A replay rests on the rows that led to its job, and asks for none of them."""
        of_job = list(self._of(mark))
        files = {
            (stored.request.parameters or {}).get(name)
            for stored in of_job
            for name in ("training_file", "validation_file")
        }
        for stored in self.file.rows():
            if stored.request.endpoint == _UPLOAD and stored.row.answer.get("id") in files:
                self._play(stored)
        for stored in of_job:
            if not _STATE.fullmatch(stored.request.endpoint):
                self._play(stored)

    def _note(self, endpoint: str, mark: str, content: dict[str, Any]) -> None:
        metadata = {"metadata": {_MARK: mark}}
        line = RequestLine(digest_of(endpoint, metadata), endpoint, parameters=metadata)
        earlier = sum(stored.request.endpoint == endpoint for stored in self._of(mark))
        now = datetime.now(UTC).isoformat(timespec="seconds")
        row = Row(
            prompt=text_sha256(str(earlier)),
            request=line.id,
            item=None,
            recorded_at=now,
            latency_ms=0.0,
            prompts=1,
            usage=(None, None),
            answer=content,
        )
        self.file.append(line, [row], sync=True)

    # What it decides otherwise than a cassette of a cell.

    def _asked(self, asked: Fingerprint) -> Fingerprint:
        if _STATE.fullmatch(asked.endpoint):
            return replace(asked, prompts=(str(self._turn),))
        return asked

    def _miss(self, asked: Fingerprint) -> CassetteError:
        if self._turn and _STATE.fullmatch(asked.endpoint):
            name, path = self.file.header["recording"], self.file.path
            return CassetteMissError(
                f"{name}: the recording in {path} was stopped while the job was {self._status}; "
                f"{self.hint}, which goes on with it."
            )
        return super()._miss(asked)

    def play_response(self, request: Request) -> dict[str, Any]:
        """The recorded answer; a job's states in turn, its end again and again."""
        asked, positions = request.tunebench_rows
        if _STATE.fullmatch(asked.endpoint):
            self._status = self.file.answer(positions[0]).row.answer["status"]
            self._turn += self._status not in _ENDED
        return super().play_response(request)

    def _stored(self, asked: Fingerprint, body: Any) -> Any:
        if _STATE.fullmatch(asked.endpoint):
            if body["status"] == self._status:
                return None
            self._status = body["status"]
            self._turn += self._status not in _ENDED
        elif _READ.fullmatch(asked.endpoint):
            # Until a job has ended its events are read to be shown, and there will be more.
            if self._status not in _ENDED:
                return None
        elif asked.endpoint not in (_CREATION, _UPLOAD):
            return None
        return _without_organization(body)


def _without_organization(body: Any) -> Any:
    """Without the name of the organization that pays, which clients need to be there."""
    if isinstance(body, dict):
        if "organization_id" in body:
            body = body | {"organization_id": ""}
        if isinstance(body.get("data"), list):
            body = body | {"data": [_without_organization(entry) for entry in body["data"]]}
    return body
