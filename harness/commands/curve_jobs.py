"""A fine-tuning job and its learning curve, from the job's cassette or from its provider."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.errors import TunebenchError
from harness.finite import finite

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
    for name in _files(job):
        content = by_endpoint.get(f"GET files/{name}/content")
        if isinstance(content, str):
            curve = read_curve(content.encode(), source=f"{path}, result file {name}")
            return JobCurve(path.stem, _told(job), curve)
    pages = [body for endpoint, body in answers if _EVENTS.fullmatch(endpoint)]
    events = [event for page in pages for event in _list(_object(page).get("data"))]
    found = {str(event.get("id")): event for event in map(_object, events)}
    newest_first = sorted(found.values(), key=_created, reverse=True)
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
        if files := _files(job):
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
    told = (event.get("data") for event in map(_object, events) if event.get("type") == "metrics")
    return (data for data in told if data and isinstance(data, dict))


def _described(job: dict[str, Any], what: str) -> str:
    """The job and how it stands, for a message that it has no metrics."""
    error = _object(job.get("error")).get("message")
    said = f": {str(error).rstrip('.')}" if error else ""
    return f"{what} ({job.get('status')}{said})"


def _told(job: dict[str, Any]) -> dict[str, Any]:
    created, finished = _number(job.get("created_at")), _number(job.get("finished_at"))
    method = _object(job.get("method"))
    current = _object(method.get(str(method.get("type")))).get("hyperparameters")
    names = ("id", "model", "status", "fine_tuned_model")
    tokens = job.get("trained_tokens")
    told: dict[str, Any] = {
        **{name: job[name] if isinstance(job.get(name), str) else None for name in names},
        "trained_tokens": tokens if type(tokens) is int else None,
        "minutes": round((finished - created) / 60, 1) if created and finished else None,
        "hyperparameters": _object(current) or _object(job.get("hyperparameters")),
    }
    return finite(told)  # type: ignore[no-any-return]


# What a provider, or a cassette that was edited, puts in the place of something else is as if it
# were missing.


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _files(job: dict[str, Any]) -> list[str]:
    return [name for name in _list(job.get("result_files")) if name and isinstance(name, str)]


def _number(value: Any) -> float:
    """A time in seconds; 0 where it is none."""
    known = isinstance(value, int | float) and 0 < value < 1e12
    return float(value) if known else 0.0


def _created(event: dict[str, Any]) -> float:
    return _number(event.get("created_at"))


def _answers(path: Path) -> list[tuple[str, Any]]:
    """Endpoint and body of the answers in a cassette, in the order of the file."""
    from harness.cassettes.store import CassetteFile

    try:
        with path.open("rb") as lines:
            header = json.loads(lines.readline())
        names = {name: header[name] for name in ("experiment", "recording")}
    except OSError as error:
        raise JobSourceError(
            f"{path}: the cassette cannot be read ({error.strerror}); name the cassette of a job, "
            "or a job's id, which begins with ftjob-."
        ) from error
    except (ValueError, TypeError, KeyError) as error:
        raise JobSourceError(
            f"{path}, line 1: this is no cassette; name the cassette of a job, or a job's id, "
            "which begins with ftjob-."
        ) from error
    cassette = CassetteFile(path, **names)
    try:
        rows = list(cassette.rows())
        return [(str(row["endpoint"]), row["body"]) for row in rows if row["status"] == 200]
    except (ValueError, KeyError) as error:
        raise JobSourceError(
            f"{path}: a row of the cassette is damaged; restore the file from version control."
        ) from error
    finally:
        cassette.close()
