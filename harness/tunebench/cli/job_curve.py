"""A fine-tuning job and its learning curve, from the job's cassette or from its provider."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tunebench.errors import CassetteError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    import pandas as pd

    from tunebench.wire import Event, Job


_JOB = re.compile(r"GET fine_tuning/jobs/[^/?]+")
_EVENTS = re.compile(r"GET fine_tuning/jobs/[^/?]+/events\b.*")


@dataclass(frozen=True)
class JobCurve:
    """A job and its curve.

    Attributes:
        name: for people: the cassette's name, or the job's id.
        job: its `id`, `model`, `status`, `fine_tuned_model`, `trained_tokens`, `minutes` from
            its creation to its end and `hyperparameters`; None is what is not known.
        curve: as `tunebench.statistics.read_curve` returns it.
    """

    name: str
    job: dict[str, Any]
    curve: pd.DataFrame = field(repr=False)


def from_cassette(path: Path) -> JobCurve:
    """Read a job from its cassette.

    Raises:
        TunebenchError: the file is not the cassette of a job, or holds no metrics.
    """
    from tunebench.statistics import curve_of_metrics, read_curve
    from tunebench.wire import oldest_first, read_events

    answers = _answers(path)
    states = _states(path, answers)
    if not states:
        raise UsageError(
            "the cassette holds no fine-tuning job",
            where=path,
            hint="name one of the folder `jobs`, such as "
            "cassettes/imdb/jobs/smollm2-135m-ft300.jsonl",
        )
    job = states[-1]
    by_endpoint = dict(answers)
    for name in job.result_files:
        content = by_endpoint.get(f"GET files/{name}/content")
        if isinstance(content, str):
            curve = read_curve(content.encode(), source=f"{path}, result file {name}")
            return JobCurve(path.stem, _summary(job), curve)
    pages = [read_events(body) for end, body in answers if _EVENTS.fullmatch(end) and body]
    events = oldest_first(event for page in pages for event in page.entries)
    curve = curve_of_metrics(_metrics(events), source=_described(job, str(path)))
    return JobCurve(path.stem, _summary(job), curve)


def states_of(path: Path) -> list[dict[str, Any]]:
    """A job's states in its cassette, from the first to the last, each as `JobCurve.job`."""
    return [_summary(job) for job in _states(path, _answers(path))]


def _states(path: Path, answers: list[tuple[str, Any]]) -> list[Job]:
    from tunebench.wire import Unusable, read_job

    try:
        return [read_job(body) for endpoint, body in answers if _JOB.fullmatch(endpoint)]
    except Unusable as why:
        raise UsageError(why.problem, where=path, hint=why.hint) from why


def from_provider(name: str, base_url: str, api_key: str) -> JobCurve:
    """Request a job, by its id, from a provider.

    Raises:
        TunebenchError: the provider does not answer, has no such job, or the job has no metrics.
    """
    from tunebench.api import Client, JobRequests, events_of
    from tunebench.statistics import curve_of_metrics, read_curve

    with Client(base_url, api_key, retries=2, timeout=60) as client:
        requests, what = JobRequests(client), f"the job {name} at {base_url}"
        job = requests.job(name)
        # A job that is running, or was cancelled, has no file.
        if job.result_files:
            source = f"{what}, result file {job.result_files[0]}"
            curve = read_curve(requests.result(job.result_files[0]), source=source)
        else:
            metrics = _metrics(events_of(client, name))
            curve = curve_of_metrics(metrics, source=_described(job, what))
    return JobCurve(name, _summary(job), curve)


def _metrics(events: Iterable[Event]) -> Iterator[Mapping[str, Any]]:
    return (event.metrics for event in events if event.metrics)


def _described(job: Job, what: str) -> str:
    """The job and its state, for an error that it has no metrics."""
    said = f": {job.error.rstrip('.')}" if job.error else ""
    return f"{what} ({job.status}{said})"


def _summary(job: Job) -> dict[str, Any]:
    created, finished = job.created_at, job.finished_at
    minutes = None
    if created is not None and finished is not None:
        minutes = round((finished - created) / 60, 1)
    return {
        "id": job.id,
        "model": job.model or None,
        "status": job.status,
        "fine_tuned_model": job.fine_tuned_model or None,
        "trained_tokens": job.trained_tokens,
        "minutes": minutes,
        "hyperparameters": dict(job.hyperparameters),
    }


def _answers(path: Path) -> list[tuple[str, Any]]:
    """Endpoint and body of the answers in a cassette, in the order of the file."""
    from tunebench.cassettes import CassetteFile, read_header

    hint = "name the cassette of a job, or a job's id, which begins with ftjob-"
    try:
        with path.open("rb") as lines:
            first = lines.readline()
    except OSError as error:
        problem = f"the cassette cannot be read ({error.strerror})"
        raise UsageError(problem, where=path, hint=hint) from error
    try:
        header = read_header(first)
    except CassetteError as error:
        raise UsageError(
            error.problem, where=f"{path}, line 1", hint=f"{error.hint}, or {hint}"
        ) from error
    cassette = CassetteFile(path, experiment=header["experiment"], recording=header["recording"])
    try:
        return [(stored.request.endpoint, stored.row.answer) for stored in cassette.rows()]
    finally:
        cassette.close()
