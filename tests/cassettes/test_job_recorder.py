"""The cassette of a fine-tuning job: what is stored of it, and what a replay is told."""

import httpx2
import pytest

from tunebench.errors import CassetteError, CassetteMissError, JobError, RequestError

from ..job_specs import METADATA, TEXT, TRAIN, VALID

STATE = "GET fine_tuning/jobs/ftjob-1"


def states(job) -> list[str]:
    return [row["answer"]["status"] for row in job.rows if row["endpoint"] == STATE]


def test_a_replay_gives_what_the_recording_gave(job) -> None:
    made = job.record()
    assert (made.model, made.trained_tokens) == ("ft:base:ftjob-1", 4321)
    assert job.replay() == made
    assert job.replay() == made


def test_what_is_stored_and_in_which_order(job) -> None:
    job.record()
    assert job.endpoints == [
        "POST files",
        "POST files",
        "SENT fine_tuning/jobs",
        "POST fine_tuning/jobs",
        *[STATE] * 3,
        f"{STATE}/events",
        f"{STATE}/checkpoints",
        "GET files/file-result/content",
    ]


def test_polls_that_say_the_same_are_stored_once(job) -> None:
    job.jobs.states = [*["validating_files"] * 3, *["queued"] * 4, *["running"] * 9, "succeeded"]
    job.record()
    assert job.jobs.count("GET /fine_tuning/jobs/ftjob-1") == 17
    assert states(job) == ["validating_files", "queued", "running", "succeeded"]


def test_a_replay_is_told_every_state_in_turn_and_the_last_one_again_and_again(job) -> None:
    job.record()
    with job.cassette(record=False), httpx2.Client() as http:
        url = "http://example.org/v1/fine_tuning/jobs/ftjob-1"
        told = [http.get(url).json()["status"] for _ in range(5)]
    assert told == ["queued", "running", "succeeded", "succeeded", "succeeded"]


def test_a_job_that_went_back_is_told_so(job) -> None:
    job.jobs.states = ["queued", "running", "queued", "running", "succeeded"]
    made = job.record()
    assert states(job) == ["queued", "running", "queued", "running", "succeeded"]
    assert job.replay() == made


def test_what_is_read_before_the_end_is_not_stored(job) -> None:
    job.record()
    assert job.jobs.count("GET /fine_tuning/jobs/ftjob-1/events") == 5
    (events,) = [row["answer"]["data"] for row in job.rows if "/events" in row["endpoint"]]
    assert [event["id"] for event in events] == [f"ftevent-{i}" for i in range(5, 0, -1)]


def test_events_of_several_pages_are_replayed_whole(job) -> None:
    job.jobs.page = 2
    made = job.record()
    assert len(made.events) == 5
    assert job.replay() == made


def test_a_complete_recording_asks_nothing_more_when_it_is_recorded_again(job) -> None:
    made = job.record()
    before = job.path.read_bytes()
    job.jobs.requests.clear()
    assert job.record() == made
    assert job.jobs.requests == []
    assert job.path.read_bytes() == before


def test_a_failure_is_replayed_in_the_same_words(job) -> None:
    job.jobs.states = ["queued", "running", "failed"]
    with pytest.raises(JobError) as recorded:
        job.record()
    with pytest.raises(JobError) as again:
        job.record()
    with pytest.raises(JobError) as replayed:
        job.replay()
    assert str(replayed.value) == str(again.value) == str(recorded.value)
    assert "the training file has no two classes" in str(replayed.value)
    assert job.jobs.count("POST /fine_tuning/jobs") == 0  # since the replay
    assert len(job.jobs.jobs) == 1


def test_other_training_rows_are_another_job(job) -> None:
    job.record()
    with pytest.raises(CassetteMissError) as raised:
        job.replay(metadata=METADATA | {"tunebench_job": "other"})
    assert str(raised.value) == (
        f"m-ft10 (job): {job.path} holds another job than the one this is: the training rows, the "
        "labels, the endpoint, the model or its fine-tuning options have changed; undo that "
        "change, or record it."
    )


def test_a_job_that_is_not_recorded_is_a_miss(job) -> None:
    with pytest.raises(CassetteMissError, match=r"^m-ft10 \(job\): there is no cassette .*rec"):
        job.replay()


def test_a_recording_that_got_no_job_says_so_on_replay(job, said) -> None:
    job.jobs.refusal = said({"error": {"message": "no"}}, 400)
    with pytest.raises(RequestError):
        job.record()
    with pytest.raises(CassetteMissError) as raised:
        job.replay()
    assert str(raised.value) == f"m-ft10 (job): {job.path} holds no job yet; record it."


def test_a_recording_that_got_nothing_leaves_no_cassette(job, loopback, said) -> None:
    loopback.answer = lambda _: said({}, 404)
    with pytest.raises(RequestError):
        job.record()
    assert not job.path.exists()


def test_a_job_that_was_found_and_not_created_is_another_one_for_other_rows(job) -> None:
    job.jobs.add_job(METADATA)
    job.record()
    with pytest.raises(CassetteMissError, match="holds another job than the one this is"):
        job.replay(metadata=METADATA | {"tunebench_job": "other"})


def test_a_recording_that_was_stopped_says_in_which_state(job) -> None:
    def stop(seconds: float) -> None:
        job.jobs.__class__.sleep(job.jobs, seconds)
        if job.jobs.jobs[0]["status"] == "paused":
            raise KeyboardInterrupt

    job.jobs.states = ["queued", "paused", "paused", "running", "succeeded"]
    job.jobs.sleep = stop
    with pytest.raises(KeyboardInterrupt):
        job.record()
    with pytest.raises(CassetteMissError, match=r"was stopped while the job was queued; record it"):
        job.replay()


def test_an_upload_is_known_whatever_its_boundary(job) -> None:
    job.record()
    form = {"purpose": (None, "fine-tune"), "file": ("films_train.jsonl", TRAIN)}
    with job.cassette(record=False), httpx2.Client() as http:
        for boundary in ("one", "two-and-much-longer"):
            head = {"content-type": f"multipart/form-data; boundary={boundary}"}
            url = "http://example.org/v1/files"
            data = {"purpose": "fine-tune"}
            answer = http.post(url, data=data, files={"file": form["file"]}, headers=head)
            assert answer.json()["id"] == "file-1"


def test_neither_texts_nor_the_key_nor_who_pays_is_stored(job) -> None:
    job.record()
    written = job.path.read_bytes()
    for secret in (TEXT.encode(), TRAIN[:40], VALID[:30], b"dull", b"sk-secret-key", b"org-payer"):
        assert secret not in written
    created = next(row for row in job.rows if row["endpoint"] == "POST fine_tuning/jobs")
    assert set(created["parameters"]) == {
        *("metadata", "method", "seed", "training_file", "validation_file")
    }


def test_of_a_list_of_jobs_nothing_is_stored(job) -> None:
    job.jobs.ignores_filter = True
    job.jobs.add_job({"another": "customer"}, "succeeded")
    job.jobs.add_job(METADATA)
    made = job.record()
    for secret in (b"org-payer", b"another", b"customer", b"ftjob-1"):
        assert secret not in job.path.read_bytes()
    assert job.replay() == made


def test_what_nobody_reads_of_an_answer_is_not_stored(job) -> None:
    job.jobs.extra = {
        "user": "someone",
        "integrations": [{"wandb": {"project": "p"}}],
        "seen": TEXT,
    }
    made = job.record()
    for field in (b"someone", b"wandb", TEXT.encode(), b"object"):
        assert field not in job.path.read_bytes()
    assert job.replay() == made


def test_an_answer_that_repeats_a_training_text_is_refused(job, loopback, said) -> None:
    def repeat(asked):
        answer = job.jobs.answer(asked)
        return said(answer.body | {"error": TEXT}) if answer.body.get("id") == "ftjob-1" else answer

    loopback.answer = repeat
    with pytest.raises(
        CassetteError, match=r"the answer of 'POST fine_tuning/jobs' repeats the pr"
    ):
        job.record()
    assert TEXT not in job.path.read_text()
    assert len(job.jobs.jobs) == 1


@pytest.mark.parametrize("content", [b"\xff\xfe", b"PK\x03\x04\xf0", b"<html>sign in</html>"])
def test_a_result_file_that_is_no_csv_is_not_stored_and_asked_for_again(job, content) -> None:
    job.jobs.result = content
    made = job.record()
    assert made.metrics == b""
    assert job.teller.lines[-1].startswith("m-ft10: no result file of ftjob-1: the file is ")
    assert job.replay() == made
    job.jobs.result = b"step,loss\n1,2\n"
    assert job.record().metrics == job.replay().metrics == job.jobs.result


@pytest.mark.parametrize("part", ["events", "checkpoints", "content"])
@pytest.mark.parametrize("status", [404, 405, 501])
def test_what_a_provider_has_not_is_stored_as_nothing_and_asked_for_once(
    job, loopback, said, part: str, status: int
) -> None:
    def without(asked):
        answered = job.jobs.answer(asked)
        return said({"error": "no"}, status) if part in asked.path else answered

    loopback.answer = without
    made = job.record()
    assert (made.events, made.checkpoints, made.metrics)[
        ["events", "checkpoints", "content"].index(part)
    ] in ((), b"")
    assert job.replay() == made
    before = job.path.read_bytes()
    assert job.record() == made
    assert job.jobs.requests == []
    assert job.path.read_bytes() == before


@pytest.mark.parametrize("part", ["events", "checkpoints", "content"])
def test_what_came_of_a_job_need_not_be_recorded(job, loopback, said, part: str) -> None:
    def broken(asked):
        answered = job.jobs.answer(asked)
        return said({"error": "oops"}, 500) if part in asked.path else answered

    loopback.answer = broken
    made = job.record()
    assert job.replay() == made
    loopback.answer = job.jobs.answer
    whole = job.record()
    assert whole != made
    assert job.replay() == whole


def test_a_file_that_could_not_be_processed_is_uploaded_again(job) -> None:
    job.jobs.file_states = ["pending", "error"]
    with pytest.raises(RequestError, match=r"could not process the file \(error\)"):
        job.record()
    job.jobs.file_states = ["pending", "processed"]
    made = job.record()
    assert list(job.jobs.forms) == ["file-1", "file-2", "file-3"]
    assert job.jobs.bodies[0]["training_file"] == "file-3"
    assert job.replay() == made


@pytest.mark.parametrize("content", [b"", b'step\n"1"\n', "step,größe\r\n1,2\r\n".encode()])
def test_a_result_file_is_replayed_byte_for_byte(job, content: bytes) -> None:
    job.jobs.result = content
    made = job.record()
    assert made.metrics == content
    assert job.replay() == made


def test_a_failed_request_is_not_stored(job, said) -> None:
    job.jobs.refusal = said({"error": {"message": "no"}}, 400)
    with pytest.raises(RequestError, match="400"):
        job.record()
    notes = ["SENT fine_tuning/jobs", "REFUSED fine_tuning/jobs"]
    assert job.endpoints == ["POST files", "POST files", *notes]
    job.jobs.refusal = None
    assert job.record() == job.replay()
