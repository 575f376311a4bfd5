"""Creation of a fine-tuning job, and never of a second one.

A job costs money, and a provider may create a second one when a request is sent again. So a job is
first looked for by its metadata. The request that creates it is noted before it is sent, so that a
run after a killed one knows of it, and it is never repeated blindly: where its answer was lost, the
job is looked for as long as it may still appear.
"""

from __future__ import annotations

import re
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import openai

from tunebench.api.job_requests import JobRequests, is_missing
from tunebench.api.refusals import said
from tunebench.api.uploads import metered
from tunebench.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tunebench.api.client import Client
    from tunebench.api.job_spec import JobSpec, Journal, Monitor, Upload
    from tunebench.wire import UploadedFile

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 15.0
_LONGEST_SEARCH_PAUSE = 5.0
# A provider that has answered has created the job, or not: it only has to show up in the list.
_SHOWS_UP_WITHIN = timedelta(seconds=15)
# A provider may go on with a creation after the client has stopped waiting for its answer. A later
# run, which would create a second job, looks for the first one at least so long after it was sent.
_SLOWEST_CREATION = timedelta(minutes=15)
# The clocks of this machine and of the provider may differ, and creation times are whole seconds.
_CLOCKS_DIFFER = 60
# Some providers leave a file at "uploaded", and use it.
_MAX_FILE_PROCESSING, _MAX_UPLOADED = timedelta(minutes=30), timedelta(minutes=1)
_UPLOADED = "uploaded"
_MAX_NOT_READY = timedelta(minutes=5)
_NOT_READY_STATUS = (400, 409, 422, 425)
_NOT_READY = re.compile(
    r"\bnot (?:yet )?(?:been )?(?:fully )?(?:ready|processed|available|finished|validated)|"
    r"\b(?:is|are|still) (?:being )?(?:process|validat|upload|pending)|in progress",
    re.IGNORECASE,
)
# Refusals that leave open whether the request is still worked on: time-outs and conflicts of the
# provider, or of a proxy before it.
_STILL_OPEN = (408, 409, 425, 499, 502, 504, 524)


class JobCreation:
    """A job that is found, or else created."""

    def __init__(self, client: Client, spec: JobSpec, monitor: Monitor, journal: Journal) -> None:
        self._requests = JobRequests(client)
        self._base_url, self._timeout = client.base_url, timedelta(seconds=client.timeout)
        self._spec, self._monitor, self._journal = spec, monitor, journal

    def job(self) -> str:
        """The id of the job."""
        sent = self._journal.unanswered(self._spec.mark)
        found = self._found(sent.sent_at if sent else None)
        if found is not None:
            return found
        files = self._uploaded()
        if sent is None:
            return self._created(files, uuid.uuid4().hex)
        # A clock that was put back does not make this longer.
        until = min(sent.sent_at, _now()) + max(2 * self._timeout, _SLOWEST_CREATION)
        found = self._awaited(files, sent.sent_at, until)
        return found or self._created(files, sent.idempotency_key)

    def _found(self, since: datetime | None, training_file: str = "") -> str | None:
        """The newest job of this mark that can still give, or gave, a model.

        With `since`, a job that was created since then is taken however it ended. A training file
        finds jobs where the provider does not keep metadata.
        """
        for job in self._requests.jobs(self._spec.mark, training_file):
            is_new = (
                since is not None
                and job.created_at is not None
                and job.created_at >= since.timestamp() - _CLOCKS_DIFFER
            )
            usable = is_new or (not training_file and job.end in ("", "succeeded"))
            if usable and all(self._spec.metadata.get(k) == v for k, v in job.metadata.items()):
                return job.id
        return None

    def _awaited(self, files: tuple[str, str], since: datetime, until: datetime) -> str | None:
        """The job of a creation whose answer was lost, as soon as it shows up in the list."""
        reported = False
        for pause in _pauses(_LONGEST_SEARCH_PAUSE):
            if (found := self._found(since)) is not None:
                return found
            left = (until - _now()).total_seconds()
            if left <= 0:
                return self._found(since, files[0])
            if not reported:
                self._say(
                    "a job's creation was sent and its answer was lost; looking for that job for "
                    f"up to {left:.0f} s, so that no second one is created"
                )
                reported = True
            time.sleep(min(pause, left))
        return None

    def _created(self, files: tuple[str, str], key: str) -> str:
        """The id of a job that is created, even where the answer does not say so."""
        give_up = _now() + _MAX_NOT_READY
        for pause in _pauses(_LONGEST_PAUSE):
            self._journal.sent(self._spec.mark, key)
            sent_at = _now()
            try:
                return self._requests.create(self._spec, files, key).id
            except RequestError as error:
                if _is_not_ready(error) or _created_nothing(error):
                    self._journal.refused(self._spec.mark)
                    if not _is_not_ready(error) or _now() >= give_up:
                        raise
                    self._say("the provider has not processed the files yet; trying again")
                else:
                    until = _now() + _SHOWS_UP_WITHIN
                    if not _was_answered(error):
                        until = max(until, sent_at + self._timeout)
                    if (found := self._awaited(files, sent_at, until)) is None:
                        raise
                    return found
            time.sleep(pause)
            # The answer to this key is known.
            key = uuid.uuid4().hex
        raise AssertionError  # the pauses have no end

    def _uploaded(self) -> tuple[str, str]:
        """The ids of both files at the provider, which has processed them."""
        files = [self._upload(file) for file in (self._spec.train, self._spec.valid)]
        for file, uploaded in zip((self._spec.train, self._spec.valid), files, strict=True):
            self._await_file(file, uploaded)
        return files[0].id, files[1].id

    def _upload(self, file: Upload) -> UploadedFile:
        with metered(self._monitor.uploading(file.name, len(file.content))):
            return self._requests.upload(file)

    def _await_file(self, file: Upload, uploaded: UploadedFile) -> None:
        started, reported = _now(), ""
        for pause in _pauses(_LONGEST_PAUSE):
            if uploaded.state != "processing":
                break
            is_uploaded = uploaded.status.lower() == _UPLOADED
            if _now() - started >= (_MAX_UPLOADED if is_uploaded else _MAX_FILE_PROCESSING):
                return
            time.sleep(pause)
            try:
                uploaded = self._requests.file(uploaded.id, file.name)
            except RequestError as error:
                if not is_missing(error):
                    raise
                return
            if uploaded.state == "processing" and uploaded.status != reported:
                reported = uploaded.status
                self._say(f"{file.name} is {reported}; waiting for the provider to process it")
        if uploaded.state == "failed":
            why = f": {uploaded.details.rstrip('.')}" if uploaded.details else ""
            raise RequestError(
                f"the provider could not process the file ({uploaded.status}){why}",
                where=f"the upload of {file.name} to {self._base_url}",
                hint="fix that and record again",
            )

    def _say(self, message: str) -> None:
        self._monitor.say(f"{self._spec.name}: {message}")


def _is_not_ready(error: RequestError) -> bool:
    """Whether a job was refused because its files are still being processed."""
    cause = error.__cause__
    if not isinstance(cause, openai.APIStatusError) or cause.status_code not in _NOT_READY_STATUS:
        return False
    words = said(cause)
    return "file" in words.lower() and _NOT_READY.search(words) is not None


def _created_nothing(error: RequestError) -> bool:
    """Whether a creation that failed with this error certainly created no job."""
    cause = error.__cause__
    if isinstance(cause, openai.APIStatusError):
        return cause.status_code < 500 and cause.status_code not in _STILL_OPEN
    if isinstance(cause, openai.APIConnectionError):
        import httpx2

        unsent = httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout
        return isinstance(cause.__cause__, unsent)
    return cause is None  # a redirect, which was not followed


def _was_answered(error: RequestError) -> bool:
    """Whether the provider has finished a creation that failed with this error."""
    cause = error.__cause__
    if isinstance(cause, openai.APIStatusError):
        return cause.status_code not in _STILL_OPEN
    return isinstance(cause, ValueError)


def _pauses(longest: float) -> Iterator[float]:
    """Seconds to wait, without end, longer each time."""
    pause = _FIRST_PAUSE
    while True:
        yield pause
        pause = min(pause * 1.5, longest)


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)
