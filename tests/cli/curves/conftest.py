import base64

import pytest

from tunebench.cassettes.store import CassetteFile

from .curve_jobs import CONTENT, JOB, RUNNING, answered


@pytest.fixture
def record(tmp_path):
    """Write the cassette of a job from endpoints and bodies."""

    def write(*answers, name="tiny-ft300"):
        path = tmp_path / "jobs" / f"{name}.jsonl"
        cassette = CassetteFile(path, experiment="imdb", recording=f"{name} (job)")
        cassette.start_recording()
        for number, answer in enumerate(answers):
            cassette.append(*answered(number, *answer))
        cassette.close()
        return path

    return write


@pytest.fixture
def cassette(record):
    return record(
        ("POST files", {"id": "file-1"}),
        ("POST fine_tuning/jobs", RUNNING),
        ("GET fine_tuning/jobs/ftjob-7", RUNNING),
        ("GET fine_tuning/jobs/ftjob-7/events?limit=100", {"data": [], "has_more": False}),
        ("GET fine_tuning/jobs/ftjob-7", JOB),
        ("GET fine_tuning/jobs/ftjob-7/checkpoints", {"data": []}),
        ("GET files/file-9/content", CONTENT),
    )


@pytest.fixture
def provider(loopback, said):
    """A provider with one job; its answers can be changed."""
    loopback.jobs = {"/v1/fine_tuning/jobs/ftjob-7": JOB}
    loopback.jobs["/v1/files/file-9/content"] = base64.b64encode(CONTENT.encode())

    def answer(asked):
        if asked.path in loopback.jobs:
            return said(loopback.jobs[asked.path])
        return said({"error": {"message": f"nothing at {asked.path}"}}, 404)

    loopback.answer = answer
    return loopback
