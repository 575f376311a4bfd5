"""The cassette of a fine-tuning job: what is stored of it, and what a replay is told."""

import httpx2
import pytest

from harness.api import RequestError
from harness.api.fine_tuning import JobError
from harness.cassettes import CassetteError, CassetteMissError

from ..job_specs import METADATA, TEXT, TRAIN, VALID

STATE = "GET fine_tuning/jobs/ftjob-1"


def states(job) -> list[str]:
    return [row["body"]["status"] for row in job.rows if row["endpoint"] == STATE]


def test_a_replay_gives_what_the_recording_gave(job) -> None:
    made = job.record()
    assert (made.model, made.trained_tokens) == ("ft:base:ftjob-1", 4321)
    assert job.replay() == made
    assert job.replay() == made


def test_what_is_stored_and_in_which_order(job) -> None:
    job.record()
    assert job.endpoints == [
        "GET fine_tuning/jobs",
        "POST files",
        "POST files",
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
    (events,) = [row["body"]["data"] for row in job.rows if "/events" in row["endpoint"]]
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
        "model or its fine-tuning options have changed; undo that change, or record it."
    )


def test_a_job_that_is_not_recorded_is_a_miss(job) -> None:
    with pytest.raises(CassetteMissError, match=r"^m-ft10 \(job\), .*there is no cassette .*rec"):
        job.replay()


def test_an_upload_is_known_by_its_content(job) -> None:
    job.record()
    with pytest.raises(CassetteMissError, match=r"m-ft10 \(job\), request 'POST files': .*differs"):
        job.replay(train=TRAIN + TRAIN)


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
    assert created["body"]["organization_id"] == ""
    assert set(created["parameters"]) == {"method", "seed", "training_file", "validation_file"}


def test_who_pays_is_not_stored_of_a_list_either(job) -> None:
    job.jobs.add_job(METADATA)
    made = job.record()
    (listed,) = [row for row in job.rows if row["endpoint"].startswith("GET fine_tuning/jobs?")]
    assert [entry["organization_id"] for entry in listed["body"]["data"]] == [""]
    assert b"org-payer" not in job.path.read_bytes()
    assert job.replay() == made


@pytest.mark.parametrize(
    ("where", "extra"),
    [("POST fine_tuning/jobs", {"seen": [{"first": f"1. {TEXT}"}]}), (STATE, {"error": TEXT})],
)
def test_an_answer_that_repeats_a_training_text_is_refused(job, loopback, said, where, extra):
    def repeat(asked):
        answer = job.jobs.answer(asked)
        endpoint = f"{'POST' if asked.body else 'GET'} {asked.path.removeprefix('/v1/')}"
        return said(answer.body | extra) if endpoint == where else answer

    loopback.answer = repeat
    with pytest.raises(CassetteError, match=f"the answer of '{where}' repeats the prompt, or a t"):
        job.record()
    assert TEXT not in job.path.read_text()
    assert len(job.jobs.jobs) == 1


@pytest.mark.parametrize("content", [b"\xff\xfe", b"PK\x03\x04\xf0"])
def test_a_result_file_that_is_no_text_is_refused(job, content: bytes) -> None:
    job.jobs.result = content
    with pytest.raises(CassetteError, match=r"the answer of 'GET files/file-result/content' is no"):
        job.record()
    assert job.endpoints[-1] == f"{STATE}/checkpoints"


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
    assert job.endpoints == ["GET fine_tuning/jobs", "POST files", "POST files"]
    job.jobs.refusal = None
    assert job.record() == job.replay()
