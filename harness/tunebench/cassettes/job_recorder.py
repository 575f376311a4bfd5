"""The cassette of a fine-tuning job.

A job is polled until it has ended, so the same request has other answers as time goes by. Stored
are its changes of state, in their order, and what is read of it once it has ended. A replay gets
the same states one after the other, without waiting between them. Searches for a job are not
stored: its creation identifies it, or its states do.

Beside answers it holds notes: that the creation of a job is about to be sent, and that it was
refused. So a recording that was killed in between does not start a second job.

Events, checkpoints and result files that a provider does not have are stored as null, so that a
complete recording sends nothing again.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tunebench.cassettes.fingerprint import digest_of, text_sha256
from tunebench.cassettes.lines import RequestLine, rows_for
from tunebench.cassettes.recorder import RecordedCassette
from tunebench.cassettes.stored import CREATION, STATE, UPLOAD, job_at, stored_of_job
from tunebench.errors import CassetteError, CassetteMissError
from tunebench.wire import MARK, SentCreation, read_created_job, read_file, read_job, within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vcr.request import Request

    from tunebench.cassettes.fingerprint import Fingerprint
    from tunebench.cassettes.reading import StoredAnswer
    from tunebench.wire import Job

_SENT, _REFUSED = "SENT fine_tuning/jobs", "REFUSED fine_tuning/jobs"
_FILE = re.compile(r"GET files/([^/?]+)")
_READ = re.compile(r"GET (fine_tuning/jobs/[^/?]+/(events|checkpoints)\b.*|files/[^/?]+/content)")
# There is no such thing, now or ever.
_NO_SUCH_THING = (404, 405, 410, 501)


class JobCassette(RecordedCassette):
    """A `RecordedCassette` of the traffic of one fine-tuning job."""

    sync = True
    missing = CassetteMissError

    def __init__(self, path: str, **options: Any) -> None:
        super().__init__(path, **options)
        self._turn = 0
        self._state: Job | None = None
        self._mark = ""

    # The journal of `tunebench.api.fine_tune`.

    def job(self, mark: str) -> str | None:
        """The id of the job of this ``tunebench_job``, if it was created or followed."""
        self._mark = mark
        found = None
        for stored in self._of(mark):
            if _is_of_job(stored.request.endpoint):
                found = read_created_job(stored.row.answer).id
        if found is not None:
            self._count_as_played(mark)
        return found

    def unanswered(self, mark: str) -> SentCreation | None:
        """The creation of this ``tunebench_job`` that was sent and not answered, if any."""
        sent: SentCreation | None = None
        for stored in self._of(mark):
            endpoint, row = stored.request.endpoint, stored.row
            if endpoint == _SENT:
                sent_at = datetime.fromisoformat(row.recorded_at)
                sent = SentCreation(row.answer["idempotency_key"], sent_at)
            elif endpoint in (_REFUSED, CREATION):
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
        name, path, hint = self.file.header["recording"], self.file.path, self.hint
        if not self.file.exists:
            problem = (
                f"there is no cassette in {path.parent}, and replay sends nothing to a provider"
            )
        elif not any(_is_of_job(row.request.endpoint) for row in self.file.rows()):
            problem = f"{path} holds no job yet"
        else:
            problem = (
                f"{path} holds another job than the one this is: the training rows, the labels, "
                "the endpoint, the model or its fine-tuning options have changed"
            )
            hint = f"undo that change, or {hint}"
        return CassetteMissError(problem, where=str(name), hint=hint)

    def _of(self, mark: str) -> Iterator[StoredAnswer]:
        """The rows that state this mark."""
        for stored in self.file.rows():
            for holder in (stored.request.parameters, stored.row.answer):
                if within(holder, "metadata", MARK) == mark:
                    yield stored
                    break

    def _count_as_played(self, mark: str) -> None:
        """A replay rests on the rows that led to its job, without a request for them."""
        of_job = list(self._of(mark))
        files = {
            (stored.request.parameters or {}).get(name)
            for stored in of_job
            for name in ("training_file", "validation_file")
        }
        for stored in self.file.rows():
            if stored.request.endpoint == UPLOAD and stored.row.answer.get("id") in files:
                self._play(stored)
        for stored in of_job:
            if not STATE.fullmatch(stored.request.endpoint):
                self._play(stored)

    def _note(self, endpoint: str, mark: str, content: dict[str, Any]) -> None:
        metadata = {"metadata": {MARK: mark}}
        line = RequestLine(digest_of(endpoint, metadata), endpoint, parameters=metadata)
        earlier = sum(stored.request.endpoint == endpoint for stored in self._of(mark))
        self._append(line, str(earlier), content)

    def _append(self, line: RequestLine, prompt: str, content: Any) -> None:
        rows = rows_for(line, [text_sha256(prompt)], [content], [None])
        self.file.append(line, rows, sync=True)

    # Overridden of the cassette of a cell.

    def _asked(self, asked: Fingerprint) -> Fingerprint:
        if STATE.fullmatch(asked.endpoint):
            return replace(asked, prompts=(str(self._turn),))
        # A file that the provider could not process is uploaded again.
        if asked.endpoint == UPLOAD and (failed := self._failed_uploads(asked.digest)):
            return replace(asked, prompts=(str(failed),))
        return asked

    def _failed_uploads(self, digest: str) -> int:
        rows = list(self.file.rows())
        failed = {row.row.answer["id"] for row in rows if _FILE.fullmatch(row.request.endpoint)}
        return sum(row.request.digest == digest and row.row.answer["id"] in failed for row in rows)

    def _miss(self, asked: Fingerprint) -> CassetteError:
        if self._state is not None and self._turn and STATE.fullmatch(asked.endpoint):
            name, path = self.file.header["recording"], self.file.path
            return CassetteMissError(
                f"the recording in {path} was stopped while the job was {self._state.status}",
                where=str(name),
                hint=f"{self.hint}, which goes on with it",
            )
        return super()._miss(asked)

    def play_response(self, request: Request) -> dict[str, Any]:
        """The recorded answer; a job's states in turn, its end again and again."""
        asked, positions = request.tunebench_rows
        if STATE.fullmatch(asked.endpoint):
            self._pass(read_job(self.file.answer(positions[0]).row.answer))
        return super().play_response(request)

    def append(self, request: Request, response: dict[str, Any]) -> None:
        """As a cassette of a cell; also that there is no such list or file."""
        asked, _ = request.tunebench_sent
        if response["status"]["code"] in _NO_SUCH_THING and self._is_kept(asked.endpoint):
            self._append(asked.line(), asked.prompts[0], None)
        super().append(request, response)

    def _is_kept(self, endpoint: str) -> bool:
        """Whether a request reads the result of a job that has ended.

        Until then its events are read to be shown, and there will be more.
        """
        ended = self._state is not None and self._state.end != ""
        return ended and _READ.fullmatch(endpoint) is not None

    def _stored(self, asked: Fingerprint, body: Any) -> Any:
        endpoint = asked.endpoint
        if STATE.fullmatch(endpoint):
            job, before = job_at(endpoint, body), self._state
            if before is not None and job.status == before.status:
                return None
            self._pass(job)
        elif _FILE.fullmatch(endpoint):
            file = read_file(body)
            return file.stored() if file.state == "failed" else None
        elif endpoint not in (UPLOAD, CREATION) and not self._is_kept(endpoint):
            return None
        return stored_of_job(endpoint, body, self._mark)

    def _pass(self, job: Job) -> None:
        """Go on from a state of the job to the next one."""
        self._state = job
        self._turn += not job.end


def _is_of_job(endpoint: str) -> bool:
    """Whether an answer is about one job: that it was created, or how it stands."""
    return endpoint == CREATION or STATE.fullmatch(endpoint) is not None
