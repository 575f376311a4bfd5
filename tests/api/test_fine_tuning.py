"""`fine_tune` against a provider on this machine."""

import pytest

from tunebench.api.fine_tuning import fine_tune
from tunebench.cassettes import CassetteFile, JobCassette, use_cassette
from tunebench.errors import RequestError

from ..job_specs import METADATA, REQUEST, TRAIN, VALID, MemoryJournal, job_spec

CREATION = "POST /fine_tuning/jobs"


def test_both_files_are_uploaded_before_the_job_is_created(jobs, client, teller, journal) -> None:
    fine_tune(client, job_spec(), teller, journal)
    posts = [request for request in jobs.requests if request.startswith("POST")]
    assert posts == ["POST /files", "POST /files", CREATION]
    assert [form.file_name for form in jobs.forms.values()] == [
        "films_train.jsonl",
        "films_valid.jsonl",
    ]
    assert [form.fields["file"] for form in jobs.forms.values()] == [TRAIN, VALID]


def test_an_uploads_purpose_comes_before_its_content(jobs, client, teller, journal) -> None:
    fine_tune(client, job_spec(), teller, journal)
    for form in jobs.forms.values():
        assert form.parts == ["purpose", "file"]
        assert form.fields["purpose"] == b"fine-tune"


def test_the_job_is_asked_for_as_it_was_specified(jobs, client, teller, journal) -> None:
    fine_tune(client, job_spec(), teller, journal)
    (body,) = jobs.bodies
    asked = {name: value for name, value in REQUEST.items() if name != "extra_body"}
    assert body == asked | {
        "training_file": "file-1",
        "validation_file": "file-2",
        "metadata": METADATA,
        "lora_rank": 8,
    }


def test_what_came_of_a_job(jobs, client, teller, journal) -> None:
    made = fine_tune(client, job_spec(), teller, journal)
    assert (made.job, made.model, made.base) == ("ftjob-1", "ft:base:ftjob-1", "base")
    assert (made.trained_tokens, made.hyperparameters) == (4321, {"n_epochs": 4})
    assert [event.id for event in made.events] == [f"ftevent-{i}" for i in range(1, 6)]


def test_an_upload_that_is_recorded_is_told_in_the_pieces_that_are_sent(
    jobs, loopback, client, teller, journal, tmp_path
) -> None:
    content = TRAIN * 8000
    file = CassetteFile(tmp_path / "m.jsonl", experiment="films", recording="m-ft10 (job)")
    file.start_recording()
    with use_cassette(file, before_send=lambda: None, items={}, hint="", kind=JobCassette):
        fine_tune(client, job_spec(content), teller, journal)
    file.close()
    (name, size, pieces), (_, _, small) = teller.uploads
    forms = [asked for asked in loopback.asked if asked.path == "/v1/files"]
    assert (name, size) == ("films_train.jsonl", len(content))
    assert len(pieces) > 20
    assert [sum(pieces), sum(small)] == [len(form.body) for form in forms]
    assert size < sum(pieces) < size + 1000


def test_events_are_told_once_each_the_oldest_first(jobs, client, teller, journal) -> None:
    jobs.page = 1
    fine_tune(client, job_spec(), teller, journal)
    assert jobs.count("GET /fine_tuning/jobs/ftjob-1") == 5
    assert teller.lines == [
        "m-ft10: Created fine-tuning job: ftjob-1",
        "m-ft10: Fine-tuning job started",
        "m-ft10: The job has succeeded",
    ]


def test_steps_are_told_as_numbers_and_not_as_lines(jobs, client, teller, journal) -> None:
    fine_tune(client, job_spec(), teller, journal)
    assert teller.steps == [
        ("m-ft10", 1, 2, "Step 1/2: training loss=0.5"),
        ("m-ft10", 2, 2, "Step 2/2: training loss=0.25"),
    ]


def test_metrics_without_a_step_are_a_line(jobs, client, teller, journal) -> None:
    job = jobs.add_job(METADATA)
    jobs._tell(job, "validated", {"rows": 8})
    jobs._tell(job, "Step 1: loss", {"step": 1})
    fine_tune(client, job_spec(), teller, journal)
    assert "m-ft10: validated" in teller.lines
    assert teller.steps[0] == ("m-ft10", 1, None, "Step 1: loss")


def test_pauses_grow_while_nothing_happens_and_are_short_again_after(
    jobs, client, teller, journal
) -> None:
    jobs.states = ["queued"] * 10 + ["running", "succeeded"]
    fine_tune(client, job_spec(), teller, journal)
    assert jobs.naps[:3] == [1.0, 1.5, 2.25]
    assert jobs.naps[-2:] == [15.0, 1.0]


def test_a_job_is_found_again_by_its_metadata(jobs, client, teller, journal) -> None:
    first = fine_tune(client, job_spec(), teller, journal)
    assert fine_tune(client, job_spec(), teller, MemoryJournal()) == first
    assert (jobs.count("POST /files"), jobs.count(CREATION)) == (2, 1)


@pytest.mark.parametrize("page", [1, 100])
def test_a_provider_that_lists_all_its_jobs_is_searched(
    jobs, client, teller, journal, page: int
) -> None:
    jobs.ignores_filter, jobs.page = True, page
    jobs.add_job(METADATA)
    for _ in range(3):
        jobs.add_job(METADATA | {"tunebench_job": "another"}, "succeeded")
    assert fine_tune(client, job_spec(), teller, journal).job == "ftjob-1"
    assert jobs.count(CREATION) == 0


def test_jobs_of_others_are_not_taken(jobs, client, teller, journal) -> None:
    jobs.ignores_filter = True
    jobs.add_job({}, "succeeded")
    jobs.jobs[0]["metadata"] = None
    jobs.add_job(METADATA | {"cell": "another"}, "succeeded")
    assert fine_tune(client, job_spec(), teller, journal).job == "ftjob-3"


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_job_that_gave_no_model_does_not_count(
    jobs, client, teller, journal, status: str
) -> None:
    jobs.add_job(METADATA, status)
    assert fine_tune(client, job_spec(), teller, journal).job == "ftjob-2"


def test_a_job_whose_creation_was_cut_off_is_found_and_not_created_again(
    jobs, client, teller, journal
) -> None:
    jobs.cuts_off = True
    assert fine_tune(client, job_spec(), teller, journal).job == "ftjob-1"
    assert jobs.count(CREATION) == 1


def test_a_creation_that_was_cut_off_without_a_job_is_an_error(
    jobs, client, teller, journal, said
) -> None:
    jobs.refusal = said({}, cut_off=True)
    with pytest.raises(RequestError, match=r"the fine-tuning job m-ft10 of 'base' .*no connection"):
        fine_tune(client, job_spec(), teller, journal)
    assert jobs.count(CREATION) == 1


@pytest.mark.parametrize("status", [429, 500])
def test_a_creation_is_not_sent_again(jobs, client, teller, journal, said, status: int) -> None:
    jobs.refusal = said({"error": {"message": "out of order"}}, status)
    with pytest.raises(RequestError, match=rf"the provider answered {status} \(out of order\)"):
        fine_tune(client, job_spec(), teller, journal)
    assert jobs.count(CREATION) == 1


def test_a_refused_creation_is_told_in_the_providers_words(
    jobs, loopback, client, teller, journal, said
) -> None:
    jobs.refusal = said({"error": {"message": "n_epochs is too large"}}, 400)
    with pytest.raises(RequestError) as raised:
        fine_tune(client, job_spec(), teller, journal)
    assert str(raised.value) == (
        f"the fine-tuning job m-ft10 of 'base' at {loopback.url}: the provider answered 400 "
        "(n_epochs is too large); see the provider's log or documentation."
    )
    assert jobs.requests[-1] == CREATION
    assert jobs.count(CREATION) == 1
