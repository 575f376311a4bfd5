"""However a creation goes, there is one job."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tunebench.api import Client
from tunebench.api.fine_tuning import fine_tune
from tunebench.errors import JobError, RequestError
from tunebench.wire import SentCreation

from ..job_specs import METADATA, job_spec

CREATION = "POST /fine_tuning/jobs"
SEARCH = "GET /fine_tuning/jobs"
MARK = METADATA["tunebench_job"]


def ago(seconds: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)


@pytest.fixture
def sent(journal) -> SentCreation:
    """A creation that a run before sent three seconds ago, and did not live to see answered."""
    journal.open[MARK] = SentCreation("the-key", ago(3))
    return journal.open[MARK]


@pytest.fixture
def appears(jobs) -> Any:
    """Have a job appear in the list after some naps."""

    def appears(after: int, **fields: Any) -> None:
        def sleep(seconds: float) -> None:
            jobs.__class__.sleep(jobs, seconds)
            if len(jobs.naps) == after:
                jobs.add_job(METADATA).update(fields)

        jobs.sleep = sleep

    return appears


def keys(jobs) -> list[str]:
    """The idempotency keys of creations and uploads, in their order."""
    found = zip(jobs.requests, jobs.headers, strict=True)
    return [headers["idempotency-key"] for request, headers in found if request[:4] == "POST"]


def test_each_request_that_creates_something_has_a_key_of_its_own(
    jobs, client, teller, journal
) -> None:
    fine_tune(client, job_spec(), teller, journal)
    assert len(set(keys(jobs))) == 3
    assert keys(jobs)[-1:] == journal.keys


def test_a_job_that_the_journal_knows_is_followed_without_a_search(
    jobs, client, teller, journal
) -> None:
    jobs.add_job({})
    journal.known[MARK] = "ftjob-1"
    assert fine_tune(client, job_spec(), teller, journal).job == "ftjob-1"
    assert (jobs.count(SEARCH), jobs.count("POST /files"), jobs.count(CREATION)) == (0, 0, 0)


def test_what_a_killed_run_sent_is_waited_for_and_not_sent_again(
    jobs, client, teller, journal, sent, appears
) -> None:
    appears(after=4)
    assert fine_tune(client, job_spec(), teller, journal).job == "ftjob-1"
    assert jobs.count(CREATION) == 0
    (line,) = [line for line in teller.lines if "looking for" in line]
    assert re.fullmatch(
        r"m-ft10: a job's creation was sent and its answer was lost; looking for that job for up "
        r"to 119\d s, so that no second one is created",
        line,
    )


def test_what_never_appears_is_created_with_the_same_key_after_twice_the_timeout(
    jobs, client, teller, journal, sent
) -> None:
    assert fine_tune(client, job_spec(), teller, journal).job == "ftjob-1"
    assert journal.keys == ["the-key"]
    assert keys(jobs)[-1] == "the-key"
    naps = jobs.naps[: -len(jobs.states) + 1]
    assert 1190 < sum(naps) < 1202
    assert max(naps) <= 5


@pytest.mark.parametrize(("timeout", "minutes"), [(3.0, 15), (600.0, 20), (3600.0, 120)])
def test_a_creation_slower_than_the_timeout_is_found_by_a_later_run(
    jobs, loopback, teller, journal, appears, timeout: float, minutes: float
) -> None:
    # The provider knows no idempotency keys, and is at work on a job that it shows only at the end.
    journal.open[MARK] = SentCreation("the-key", ago(timeout + 1))
    left = 60 * minutes - timeout - 1
    appears(after=int(left / 5) - 2)
    with Client(loopback.url, "any", timeout=timeout) as client:
        assert fine_tune(client, job_spec(), teller, journal).job == "ftjob-1"
    assert jobs.count(CREATION) == 0
    assert left - 60 < sum(jobs.naps) < left + 60


def test_what_was_sent_long_ago_is_not_waited_for(jobs, client, teller, journal) -> None:
    journal.open[MARK] = SentCreation("the-key", ago(3600))
    fine_tune(client, job_spec(), teller, journal)
    assert len(jobs.naps) < len(jobs.states)
    assert journal.keys == ["the-key"]


def test_a_clock_that_was_put_back_does_not_make_the_wait_longer(
    jobs, client, teller, journal
) -> None:
    journal.open[MARK] = SentCreation("the-key", ago(-86400))
    fine_tune(client, job_spec(), teller, journal)
    assert 1190 < sum(jobs.naps) < 1220


def test_a_job_that_failed_in_the_meantime_is_the_one_that_was_sent(
    jobs, client, teller, journal, sent, appears
) -> None:
    appears(after=2, status="failed", error={"message": "no credit."})
    with pytest.raises(JobError, match="ftjob-1 failed: no credit; fix that"):
        fine_tune(client, job_spec(), teller, journal)
    assert jobs.count(CREATION) == 0


def test_a_job_that_failed_before_is_not(jobs, client, teller, journal, sent) -> None:
    jobs.add_job(METADATA, "failed")["created_at"] = int(ago(600).timestamp())
    assert fine_tune(client, job_spec(), teller, journal).job == "ftjob-2"


def test_a_job_whose_metadata_the_provider_lost_is_known_by_its_file(
    jobs, client, teller, journal, sent, appears
) -> None:
    jobs.add_job(METADATA, "succeeded").update(
        metadata=None, training_file="file-1", created_at=int(ago(600).timestamp())
    )
    appears(after=3, metadata=None, training_file="file-1")
    assert fine_tune(client, job_spec(), teller, journal).job == "ftjob-2"
    assert jobs.count(CREATION) == 0


@pytest.mark.parametrize("status", [408, 409, 502, 504, None], ids=str)
@pytest.mark.parametrize("after", [1, 30])
def test_a_job_whose_answer_was_lost_is_found_however_late_it_is(
    jobs, client, teller, journal, said, appears, status: int | None, after: int
) -> None:
    jobs.refusal = said({}, status or 200, cut_off=status is None)
    appears(after=after)
    assert fine_tune(client, job_spec(), teller, journal).job == "ftjob-1"
    assert jobs.count(CREATION) == 1


@pytest.mark.parametrize(
    ("status", "body"), [(500, {}), (200, {"id": None}), (200, {}), (200, b"<html>busy</html>")]
)
def test_an_answer_that_cannot_be_used_does_not_create_a_second_job(
    jobs, client, teller, journal, said, appears, status: int, body: Any
) -> None:
    jobs.refusal = said(body, status)
    appears(after=2)
    assert fine_tune(client, job_spec(), teller, journal).job == "ftjob-1"
    assert jobs.count(CREATION) == 1


@pytest.mark.parametrize(("status", "body"), [(500, {}), (200, {"id": None})])
def test_a_provider_that_has_answered_is_not_waited_for_long(
    jobs, client, teller, journal, said, status: int, body: Any
) -> None:
    jobs.refusal = said(body, status)
    with pytest.raises(RequestError, match="the fine-tuning job m-ft10 of 'base' at"):
        fine_tune(client, job_spec(), teller, journal)
    assert 14 < sum(jobs.naps) < 17
    assert jobs.count(CREATION) == 1
    assert MARK in journal.open  # the next run looks for it, too


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 422, 429])
def test_after_a_clean_refusal_the_next_run_does_not_wait(
    jobs, client, teller, journal, said, status: int
) -> None:
    jobs.refusal = said({"error": {"message": "no"}}, status)
    with pytest.raises(RequestError, match=rf"the provider answered {status} \(no\)"):
        fine_tune(client, job_spec(), teller, journal)
    assert journal.open == {}
    assert jobs.naps == []


def test_a_quota_that_is_used_up_is_asked_once(jobs, client, teller, journal, said) -> None:
    jobs.refusal = said({"error": {"message": "pay", "type": "insufficient_quota"}}, 429)
    with pytest.raises(RequestError, match="the account's quota is used up"):
        fine_tune(client, job_spec(), teller, journal)
    assert jobs.count(CREATION) == 1


def test_a_redirect_to_another_host_created_nothing(jobs, client, teller, journal, said) -> None:
    jobs.refusal = said({}, 307, {"Location": "http://elsewhere.example/v1/fine_tuning/jobs"})
    with pytest.raises(RequestError, match="redirects to"):
        fine_tune(client, job_spec(), teller, journal)
    assert journal.open == {}


def test_what_could_not_be_sent_created_nothing(
    jobs, client, teller, journal, unused_port, monkeypatch
) -> None:
    call = client.call

    def unreachable(what: str, send: Any) -> bytes:
        if what.startswith("the fine-tuning job"):
            with Client(f"http://127.0.0.1:{unused_port}/v1", "any") as nobody:
                return nobody.call(what, send)
        return call(what, send)

    monkeypatch.setattr(client, "call", unreachable)
    with pytest.raises(RequestError, match="no connection"):
        fine_tune(client, job_spec(), teller, journal)
    assert journal.open == {}


@pytest.mark.parametrize("status", [400, 409, 422])
@pytest.mark.parametrize(
    "words",
    [
        "The training file has not been processed yet; try again later.",
        "File file-1 is not ready.",
        "file-1 is still being processed",
        "The file's import is in progress",
    ],
)
def test_a_creation_that_is_too_early_for_its_files_is_tried_again(
    jobs, client, teller, journal, said, status: int, words: str
) -> None:
    def sleep(seconds: float) -> None:
        jobs.__class__.sleep(jobs, seconds)
        if len(jobs.naps) == 3:
            jobs.refusal = None

    jobs.refusal, jobs.sleep = said({"error": {"message": words}}, status), sleep
    assert fine_tune(client, job_spec(), teller, journal).job == "ftjob-1"
    assert jobs.count(CREATION) == 4
    assert len(set(journal.keys)) == 4


def test_it_is_not_tried_again_for_ever(jobs, client, teller, journal, said) -> None:
    jobs.refusal = said({"error": {"message": "the file is not ready"}}, 400)
    with pytest.raises(RequestError, match="the file is not ready"):
        fine_tune(client, job_spec(), teller, journal)
    assert 290 < sum(jobs.naps) < 330
    assert journal.open == {}


@pytest.mark.parametrize("state", ["pending", "running", "uploaded", "queued", "IN_PROGRESS"])
def test_an_upload_is_waited_for_until_it_is_processed(
    jobs, client, teller, journal, state: str
) -> None:
    jobs.file_states = [*[state] * 5, "processed"]
    fine_tune(client, job_spec(), teller, journal)
    assert jobs.requests.index(CREATION) > 7
    assert jobs.count("GET /files/file-1") == 5
    waited = [line for line in teller.lines if "waiting for the provider to process it" in line]
    assert waited == [
        f"m-ft10: films_train.jsonl is {state}; waiting for the provider to process it"
    ]


def test_an_upload_that_stays_uploaded_is_used(jobs, client, teller, journal) -> None:
    jobs.file_states = ["uploaded"]
    fine_tune(client, job_spec(), teller, journal)
    assert 60 <= sum(jobs.naps) < 200


def test_an_upload_that_never_ends_is_tried_after_half_an_hour(
    jobs, client, teller, journal
) -> None:
    jobs.file_states = ["pending"]
    fine_tune(client, job_spec(), teller, journal)
    assert 1800 <= sum(jobs.naps) < 4000


def test_an_upload_that_failed_is_told_in_the_providers_words(
    jobs, loopback, client, teller, journal
) -> None:
    jobs.file_states = ["pending", "error"]
    with pytest.raises(RequestError) as raised:
        fine_tune(client, job_spec(), teller, journal)
    assert str(raised.value) == (
        f"the upload of films_train.jsonl to {loopback.url}: the provider could not process the "
        "file (error): line 3 is not JSON; fix that and record again."
    )
    assert jobs.count(CREATION) == 0


@pytest.mark.parametrize("status", [404, 405, 501])
def test_where_files_cannot_be_looked_at_the_job_is_created(
    jobs, loopback, client, teller, journal, said, status: int
) -> None:
    def without(asked):
        answered = jobs.answer(asked)
        return (
            said({}, status) if re.fullmatch(r"GET /files/\S+-\d", jobs.requests[-1]) else answered
        )

    jobs.file_states = ["pending"]
    loopback.answer = without
    assert fine_tune(client, job_spec(), teller, journal).job == "ftjob-1"


def test_a_list_that_says_for_ever_that_there_is_more_has_an_end(
    jobs, loopback, client, teller, journal
) -> None:
    def more(asked):
        asked.path = re.sub(r"after=[^&]*&", "", asked.path)  # the same page again and again
        answered = jobs.answer(asked)
        if isinstance(answered.body, dict) and answered.body.get("data"):
            answered.body |= {"has_more": True}
        return answered

    jobs.ignores_filter = True
    jobs.add_job({"another": "job"})
    loopback.answer = more
    made = fine_tune(client, job_spec(), teller, journal)
    assert [event.id for event in made.events] == [f"ftevent-{i}" for i in range(1, 6)]
