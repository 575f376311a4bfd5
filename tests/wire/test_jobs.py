"""What providers say of files and jobs: read as it is meant, or refused in a sentence."""

import contextlib
import copy
import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types import FileObject
from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent
from openai.types.fine_tuning.jobs import FineTuningJobCheckpoint

from tunebench.errors.text import printable
from tunebench.wire import (
    Checkpoint,
    Event,
    Job,
    Page,
    Unusable,
    UploadedFile,
    parsed,
    read_checkpoints,
    read_created_job,
    read_events,
    read_file,
    read_job,
    read_jobs,
    read_result,
)

METADATA = {
    "tunebench_job": "0f" * 16,
    "experiment": "films",
    "cell": "m-ft10",
    "training_file_sha256": "ab" * 32,
}
HYPERPARAMETERS = {"n_epochs": 4, "batch_size": 8, "learning_rate_multiplier": 0.5}


def valid(kind: Any, **values: Any) -> dict[str, Any]:
    """A valid answer, as the package `openai` types it."""
    return json.loads(kind.model_validate(values, strict=True).model_dump_json())


FILE = valid(
    FileObject,
    id="file-1",
    bytes=9,
    created_at=1_700_000_000,
    filename="x.jsonl",
    object="file",
    purpose="fine-tune",
    status="processed",
    status_details=None,
)
JOB = valid(
    FineTuningJob,
    id="ftjob-1",
    created_at=1_700_000_000,
    error={"code": "none", "message": "nothing", "param": None},
    fine_tuned_model="ft:base:x",
    finished_at=1_700_000_090,
    hyperparameters=HYPERPARAMETERS,
    model="base",
    object="fine_tuning.job",
    organization_id="org-payer",
    result_files=["file-3"],
    seed=7,
    status="succeeded",
    trained_tokens=5768,
    training_file="file-1",
    validation_file="file-2",
    estimated_finish=None,
    integrations=[],
    metadata=METADATA | {"theirs": "x"},
    method={"type": "supervised", "supervised": {"hyperparameters": HYPERPARAMETERS}},
)
EVENT = valid(
    FineTuningJobEvent,
    id="ftevent-1",
    created_at=1_700_000_010,
    level="info",
    type="metrics",
    message="Step 1/8",
    object="fine_tuning.job.event",
    data={"step": 1, "total_steps": 8, "train_loss": 0.5},
)
CHECKPOINT = valid(
    FineTuningJobCheckpoint,
    id="ftckpt-1",
    created_at=1_700_000_020,
    fine_tuning_job_id="ftjob-1",
    fine_tuned_model_checkpoint="ft:base:x:ckpt-8",
    metrics={"step": 8.0, "train_loss": 0.25},
    object="fine_tuning.job.checkpoint",
    step_number=8,
)


def page(*entries: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"object": "list", "data": list(entries), "has_more": False, **more}


READ_FILE = UploadedFile("file-1", "processed")
READ_JOB = Job(
    id="ftjob-1",
    status="succeeded",
    model="base",
    fine_tuned_model="ft:base:x",
    created_at=1_700_000_000,
    finished_at=1_700_000_090,
    trained_tokens=5768,
    hyperparameters=HYPERPARAMETERS,
    training_file="file-1",
    validation_file="file-2",
    result_files=("file-3",),
    error="nothing",
    seed=7,
    metadata=METADATA,
)
READ_EVENT = Event("ftevent-1", "Step 1/8", 1_700_000_010, EVENT["data"])
READ_CHECKPOINT = Checkpoint("ftckpt-1", 8, "ft:base:x:ckpt-8", {"step": 8.0, "train_loss": 0.25})


def read_ours(body: Any) -> Page[Job]:
    return read_jobs(body, METADATA["tunebench_job"])


READERS = {
    "file": (read_file, FILE, READ_FILE),
    "job": (read_job, JOB, READ_JOB),
    "creation": (read_created_job, JOB, READ_JOB),
    "jobs": (read_ours, page(JOB), Page((READ_JOB,))),
    "events": (read_events, page(EVENT), Page((READ_EVENT,))),
    "checkpoints": (read_checkpoints, page(CHECKPOINT), Page((READ_CHECKPOINT,))),
}


@pytest.mark.parametrize("kind", READERS)
def test_a_valid_answer_is_read_as_it_is_meant(kind: str) -> None:
    read, body, meant = READERS[kind]
    assert read(body) == meant


WORDS = ["succeeded", "FAILED", "pending", "5768", " 8 ", "1e3", "0.5", "NaN", "-1", "..", "a/b"]
WORDS += ["2026-11-25T10:00:00Z", "metrics", "supervised", "::error::x", "\x1b[31m", "x" * 5000]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters())
NUMBERS = st.sampled_from([10**400, -(10**400), 2**53 + 1, 1e308, 0, -0.0, 1.7e12])
JSON = st.recursive(
    SCALARS | NUMBERS | st.sampled_from(WORDS),
    lambda values: (
        st.lists(values, max_size=3)
        | st.dictionaries(
            st.text(st.characters(), max_size=5)
            | st.sampled_from(["message", "id", "data", "step"]),
            values,
            max_size=3,
        )
    ),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a JSON value, from the whole to the leaves."""
    parts = value.items() if isinstance(value, dict) else ()
    parts = enumerate(value) if isinstance(value, list) else parts
    return [path, *(place for key, part in parts for place in places(part, (*path, key)))]


def put(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    body = copy.deepcopy(body)
    at = body
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return body


CHANGES = [(kind, path) for kind, (_, body, _) in READERS.items() for path in places(body)[1:]]
# The attributes that a field of an answer is read into; of any other field nothing is read.
SOURCES = {
    "status_details": ("details",),
    "method": ("hyperparameters",),
    "message": ("message",),
    "data": ("metrics",),
    "type": ("metrics",),
    "step_number": ("step",),
    "fine_tuned_model_checkpoint": ("model",),
}


def said_by(why: Unusable) -> str:
    """The refusal's words, which do nothing to a terminal."""
    assert printable(str(why)) == str(why)
    assert len(str(why)) < 500
    return str(why)


def changed(field: str, one: Any) -> Any:
    names = SOURCES.get(field, (field,))
    return {name for name in names if name in {part.name for part in fields(one)}}


def is_right(got: Any, value: Any) -> bool:
    """Whether an attribute says no more than the value of its field does."""
    if isinstance(got, str):
        said = json.dumps(value, ensure_ascii=False)
        return got in ("", value) or got == said or len(got) <= 1000
    if isinstance(got, int) and not isinstance(value, str):
        return got == 0 or abs(got - value) < 1 or abs(got - value / 1000) < 1
    return True


@settings(max_examples=500)
@given(change=st.sampled_from(CHANGES), value=JSON)
def test_any_value_in_any_field_is_read_right_or_refused_by_the_fields_name(change, value) -> None:
    kind, path = change
    read, body, meant = READERS[kind]
    try:
        got = read(put(body, path, value))
    except Unusable as why:
        sentence = said_by(why)
        names = [part for part in path if isinstance(part, str)]
        # A status may make a model necessary, and an `error` without an id is the provider's.
        named = [names[-1], "not a JSON object", "fine_tuned_model", "answered with an error"]
        assert any(name in sentence for name in named), sentence
        return
    assert read(json.loads(json.dumps(got.stored(), allow_nan=False))) == got
    json.dumps(got.stored(), ensure_ascii=False).encode()
    if isinstance(got, Page):
        if path[:2] != ("data", 0) or len(path) == 2 or not got.entries:
            return
        (one,), (expected,), inner = got.entries, meant.entries, path[2:]
    else:
        one, expected, inner = got, meant, path
    if not inner:
        return
    may_differ = changed(inner[0], one)
    for part in fields(one):
        if part.name not in may_differ:
            assert getattr(one, part.name) == getattr(expected, part.name)
        elif len(inner) == 1:
            assert is_right(getattr(one, part.name), value)


@given(value=JSON, kind=st.sampled_from(sorted(READERS)))
def test_any_answer_at_all_is_read_or_refused(value, kind: str) -> None:
    read, _, _ = READERS[kind]
    try:
        got = read(value)
    except Unusable as why:
        said_by(why)
    else:
        assert read(json.loads(json.dumps(got.stored()))) == got


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("depth", [500, 200_000])
@pytest.mark.parametrize(
    "start", [b"[", b'{"error":', b'{"data":[{"message":', b'{"id":1,"error":[']
)
def test_deep_answers_are_refused_without_a_traceback(kind: str, depth: int, start: bytes) -> None:
    closed = {b"[": b"]", b'{"error":': b"}", b'{"data":[{"message":': b"}]}"}
    content = start * depth + b"1" + closed.get(start, b"]}") * depth
    with pytest.raises(
        ValueError, match=r"nested too deeply|error|object|list|an id|status"
    ) as why:
        READERS[kind][0](parsed(content))
    assert len(str(why.value)) < 500


@pytest.mark.parametrize(
    ("status", "end"),
    [
        *[(word, "succeeded") for word in ("succeeded", "SUCCEEDED", "completed", "Success")],
        *[(word, "succeeded") for word in ("JOB_STATE_SUCCEEDED", " complete ")],
        *[(word, "failed") for word in ("failed", "error", "Errored", "FAILED_VALIDATION")],
        *[(word, "failed") for word in ("expired", "failed-validation", "timed out")],
        *[(word, "cancelled") for word in ("cancelled", "canceled", "CANCELED", "deleted")],
        *[(word, "") for word in ("validating_files", "queued", "running", "pending", "paused")],
        *[(word, "") for word in ("cancelling", "compressing", "JOB_STATE_RUNNING", "notRunning")],
    ],
)
def test_final_are_only_states_that_say_so(status: str, end: str) -> None:
    assert read_job(JOB | {"status": status}).end == end


@pytest.mark.parametrize("status", [None, 3, "", [], "x" * 300])
def test_a_state_that_is_no_word_is_refused(status: Any) -> None:
    with pytest.raises(Unusable, match=r"^status is .* and must be a name$"):
        read_job(JOB | {"status": status})
    assert read_created_job(JOB | {"status": status}).id == "ftjob-1"


def test_a_success_without_a_model_is_refused() -> None:
    with pytest.raises(Unusable, match=r"^fine_tuned_model is null and must be the model's name"):
        read_job(JOB | {"fine_tuned_model": None})
    assert read_job(JOB | {"fine_tuned_model": None, "status": "running"}).fine_tuned_model == ""


@pytest.mark.parametrize("id_", [None, "", True, 1.5, {}, "..", "x" * 300, "a\x1bb"])
def test_a_job_or_a_file_without_an_id_is_refused(id_: Any) -> None:
    for read, body in ((read_job, JOB), (read_created_job, JOB), (read_file, FILE)):
        with pytest.raises(Unusable, match=r"^id is .* and must be an id$"):
            read(body | {"id": id_, "error": None})


def test_ids_and_numbers_are_read_in_the_forms_that_providers_have() -> None:
    job = read_job(
        JOB
        | {
            "id": 17,
            "created_at": "2023-11-14T22:13:20Z",
            "finished_at": "1700000090.5",
            "trained_tokens": "5768",
            "training_file": 8,
        }
    )
    assert (job.id, job.created_at, job.finished_at) == ("17", 1_700_000_000, 1_700_000_090)
    assert (job.trained_tokens, job.training_file) == (5768, "8")
    assert read_job(JOB | {"created_at": 1_700_000_000_123}).created_at == 1_700_000_000


def test_an_error_in_the_place_of_an_answer_is_told_in_the_providers_words() -> None:
    for read, _, _ in READERS.values():
        with pytest.raises(Unusable, match=r"^the provider answered with an error: no such thing$"):
            read({"error": {"message": "no such thing"}})


@pytest.mark.parametrize(
    "body", [[], {"data": None}, {"data": []}, {"object": "list"}, {"data": [], "has_more": True}]
)
def test_an_empty_list_comes_in_several_forms(body: Any) -> None:
    assert read_ours(body) == read_events(body) == Page(())


def test_what_is_no_list_is_not_taken_for_an_empty_one() -> None:
    for body in ({}, {"jobs": []}, {"data": {}}, {"message": "moved"}):
        with pytest.raises(Unusable, match=r"^data is "):
            read_ours(body)


def test_a_page_says_what_the_next_one_comes_after() -> None:
    other = EVENT | {"id": "ftevent-0"}
    assert read_events(page(EVENT, other, has_more=True)).after == "ftevent-0"
    nameless = EVENT | {"id": None}
    assert read_events(page(nameless, has_more=True, last_id="cursor")).after == "cursor"
    assert read_events(page(nameless)).after is None
    with pytest.raises(Unusable, match=r"^data\[0\].id is null and must be an id$"):
        read_events(page(nameless, has_more=True))


def test_jobs_of_others_are_left_out_whatever_they_look_like() -> None:
    others = [{}, {"metadata": 3}, JOB | {"metadata": {"tunebench_job": "another"}}]
    assert read_ours(page(*others, JOB)) == Page((READ_JOB,))
    with pytest.raises(Unusable, match=r"^data\[3\].id is null and must be an id$"):
        read_ours(page(*others, JOB | {"id": None}))


def test_a_job_without_metadata_is_known_by_its_training_file() -> None:
    bare = JOB | {"metadata": None}
    listed = page(
        bare, JOB | {"metadata": {"tunebench_job": "another"}}, bare | {"training_file": "f"}
    )
    found = read_jobs(listed, "mark", "file-1")
    assert found == Page((replace(READ_JOB, metadata={}),))


def test_what_nobody_reads_is_not_stored() -> None:
    stored = json.dumps(read_job(JOB | {"integrations": [{"wandb": "w"}]}).stored())
    for field in ("organization_id", "org-payer", "theirs", "integrations", "method"):
        assert field not in stored
    assert read_events(page(EVENT | {"user": "someone"})).stored() == {
        "data": [
            {
                "id": "ftevent-1",
                "message": "Step 1/8",
                "created_at": 1_700_000_010,
                "type": "metrics",
                "data": EVENT["data"],
            }
        ]
    }


def test_words_of_providers_come_in_one_harmless_line() -> None:
    event = read_events(page(EVENT | {"message": "::error::a\n\x1b[31mb"})).entries[0]
    assert event.message == r": :error::a \x1b[31mb"
    job = read_job(JOB | {"status": "failed", "error": "bad\nfile"})
    assert job.error == "bad file"


@pytest.mark.parametrize("status", ["error", "FAILED", "expired"])
def test_a_file_that_failed(status: str) -> None:
    file = read_file(FILE | {"status": status, "status_details": "line 3 is not JSON"})
    assert (file.state, file.details) == ("failed", "line 3 is not JSON")


@pytest.mark.parametrize(
    ("status", "state"),
    [("processed", "processed"), ("ready", "processed"), (None, "processed"), (3, "processed"),
     ("uploaded", "processing"), ("pending", "processing"), ("running", "processing")],
)  # fmt: skip
def test_a_file_is_waited_for_while_its_status_says_so(status: Any, state: str) -> None:
    assert read_file(FILE | {"status": status}).state == state


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"step,loss\n1,2\n", b"step,loss\n1,2\n"),
        (b"c3RlcCxsb3NzCjEsMgo=", b"step,loss\n1,2\n"),
        (b"c3RlcCxs\nb3NzCjEsMgo=\n", b"step,loss\n1,2\n"),
        (b"step", b"step"),
        (b"step\nc3Rl", b"step\nc3Rl"),
        (b"", b""),
    ],
)
def test_a_result_file_is_csv_however_it_is_served(content: bytes, expected: bytes) -> None:
    assert read_result(content) == expected


@pytest.mark.parametrize("content", [b"\xff\xfe", b"PK\x03\x04\xf0", b"<html>", b'{"error": 1}'])
def test_a_result_file_that_is_no_csv_is_refused(content: bytes) -> None:
    with pytest.raises(Unusable, match=r"the file is .*not CSV"):
        read_result(content)


@given(content=st.binary() | st.text().map(str.encode))
def test_any_result_file_is_read_or_refused(content: bytes) -> None:
    with contextlib.suppress(Unusable):
        read_result(content).decode()
