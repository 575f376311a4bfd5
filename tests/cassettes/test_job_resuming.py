"""A recording of a job that was stopped, and goes on later."""

from typing import Any

import pytest

from tunebench.errors import RequestError

from ..job_specs import METADATA, TRAIN

CREATION = "POST /fine_tuning/jobs"


class Stopped(BaseException):
    """Whoever recorded was stopped."""


@pytest.fixture
def stop(job, loopback, monkeypatch) -> Any:
    """Have the recording stopped before the answer to a request is read for the nth time."""

    def stop(request: str, time: int = 1) -> None:
        def answer(asked):
            answered = job.jobs.answer(asked)
            if job.jobs.requests[-1] == request and job.jobs.count(request) == time:
                loopback.answer = job.jobs.answer
                answered.cut_off = True
            return answered

        loopback.answer = answer

    return stop


STAGES = [
    ("GET /fine_tuning/jobs", 1),
    ("POST /files", 1),
    ("POST /files", 2),
    ("GET /fine_tuning/jobs/ftjob-1", 1),
    ("GET /fine_tuning/jobs/ftjob-1", 3),
    ("GET /fine_tuning/jobs/ftjob-1", 5),
    ("GET /fine_tuning/jobs/ftjob-1/events", 1),
    ("GET /fine_tuning/jobs/ftjob-1/events", 5),
    ("GET /fine_tuning/jobs/ftjob-1/checkpoints", 1),
    ("GET /files/file-result/content", 1),
]


@pytest.mark.parametrize(("request_", "time"), STAGES)
@pytest.mark.parametrize("meanwhile", [False, True], ids=["at once", "later"])
def test_a_recording_that_was_cut_off_goes_on_with_the_same_job(
    job, stop, request_: str, time: int, meanwhile: bool
) -> None:
    stop(request_, time)
    with pytest.raises(RequestError):
        job.record()
    if meanwhile:
        for one in job.jobs.jobs:
            job.jobs.finish(one)
    made = job.record()
    assert len(job.jobs.jobs) == 1
    assert made.model == "ft:base:ftjob-1"
    assert job.replay() == made


@pytest.mark.parametrize("nap", [1, 2, 4])
def test_a_recording_that_was_killed_while_the_job_ran_goes_on_with_it(job, nap: int) -> None:
    def killed(seconds: float) -> None:
        job.jobs.__class__.sleep(job.jobs, seconds)
        if len(job.jobs.naps) == nap:
            raise Stopped

    job.jobs.sleep = killed
    with pytest.raises(Stopped):
        job.record()
    del job.jobs.sleep
    made = job.record()
    assert len(job.jobs.jobs) == 1
    assert job.replay() == made


@pytest.mark.parametrize("line", ["Created", "started", "succeeded"])
def test_a_recording_that_was_killed_while_it_told_of_a_job_goes_on(job, line: str) -> None:
    def killed(message: str) -> None:
        if line in message:
            raise Stopped

    job.teller.say = killed
    with pytest.raises(Stopped):
        job.record()
    del job.teller.say
    made = job.record()
    assert len(job.jobs.jobs) == 1
    assert job.replay() == made


def test_what_was_uploaded_is_not_uploaded_again(job, stop) -> None:
    stop("POST /files", 2)
    with pytest.raises(RequestError):
        job.record()
    job.jobs.requests.clear()
    job.record()
    assert job.jobs.count("POST /files") == 1


def test_that_there_was_no_job_is_asked_again_when_recording_and_not_on_replay(job, stop) -> None:
    stop("POST /files", 2)
    with pytest.raises(RequestError):
        job.record()
    job.jobs.requests.clear()
    made = job.record()
    assert job.jobs.count("GET /fine_tuning/jobs") == 1
    assert job.replay() == made


def test_a_job_that_appeared_meanwhile_is_taken(job, stop) -> None:
    stop("POST /files", 2)
    with pytest.raises(RequestError):
        job.record()
    job.jobs.add_job(METADATA)
    made = job.record()
    assert job.jobs.count(CREATION) == 0
    assert job.replay() == made


@pytest.mark.parametrize("others", [False, True], ids=["filter", "no filter"])
def test_a_creation_that_was_cut_off_is_recorded_as_found(job, others: bool) -> None:
    if others:
        job.jobs.ignores_filter = True
        job.jobs.add_job({"another": "job"}, "succeeded")
    job.jobs.cuts_off = True
    made = job.record()
    assert job.jobs.count(CREATION) == 1
    assert len(job.jobs.jobs) == 1 + others
    assert job.replay() == made


@pytest.mark.parametrize("others", [False, True], ids=["filter", "no filter"])
def test_after_a_creation_that_was_cut_off_for_good_its_job_is_found(
    job, loopback, others: bool
) -> None:
    if others:
        job.jobs.ignores_filter = True
        job.jobs.add_job({"another": "job"}, "succeeded")

    def gone(asked):
        answered = job.jobs.answer(asked)
        answered.cut_off = job.jobs.count(CREATION) > 0
        return answered

    loopback.answer = gone
    with pytest.raises(RequestError):
        job.record()
    loopback.answer = job.jobs.answer
    made = job.record()
    assert job.jobs.count(CREATION) == 1
    assert len(job.jobs.jobs) == 1 + others
    assert job.replay() == made


def test_another_job_in_the_cassette_does_not_hide_one_whose_creation_was_cut_off(
    job, loopback
) -> None:
    job.record()
    changed = {"train": TRAIN + TRAIN, "metadata": METADATA | {"tunebench_job": "1e" * 16}}

    def gone(asked):
        answered = job.jobs.answer(asked)
        answered.cut_off = job.jobs.count(CREATION) > 1
        return answered

    loopback.answer = gone
    with pytest.raises(RequestError):
        job.record(**changed)
    loopback.answer = job.jobs.answer
    made = job.record(**changed)
    assert job.jobs.count(CREATION) == 2
    assert job.replay(**changed) == made
