"""How following a job ends, and what is read of it then."""

import base64
import re

import pytest

from tunebench.api.fine_tuning import fine_tune
from tunebench.errors import JobError, RequestError

from ..job_specs import METADATA, job_spec
from ..jobs_provider import CSV

JOB = "GET /fine_tuning/jobs/ftjob-1"


def test_a_failed_job_is_told_in_the_providers_words(jobs, client, teller, journal) -> None:
    jobs.states = ["queued", "running", "failed"]
    with pytest.raises(JobError) as raised:
        fine_tune(client, job_spec(), teller, journal)
    assert str(raised.value) == (
        "the fine-tuning job ftjob-1 failed: the training file has no two classes; fix that and "
        "record it again."
    )
    assert teller.lines[-1] == "m-ft10: The job has failed"


@pytest.mark.parametrize("error", [None, {}, {"message": None}, {"message": ""}])
def test_a_job_that_failed_without_a_word_is_a_sentence(
    jobs, client, teller, journal, error
) -> None:
    jobs.states = ["failed"]
    jobs.extra = {"error": error}
    with pytest.raises(JobError, match=r"^the fine-tuning job ftjob-1 failed; fix that and rec"):
        fine_tune(client, job_spec(), teller, journal)


def test_a_job_that_was_cancelled_is_a_sentence(jobs, client, teller, journal) -> None:
    jobs.states = ["queued", "cancelled"]
    with pytest.raises(JobError) as raised:
        fine_tune(client, job_spec(), teller, journal)
    assert str(raised.value) == (
        "the fine-tuning job ftjob-1 was cancelled; fix that and record it again."
    )


def test_a_model_may_come_after_the_success(jobs, loopback, client, teller, journal, said) -> None:
    def late(asked):
        answered = jobs.answer(asked)
        if jobs.requests[-1] == JOB and jobs.requests.count(JOB) < 7:
            answered.body = answered.body | {"fine_tuned_model": None}
        return answered

    loopback.answer = late
    assert fine_tune(client, job_spec(), teller, journal).model == "ft:base:ftjob-1"


def test_a_page_of_a_proxy_between_two_states_is_passed_over(
    jobs, loopback, client, teller, journal, said
) -> None:
    def proxy(asked):
        answered = jobs.answer(asked)
        return said(b"<html>login</html>") if jobs.requests.count(JOB) in (2, 3) else answered

    loopback.answer = proxy
    assert fine_tune(client, job_spec(), teller, journal).model == "ft:base:ftjob-1"


def test_a_success_without_a_model_is_a_sentence(jobs, loopback, client, teller, journal) -> None:
    jobs.makes_a_model = False
    with pytest.raises(RequestError) as raised:
        fine_tune(client, job_spec(), teller, journal)
    assert str(raised.value) == (
        f"the job ftjob-1 at {loopback.url}: fine_tuned_model is null and must be the model's "
        "name, as the job has succeeded; ask its provider."
    )
    assert not isinstance(raised.value, JobError)  # it may get one yet


def test_the_state_of_another_job_is_a_sentence(jobs, loopback, client, teller, journal) -> None:
    def other(asked):
        answered = jobs.answer(asked)
        if jobs.requests[-1] == JOB:
            answered.body = answered.body | {"id": "ftjob-other"}
        return answered

    loopback.answer = other
    with pytest.raises(RequestError) as raised:
        fine_tune(client, job_spec(), teller, journal)
    assert str(raised.value) == (
        f'the job ftjob-1 at {loopback.url}: id is "ftjob-other" and must be ftjob-1, which was '
        "asked for; ask its provider."
    )


def test_an_unknown_state_is_waited_for_and_shown_once_a_change(
    jobs, client, teller, journal
) -> None:
    jobs.states = ["pending", "running", "paused", "paused", "Paused", "running", "succeeded"]
    assert fine_tune(client, job_spec(), teller, journal).model == "ft:base:ftjob-1"
    assert [line for line in teller.lines if " is " in line] == [
        "m-ft10: the job ftjob-1 is pending",
        "m-ft10: the job ftjob-1 is paused",
        "m-ft10: the job ftjob-1 is Paused",
    ]


@pytest.mark.parametrize(
    ("status", "end"),
    [("expired", "failed (expired)"), ("canceled", "was cancelled (canceled)"),
     ("FAILED", "failed"), ("error", "failed (error)")],
)  # fmt: skip
def test_providers_have_words_of_their_own_for_an_end(
    jobs, client, teller, journal, status: str, end: str
) -> None:
    jobs.states = ["queued", status]
    with pytest.raises(JobError, match=rf"^the fine-tuning job ftjob-1 {re.escape(end)}; fix that"):
        fine_tune(client, job_spec(), teller, journal)


def test_a_success_in_another_word_is_one(jobs, client, teller, journal) -> None:
    jobs.states = ["queued", "COMPLETED"]
    jobs.extra = {"fine_tuned_model": "theirs"}
    assert fine_tune(client, job_spec(), teller, journal).model == "theirs"


@pytest.mark.parametrize("entry", ["ftjob-1", None, {"id": None, "metadata": METADATA}])
def test_a_list_of_something_else_is_a_sentence(
    jobs, loopback, client, teller, journal, said, entry
) -> None:
    loopback.answer = lambda _: said({"data": [entry]})
    with pytest.raises(RequestError, match=r"^the jobs at .*: data\[0\](\.id)? is .* must be an"):
        fine_tune(client, job_spec(), teller, journal)


def test_an_upload_without_an_id_is_a_sentence(
    jobs, loopback, client, teller, journal, said
) -> None:
    loopback.answer = lambda asked: said({"object": "file"}) if asked.body else jobs.answer(asked)
    with pytest.raises(
        RequestError, match=r"^the upload of films_train.jsonl .*: id is null and must"
    ):
        fine_tune(client, job_spec(), teller, journal)


def test_who_stops_following_is_told_that_the_job_goes_on(jobs, client, teller, journal) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    jobs.sleep = interrupt
    with pytest.raises(KeyboardInterrupt):
        fine_tune(client, job_spec(), teller, journal)
    assert teller.lines[-1] == (
        "m-ft10: no longer following the job ftjob-1; the provider goes on with it, and the same "
        "command finds it again."
    )
    assert not [request for request in jobs.requests if "cancel" in request]
    assert jobs.jobs[0]["status"] == "queued"


@pytest.mark.parametrize("content", [CSV, base64.b64encode(CSV)], ids=["plain", "base64"])
def test_the_result_file_is_csv_however_it_is_served(
    jobs, client, teller, journal, content
) -> None:
    jobs.result = content
    assert fine_tune(client, job_spec(), teller, journal).metrics == CSV


def test_a_job_may_have_no_result_file(jobs, client, teller, journal) -> None:
    jobs.result = None
    assert fine_tune(client, job_spec(), teller, journal).metrics == b""


def test_checkpoints_come_in_the_order_of_their_steps(jobs, client, teller, journal) -> None:
    jobs.states = ["queued", *["running"] * 12, "succeeded"]
    jobs.page = 5
    made = fine_tune(client, job_spec(), teller, journal)
    assert [point.step for point in made.checkpoints] == list(range(1, 13))


def test_the_time_is_taken_from_the_start_of_the_training(jobs, client, teller, journal) -> None:
    jobs.states = [*["queued"] * 5, *["running"] * 3, "succeeded"]
    assert fine_tune(client, job_spec(), teller, journal).seconds == 30


def test_where_no_event_tells_of_a_start_the_time_is_taken_from_the_creation(
    jobs, client, teller, journal
) -> None:
    jobs.states = [*["queued"] * 5, "succeeded"]
    assert fine_tune(client, job_spec(), teller, journal).seconds == 50


def test_a_job_that_was_over_when_it_was_found_is_not_waited_for(
    jobs, client, teller, journal
) -> None:
    jobs.finish(jobs.add_job(METADATA))
    assert fine_tune(client, job_spec(), teller, journal).model == "ft:base:ftjob-1"
    assert jobs.naps == []
