"""The requests about files and fine-tuning jobs; `tunebench.wire` reads their answers."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import openai

from tunebench.errors import RequestError
from tunebench.wire import (
    MARK,
    Unusable,
    read_checkpoints,
    read_created_job,
    read_events,
    read_file,
    read_job,
    read_jobs,
    read_result,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tunebench.api.client import Client
    from tunebench.api.job_spec import JobSpec, Upload
    from tunebench.wire import Checkpoint, Event, Job, Page, UploadedFile

_T = TypeVar("_T")

_JOBS = "/fine_tuning/jobs"
_PAGE = 100
# A list of more pages than this has no end.
_MAX_PAGES = 1000
# Each provider refuses a request for what it lacks with another status; these ones are about the
# request's time or its sender, and not about what it asks for.
_NOT_MISSING = (401, 408, 429)


class JobRequests:
    """The requests to one provider, which raise the errors of `Client.ask`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def upload(self, file: Upload) -> UploadedFile:
        """Upload a file."""

        def send(api: openai.OpenAI) -> bytes:
            return api.files.with_raw_response.create(
                file=(file.name, file.content), purpose="fine-tune", extra_headers=_once()
            ).content

        return self._ask(f"the upload of {file.name}", send, read_file)

    def file(self, id_: str, name: str) -> UploadedFile:
        """The state of a file that was uploaded under a name."""
        return self._get(f"the file {name}", f"/files/{_part(id_)}", read_file)

    def create(self, spec: JobSpec, files: tuple[str, str], idempotency_key: str) -> Job:
        """Create a job from two uploaded files. The request is never repeated."""
        body = {"training_file": files[0], "validation_file": files[1], "metadata": spec.metadata}
        body |= {name: value for name, value in spec.request.items() if name != "extra_body"}
        body |= spec.request.get("extra_body", {})

        def send(api: openai.OpenAI) -> bytes:
            options: Any = {"headers": _once(idempotency_key)}
            once = api.with_options(max_retries=0)
            raw = openai.HttpxBinaryResponseContent
            return once.post(_JOBS, body=body, cast_to=raw, options=options).content

        what = f"the fine-tuning job {spec.name} of {spec.request['model']!r}"
        return self._ask(what, send, read_created_job)

    def jobs(self, mark: str, training_file: str = "") -> Iterator[Job]:
        """The jobs of a mark, the newest first; see `tunebench.wire.read_jobs`."""

        def read(body: Any) -> Page[Job]:
            return read_jobs(body, mark, training_file)

        # A provider without this filter lists all its jobs; one that has lost the metadata must
        # not look for them.
        known: dict[str, Any] = {} if training_file else {"metadata": {MARK: mark}}
        for page in self._pages("the jobs", _JOBS, read, known):
            yield from page.entries

    def job(self, id_: str) -> Job:
        """The state of a job."""
        return self._get(
            f"the job {id_}", f"{_JOBS}/{_part(id_)}", lambda body: read_job(body, id_)
        )

    def events(self, id_: str) -> Iterator[Page[Event]]:
        """A job's events, page by page, the newest first."""
        path = f"{_JOBS}/{_part(id_)}/events"
        return self._pages(f"the events of {id_}", path, read_events)

    def checkpoints(self, id_: str) -> Iterator[Page[Checkpoint]]:
        """A job's checkpoints, page by page."""
        path = f"{_JOBS}/{_part(id_)}/checkpoints"
        return self._pages(f"the checkpoints of {id_}", path, read_checkpoints)

    def result(self, id_: str) -> bytes:
        """The content of a result file, CSV."""
        what = self._at(f"the result file {id_}")
        return self._client.ask(
            what, lambda api: api.files.content(id_).content, read_result, bytes
        )

    def _pages(
        self,
        what: str,
        path: str,
        read: Callable[[Any], Page[Any]],
        known: dict[str, Any] | None = None,
    ) -> Iterator[Page[Any]]:
        """A list, page by page; some providers ignore `known`, a filter for its entries."""
        after: dict[str, Any] = {}
        seen: set[str] = set()
        for _ in range(_MAX_PAGES):
            page = self._get(what, path, read, {**after, "limit": _PAGE, **(known or {})})
            yield page
            # Some providers always say that there is more.
            if page.after is None or page.after in seen:
                return
            seen.add(page.after)
            after = {"after": page.after}
        problem = "the list has no end"
        raise RequestError(
            problem, where=self._at(what), hint="see the provider's log"
        ) from Unusable(problem)

    def _get(
        self, what: str, path: str, read: Callable[[Any], _T], query: dict[str, Any] | None = None
    ) -> _T:
        def send(api: openai.OpenAI) -> bytes:
            # The package's own methods for jobs import 150 types of answers.
            options: Any = {"params": query} if query else {}
            raw = openai.HttpxBinaryResponseContent
            return api.get(path, cast_to=raw, options=options).content

        return self._ask(what, send, read)

    def _ask(
        self, what: str, send: Callable[[openai.OpenAI], bytes], read: Callable[[Any], _T]
    ) -> _T:
        return self._client.ask(self._at(what), send, read)

    def _at(self, what: str) -> str:
        return f"{what} at {self._client.base_url}"


def is_missing(error: RequestError) -> bool:
    """Whether a request failed because the provider has no such thing, or none that is readable."""
    cause = error.__cause__
    if isinstance(cause, openai.APIStatusError):
        return cause.status_code not in _NOT_MISSING
    return isinstance(cause, ValueError)


def why_missing(error: RequestError) -> str:
    """The reason, for the end of a sentence."""
    cause = error.__cause__
    if isinstance(cause, openai.APIStatusError):
        return f"the provider answered {cause.status_code}"
    return str(cause)


def _once(key: str = "") -> dict[str, str]:
    """The header by which some providers recognise a repeated request."""
    return {"Idempotency-Key": key or uuid.uuid4().hex}


def _part(id_: str) -> str:
    """An id as one part of a path."""
    return quote(id_, safe="")
