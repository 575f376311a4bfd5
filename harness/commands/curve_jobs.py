"""A fine-tuning job and its learning curve, from the job's cassette or from its provider."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.errors import TunebenchError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import openai
    import pandas as pd


_JOB = re.compile(r"GET fine_tuning/jobs/[^/?]+")
_EVENTS = re.compile(r"GET fine_tuning/jobs/[^/?]+/events\b.*")


class JobSourceError(TunebenchError):
    """A job that is not there, or has no curve."""


@dataclass(frozen=True)
class JobCurve:
    """A job and its curve.

    Attributes:
        name: for people: the cassette's name, or the job's id.
        job: what is told of it: `id`, `model`, `status`, `fine_tuned_model`, `trained_tokens`,
            `minutes` from its creation to its end, `hyperparameters`; None is what is not known.
        curve: as `harness.scoring.learning_curves.read_curve` gives it.
    """

    name: str
    job: dict[str, Any]
    curve: pd.DataFrame = field(repr=False)


def from_cassette(path: Path) -> JobCurve:
    """Read a job from its cassette.

    Raises:
        TunebenchError: the file is no cassette, no job's, or holds no metrics.
    """
    from harness.scoring.learning_curves import curve_of_metrics, read_curve

    answers = _answers(path)
    states = _states(answers)
    if not states or not isinstance(states[-1], dict):
        raise JobSourceError(
            f"{path}: the cassette holds no fine-tuning job; name one of the folder `jobs`, such "
            "as cassettes/imdb/jobs/smollm2-135m-ft300.jsonl."
        )
    job = states[-1]
    by_endpoint = dict(answers)
    for name in job.get("result_files") or []:
        content = by_endpoint.get(f"GET files/{name}/content")
        if isinstance(content, str):
            curve = read_curve(content.encode(), source=f"{path}, result file {name}")
            return JobCurve(path.stem, _told(job), curve)
    pages = [body for endpoint, body in answers if _EVENTS.fullmatch(endpoint)]
    found = {event["id"]: event for page in pages for event in page["data"]}
    newest_first = sorted(found.values(), key=lambda event: event["created_at"], reverse=True)
    metrics = _metrics(reversed(newest_first))
    curve = curve_of_metrics(metrics, source=_described(job, str(path)))
    return JobCurve(path.stem, _told(job), curve)


def states_of(path: Path) -> list[dict[str, Any]]:
    """A job's states in its cassette, from the first to the last; as `JobCurve.job` each.

    Raises:
        JobSourceError: the file is no cassette.
    """
    return [_told(body) for body in _states(_answers(path))]


def _states(answers: list[tuple[str, Any]]) -> list[Any]:
    return [body for endpoint, body in answers if _JOB.fullmatch(endpoint)]


def from_provider(name: str, base_url: str, api_key: str) -> JobCurve:
    """Ask a provider for a job.

    Args:
        name: the job's id.
        base_url: the provider's API root.
        api_key: its key; local servers take any.

    Raises:
        TunebenchError: the provider does not answer, knows no such job, or the job has no metrics.
    """
    from harness.api.client import Client
    from harness.api.fine_tuning import events_of
    from harness.scoring.learning_curves import curve_of_metrics, read_curve

    with Client(base_url, api_key, retries=2, timeout=60) as client:
        what = f"the job {name} at {base_url}"

        def retrieve(api: openai.OpenAI) -> bytes:
            return api.fine_tuning.jobs.with_raw_response.retrieve(name).content

        job = client.call_json(what, retrieve)
        # A job that runs, or ended before its time, has no file yet.
        if files := job.get("result_files"):
            content = client.call(
                f"the result file {files[0]} at {base_url}",
                lambda api: api.files.content(files[0]).content,
            )
            curve = read_curve(content, source=f"{what}, result file {files[0]}")
        else:
            events = reversed(list(events_of(client, name)))
            curve = curve_of_metrics(_metrics(events), source=_described(job, what))
    return JobCurve(name, _told(job), curve)


def _metrics(events: Any) -> Iterator[dict[str, Any]]:
    told = (event.get("data") for event in events if event.get("type") == "metrics")
    return (data for data in told if data)


def _described(job: dict[str, Any], what: str) -> str:
    """The job and how it stands, for a message that it has no metrics."""
    error = (job.get("error") or {}).get("message")
    said = f": {str(error).rstrip('.')}" if error else ""
    return f"{what} ({job.get('status')}{said})"


def _told(job: dict[str, Any]) -> dict[str, Any]:
    created, finished = job.get("created_at"), job.get("finished_at")
    method = job.get("method") or {}
    current = (method.get(method.get("type") or "") or {}).get("hyperparameters")
    return {
        **{name: job.get(name) for name in ("id", "model", "status", "fine_tuned_model")},
        "trained_tokens": job.get("trained_tokens"),
        "minutes": round((finished - created) / 60, 1) if created and finished else None,
        "hyperparameters": current or job.get("hyperparameters") or {},
    }


def _answers(path: Path) -> list[tuple[str, Any]]:
    """Endpoint and body of the answers in a cassette, in the order of the file."""
    from harness.cassettes.store import CassetteError, CassetteFile, header_problem

    hint = "name the cassette of a job, or a job's id, which begins with ftjob-"
    try:
        with path.open("rb") as lines:
            first = lines.readline()
    except OSError as error:
        raise JobSourceError(
            f"{path}: the cassette cannot be read ({error.strerror}); {hint}."
        ) from error
    if (problem := header_problem(first)) is not None:
        raise JobSourceError(f"{path}, line 1: {problem}, or {hint}.")
    header = json.loads(first)
    cassette = CassetteFile(path, experiment=header["experiment"], recording=header["recording"])
    try:
        return [(stored.request.endpoint, stored.row.answer) for stored in cassette.rows()]
    except CassetteError as error:
        raise JobSourceError(str(error)) from error
    finally:
        cassette.close()
