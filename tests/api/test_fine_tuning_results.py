"""How following a job ends, and what is read of it then."""

import base64

import pytest

from harness.api import RequestError
from harness.api.fine_tuning import JobError, fine_tune

from ..job_specs import METADATA, job_spec
from ..jobs_provider import CSV


def test_a_failed_job_is_told_in_the_providers_words(jobs, client, teller) -> None:
    jobs.states = ["queued", "running", "failed"]
    with pytest.raises(JobError) as raised:
        fine_tune(client, job_spec(), teller)
    assert str(raised.value) == (
        "the fine-tuning job ftjob-1 failed: the training file has no two classes; mend that and "
        "record it anew."
    )
    assert teller.lines[-1] == "m-ft10: The job has failed"


@pytest.mark.parametrize("error", [None, {}, {"message": None}, {"message": ""}])
def test_a_job_that_failed_without_a_word_is_a_sentence(jobs, client, teller, error) -> None:
    jobs.states = ["failed"]
    jobs.extra = {"error": error}
    with pytest.raises(JobError, match=r"^the fine-tuning job ftjob-1 failed; mend that and rec"):
        fine_tune(client, job_spec(), teller)


def test_a_job_that_was_cancelled_is_a_sentence(jobs, client, teller) -> None:
    jobs.states = ["queued", "cancelled"]
    with pytest.raises(JobError) as raised:
        fine_tune(client, job_spec(), teller)
    assert str(raised.value) == (
        "the fine-tuning job ftjob-1 was cancelled; mend that and record it anew."
    )


def test_a_success_without_a_model_is_a_sentence(jobs, client, teller) -> None:
    jobs.makes_a_model = False
    with pytest.raises(JobError) as raised:
        fine_tune(client, job_spec(), teller)
    assert str(raised.value) == (
        "the fine-tuning job ftjob-1 succeeded without a model; ask its provider."
    )


def test_an_unknown_status_is_a_sentence(jobs, loopback, client, teller) -> None:
    jobs.states = ["queued", "paused"]
    with pytest.raises(RequestError) as raised:
        fine_tune(client, job_spec(), teller)
    assert str(raised.value) == (
        f"the job ftjob-1 at {loopback.url}: the answer is no job with an id and a known status; "
        "does the provider have OpenAI's fine-tuning API?"
    )


@pytest.mark.parametrize("entry", [{}, {"id": None}, "ftjob-1", None])
def test_a_list_of_something_else_is_a_sentence(
    jobs, loopback, client, teller, said, entry
) -> None:
    loopback.answer = lambda _: said({"data": [entry]})
    with pytest.raises(RequestError, match=r"^the jobs at .*an entry of the list has no id"):
        fine_tune(client, job_spec(), teller)


def test_an_upload_without_an_id_is_a_sentence(jobs, loopback, client, teller, said) -> None:
    loopback.answer = lambda asked: said({"object": "file"}) if asked.body else jobs.answer(asked)
    with pytest.raises(RequestError, match=r"^the upload of films_train.jsonl .*holds no file id"):
        fine_tune(client, job_spec(), teller)


def test_who_stops_following_is_told_that_the_job_goes_on(jobs, client, teller) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    jobs.sleep = interrupt
    with pytest.raises(KeyboardInterrupt):
        fine_tune(client, job_spec(), teller)
    assert teller.lines[-1] == (
        "m-ft10: no longer following the job ftjob-1; the provider goes on with it, and the same "
        "command finds it again."
    )
    assert not [request for request in jobs.requests if "cancel" in request]
    assert jobs.jobs[0]["status"] == "queued"


@pytest.mark.parametrize("content", [CSV, base64.b64encode(CSV)], ids=["plain", "base64"])
def test_the_result_file_is_csv_however_it_is_served(jobs, client, teller, content) -> None:
    jobs.result = content
    assert fine_tune(client, job_spec(), teller).metrics == CSV


def test_a_job_may_have_no_result_file(jobs, client, teller) -> None:
    jobs.result = None
    assert fine_tune(client, job_spec(), teller).metrics == b""


def test_checkpoints_come_in_the_order_of_their_steps(jobs, client, teller) -> None:
    jobs.states = ["queued", *["running"] * 12, "succeeded"]
    jobs.page = 5
    made = fine_tune(client, job_spec(), teller)
    assert [point["step_number"] for point in made.checkpoints] == list(range(1, 13))


def test_the_time_is_taken_from_the_start_of_the_training(jobs, client, teller) -> None:
    jobs.states = [*["queued"] * 5, *["running"] * 3, "succeeded"]
    assert fine_tune(client, job_spec(), teller).seconds == 30


def test_where_no_event_tells_of_a_start_the_time_is_taken_from_the_creation(
    jobs, client, teller
) -> None:
    jobs.states = [*["queued"] * 5, "succeeded"]
    assert fine_tune(client, job_spec(), teller).seconds == 50


def test_a_job_that_was_over_when_it_was_found_is_not_waited_for(jobs, client, teller) -> None:
    jobs.finish(jobs.add_job(METADATA))
    assert fine_tune(client, job_spec(), teller).model == "ft:base:ftjob-1"
    assert jobs.naps == []
