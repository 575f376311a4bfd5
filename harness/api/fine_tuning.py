"""Fine-tune a model at a provider: upload, create the job, follow it, read what came of it.

A provider may start a second job when a request is sent again, and a job costs money. So a job is
first looked for by its metadata, the request that creates it is never repeated, and when its
answer was lost the job is looked for once more.
"""

from __future__ import annotations

import base64
import binascii
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import openai

from harness.api.answers import RequestError
from harness.api.uploads import told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from harness.api.client import Client

_ENDED = ("succeeded", "failed", "cancelled")
_KNOWN = ("validating_files", "queued", "running", *_ENDED)
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 15.0
_PAGE = 100
_JOBS = "/fine_tuning/jobs"


class JobError(RequestError):
    """A job that gave no model."""


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
        metadata: of the job; no two different jobs have the same.
    """

    name: str
    train: Upload
    valid: Upload
    request: dict[str, Any]
    metadata: dict[str, str]


@dataclass(frozen=True)
class FineTuned:
    """What came of a job that succeeded.

    Attributes:
        job: the job's id.
        model: the name by which the fine-tuned model is asked.
        base: the model that was fine-tuned.
        trained_tokens: as the provider counted them, or None.
        seconds: from the event that it started, or else from its creation, to its end.
        hyperparameters: as the provider states them.
        events: from the first to the last.
        checkpoints: in the order of their steps.
        metrics: the first result file, CSV; empty if there is none.
    """

    job: str
    model: str
    base: str
    trained_tokens: int | None
    seconds: int
    hyperparameters: dict[str, Any]
    events: tuple[dict[str, Any], ...] = field(repr=False)
    checkpoints: tuple[dict[str, Any], ...] = field(repr=False)
    metrics: bytes = field(repr=False)


class Monitor(Protocol):
    """Who is told how a job gets on."""

    def say(self, message: str, /) -> None:
        """A line of what happens."""

    def uploading(self, name: str, size: int, /) -> Callable[[int], None]:
        """A file of a size in bytes is being uploaded; the result is called with bytes sent."""

    def trained(self, name: str, step: int, total: int | None, message: str, /) -> None:
        """The job of that name has taken a step, of so many if the provider says how many."""


def fine_tune(client: Client, spec: JobSpec, monitor: Monitor | None, journal: Any) -> FineTuned:
    """Fine-tune, or go on with the job that does.

    Args:
        client: a connection to the provider.
        spec: the job.
        monitor: told of uploads and events; None on replay, where nothing is waited for.
        journal: knows which job was created.

    Raises:
        JobError: the job failed or was cancelled, in the provider's words.
        RequestError: a request failed for good. The job, if there is one, goes on.
    """
    mark = spec.metadata["tunebench_job"]
    known = journal.job(mark)
    if known is not None:
        job = {"id": known}
    elif monitor is None:
        raise journal.no_job()
    else:
        job = _find(client, spec) or _create(client, spec, monitor)
    job = _follow(client, spec, job, monitor)
    if job["status"] != "succeeded":
        raise JobError(f"the fine-tuning job {_end_of(job)}; mend that and record it anew.")
    return _result(client, spec, job)


def _end_of(job: dict[str, Any]) -> str:
    said = (job.get("error") or {}).get("message")
    what = "was cancelled" if job["status"] == "cancelled" else "failed"
    return f"{job['id']} {what}" + (f": {str(said).rstrip('.')}" if said else "")


def _find(client: Client, spec: JobSpec) -> dict[str, Any] | None:
    """The newest job of the same metadata that can still give, or gave, a model."""
    known = {"metadata": {"tunebench_job": spec.metadata["tunebench_job"]}}
    for job in _listed(client, f"the jobs at {client.base_url}", _JOBS, known):
        # A provider that knows no such filter lists all its jobs.
        usable = job.get("status") in _KNOWN and job["status"] not in ("failed", "cancelled")
        if usable and job.get("metadata") == spec.metadata:
            return job
    return None


def _create(client: Client, spec: JobSpec, monitor: Monitor | None) -> dict[str, Any]:
    ids = [_upload(client, file, monitor) for file in (spec.train, spec.valid)]
    what = f"the fine-tuning job {spec.name} of {spec.request['model']!r} at {client.base_url}"

    body = {"training_file": ids[0], "validation_file": ids[1], "metadata": spec.metadata}
    body |= {name: value for name, value in spec.request.items() if name != "extra_body"}
    body |= spec.request.get("extra_body", {})

    def create(api: openai.OpenAI) -> bytes:
        once = api.with_options(max_retries=0)
        return once.post(_JOBS, body=body, cast_to=openai.HttpxBinaryResponseContent).content

    try:
        return _job(client.call_json(what, create), what)
    except RequestError as error:
        # It may have been created all the same, with the answer lost on the way.
        if monitor is None or not _was_cut_off(error) or (job := _find(client, spec)) is None:
            raise
        return job


def _was_cut_off(error: RequestError) -> bool:
    return isinstance(error.__cause__, openai.APIConnectionError | openai.InternalServerError)


def _upload(client: Client, file: Upload, monitor: Monitor | None) -> str:
    what = f"the upload of {file.name} to {client.base_url}"

    def send(api: openai.OpenAI) -> bytes:
        upload = (file.name, file.content)
        return api.files.with_raw_response.create(file=upload, purpose="fine-tune").content

    with told(monitor.uploading(file.name, len(file.content)) if monitor else lambda _: None):
        found = client.call_json(what, send)
    if not isinstance(found.get("id"), str):
        raise RequestError(f"{what}: the answer holds no file id; is base_url the API root?")
    return str(found["id"])


def _follow(
    client: Client, spec: JobSpec, job: dict[str, Any], monitor: Monitor | None
) -> dict[str, Any]:
    """Poll a job until it has ended, and tell its events as they come."""
    what = f"the job {job['id']} at {client.base_url}"
    name: str = job["id"]
    seen: set[str] = set()
    pause = _FIRST_PAUSE
    # What the list of jobs said may be older than what is recorded: the job itself is asked.
    try:
        while True:
            job = _job(client.call_json(what, lambda api: _get(api, f"{_JOBS}/{name}")), what)
            if monitor is not None and _tell(client, name, seen, monitor, spec.name):
                pause = _FIRST_PAUSE
            if job["status"] in _ENDED:
                return job
            if monitor is not None:
                time.sleep(pause)
                pause = min(pause * 1.5, _LONGEST_PAUSE)
    except KeyboardInterrupt:
        if monitor is not None:
            monitor.say(
                f"{spec.name}: no longer following the job {name}; the provider goes on with it, "
                "and the same command finds it again."
            )
        raise


def _get(api: openai.OpenAI, path: str, query: dict[str, Any] | None = None) -> bytes:
    # The package's own methods for jobs import 150 types of answers, of which JSON is read here.
    options: Any = {"params": query} if query else {}
    raw = openai.HttpxBinaryResponseContent
    return api.get(path, cast_to=raw, options=options).content


def _tell(client: Client, name: str, seen: set[str], monitor: Monitor, title: str) -> bool:
    """Tell the events that have not been told; whether there were any."""
    new: list[dict[str, Any]] = []
    for event in events_of(client, name):
        if event["id"] in seen:
            break
        new.append(event)
    for event in reversed(new):
        seen.add(event["id"])
        message, data = str(event.get("message", "")), event.get("data") or {}
        if event.get("type") == "metrics" and isinstance(step := data.get("step"), int):
            total = data.get("total_steps")
            monitor.trained(title, step, total if isinstance(total, int) else None, message)
        else:
            monitor.say(f"{title}: {message}")
    return bool(new)


def _result(client: Client, spec: JobSpec, job: dict[str, Any]) -> FineTuned:
    name, model = job["id"], job.get("fine_tuned_model")
    if not isinstance(model, str):
        raise JobError(f"the fine-tuning job {name} succeeded without a model; ask its provider.")

    events = tuple(reversed(list(events_of(client, name))))
    found = _listed(client, f"the checkpoints of {name}", f"{_JOBS}/{name}/checkpoints")
    checkpoints = sorted(found, key=lambda checkpoint: checkpoint.get("step_number", 0))
    metrics = b""
    for file in (job.get("result_files") or [])[:1]:
        metrics = _decoded(
            client.call(f"the result file {file}", lambda api: api.files.content(file).content)  # noqa: B023
        )
    started = next(
        (e["created_at"] for e in events if "job started" in e.get("message", "")),
        job["created_at"],
    )
    return FineTuned(
        job=name,
        model=model,
        base=job.get("model") or spec.request["model"],
        trained_tokens=job.get("trained_tokens"),
        seconds=int((job.get("finished_at") or started) - started),
        hyperparameters=job.get("hyperparameters") or {},
        events=events,
        checkpoints=tuple(checkpoints),
        metrics=metrics,
    )


def events_of(client: Client, name: str) -> Iterator[dict[str, Any]]:
    """A job's events, the newest first."""
    return _listed(client, f"the events of {name}", f"{_JOBS}/{name}/events")


def _listed(
    client: Client, what: str, path: str, known: dict[str, Any] | None = None
) -> Iterator[dict[str, Any]]:
    """All entries of a list, page by page.

    Args:
        client: the connection.
        what: the list, for errors.
        path: below the API root.
        known: what its entries have, if the provider can filter.
    """
    after: dict[str, Any] = {}
    while True:
        query = {**after, "limit": _PAGE, **(known or {})}
        body = client.call_json(what, lambda api: _get(api, path, query))  # noqa: B023
        entries: Sequence[Any] = body.get("data") or []
        for entry in entries:
            if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
                raise RequestError(f"{what}: an entry of the list has no id; is this such an API?")
            yield entry
        if not body.get("has_more") or not entries:
            return
        after = {"after": entries[-1]["id"]}


def _job(body: dict[str, Any], what: str) -> dict[str, Any]:
    if not isinstance(body.get("id"), str) or body.get("status") not in _KNOWN:
        raise RequestError(
            f"{what}: the answer is no job with an id and a known status; does the provider have "
            "OpenAI's fine-tuning API?"
        )
    return body


def _decoded(content: bytes) -> bytes:
    """A result file as CSV; OpenAI serves it in base64."""
    try:
        return base64.b64decode(content, validate=True)
    except binascii.Error:
        return content
