"""Fine-tuned cells whose model or job exists already, named in ``[[fine_tuned]]``."""

import json

import pytest

from tunebench.cli import main
from tunebench.errors import ExperimentError

from ..experiment_example import read_example

FINE_TUNED = "ft:base:made-elsewhere"
PIN = f'[[fine_tuned]]\nmodel = "m"\ntrain_size = 8\nid = "{FINE_TUNED}"\n\n'
NO_TRAINING = 'supports = ["lists", "logprobs"]\n'
GONE = {"error": {"message": "The model `x` does not exist", "code": "model_not_found"}}


@pytest.fixture
def project(film_project):
    return film_project


def pin(project, entry=PIN, provider=""):
    project.edit("retries = 0\n", f"retries = 0\n{provider}")
    project.edit("[fine_tuning]\n", f"{entry}[fine_tuning]\n")


def without_models(project, said, status):
    """Refuse all prompts from now on."""
    answer = project.loopback.answer

    def gone(asked):
        refused = asked.body and asked.path.endswith("/completions")
        return said(GONE, status) if refused else answer(asked)

    project.loopback.answer = gone


def test_a_named_model_is_asked_without_training_or_a_fine_tuning_api(project) -> None:
    pin(project, provider=NO_TRAINING)
    project.record("--results=out").assert_outcomes(passed=4)
    assert project.jobs.jobs == []
    assert not [request for request in project.jobs.requests if "fine_tuning" in request]
    assert not project.jobs.forms
    text, _ = project.asked_of(FINE_TUNED)
    assert text.prompts == [f"{text} ->" for text in project.texts[1]["text"][:10]]
    row = next(row for row in project.results("out") if row["cell"] == "m-ft8")
    assert (row["fine_tuned_model"], row["pinned"], row["job"]) == (FINE_TUNED, "id", None)
    assert row["accuracy"] == 1.0
    assert row["trained_tokens"] is None


def test_a_recording_of_it_replays_offline(project) -> None:
    pin(project)
    project.record().assert_outcomes(passed=4)
    project.loopback.asked.clear()
    project.run().assert_outcomes(passed=4)
    assert project.loopback.asked == []
    assert main(["cassettes", "verify", str(project.toml)]) == 0


def test_that_it_is_named_is_shown_with_the_results_and_on_the_page(project) -> None:
    pin(project, PIN.replace("\n\n", '\njob = "ftjob-77"\n\n'))
    done = project.record("--results=out")
    done.stdout.fnmatch_lines([f"*answered by {FINE_TUNED}, of the job ftjob-77, which the exp*"])
    row = next(row for row in project.results("out") if row["cell"] == "m-ft8")
    assert (row["job"], row["pinned"]) == ("ftjob-77", "id")
    assert project.jobs.requests.count("GET /fine_tuning/jobs/ftjob-77") == 0
    page = (project.root / "out" / "report.html").read_text()
    assert "pinned by" in page
    assert FINE_TUNED in page


def test_a_named_job_is_read_and_recorded_and_none_is_created(project) -> None:
    job = project.jobs.add_job({"made": "elsewhere"})
    project.jobs.finish(job)
    entry = '[[fine_tuned]]\nmodel = "m"\ntrain_size = 8\njob = "ftjob-1"\n\n'
    pin(project, entry)
    project.record("--results=out").assert_outcomes(passed=4)
    assert len(project.jobs.jobs) == 1
    assert not project.jobs.bodies
    assert not project.jobs.forms
    row = next(row for row in project.results("out") if row["cell"] == "m-ft8")
    assert (row["job"], row["pinned"]) == ("ftjob-1", "job")
    assert row["fine_tuned_model"] == "ft:base:ftjob-1"
    assert row["trained_tokens"] == 4321
    project.loopback.asked.clear()
    project.run().assert_outcomes(passed=4)
    assert project.loopback.asked == []
    assert main(["cassettes", "verify", str(project.toml)]) == 0


def test_a_named_job_that_runs_is_followed_to_its_end(project) -> None:
    project.jobs.add_job({}, "queued")
    pin(project, '[[fine_tuned]]\nmodel = "m"\ntrain_size = 8\njob = "ftjob-1"\n\n')
    project.record("-k", "ft8").assert_outcomes(passed=2, deselected=2)
    assert project.jobs.naps


def test_a_named_job_that_is_not_there_is_named(project, said) -> None:
    pin(project, '[[fine_tuned]]\nmodel = "m"\ntrain_size = 8\njob = "ftjob-9"\n\n')
    answer = project.loopback.answer

    def none(asked):
        if asked.path.endswith("/ftjob-9"):
            return said({"error": {"message": "No such job"}}, 404)
        return answer(asked)

    project.loopback.answer = none
    done = project.record("-k", "ft8-")
    done.stdout.fnmatch_lines(["*the provider answered 404 (No such job); check the id of the jo*"])


def test_the_command_for_jobs_runs_none_for_a_named_model(project, capsys) -> None:
    pin(project)
    assert main(["fine-tune", str(project.toml)]) == 2
    assert "there is nothing to train" in capsys.readouterr().err
    assert project.jobs.requests == []


@pytest.mark.parametrize("status", [404, 400])
def test_a_model_that_was_deleted_can_be_trained_again_or_replayed(project, said, status) -> None:
    project.record("-k", "ft8 and not label", "--results=out")
    answer = project.loopback.answer
    without_models(project, said, status)
    done = project.record("-k", "ft8")
    done.assert_outcomes(passed=1, failed=1, deselected=2)
    done.stdout.fnmatch_lines(
        [
            "*the fine-tuned model is no longer there, as the provider answered "
            f"{status} (The model `x` does not exist); to train it again, remove "
            "*jobs/m-ft8.jsonl; what is recorded of it replays without the provider*"
        ]
    )
    project.run("-k", "ft8 and not label").assert_outcomes(passed=1, deselected=3)
    # And so it is: without the job's cassette it is trained again.
    project.loopback.answer = answer
    (project.cassettes / "jobs" / "m-ft8.jsonl").unlink()
    project.jobs.jobs.clear()
    project.record("-k", "ft8").assert_outcomes(passed=2, deselected=2)


def test_of_a_named_model_that_was_deleted_the_entry_is_named(project, said) -> None:
    pin(project)
    without_models(project, said, 404)
    done = project.record("-k", "ft8 and not label")
    done.stdout.fnmatch_lines(
        ["*the fine-tuned model is not there, as *name another in [[]*fine_tuned*"]
    )


def test_a_prompted_model_that_is_missing_is_no_deleted_one(project, said) -> None:
    project.loopback.answer = lambda _: said(GONE, 404)
    shown = project.record("-k", "0shot").stdout.str()
    assert "no longer there" not in shown
    assert "check the model's `id`" in shown


SIZES = ("shots = [0, 1, 4]", "shots = [0, 1, 4]\ntrain_sizes = [100, 300]")
ENTRY = '[[fine_tuned]]\nmodel = "smollm2-135m"\ntrain_size = 300\n'
SEEDS = "[fine_tuning]\nseeds = [1, 2]\n"
SKIP = (SIZES[0], SIZES[1] + '\nskip = [{ train_size = 300, reason = "dear" }]')


@pytest.mark.parametrize(
    ("end", "problem"),
    [
        (ENTRY, "[[fine_tuned]] 1: there is neither id nor job; name"),
        (ENTRY + 'id = "a"\nmodle = "b"\n', "[[fine_tuned]] 1: unknown key 'modle'"),
        (ENTRY + 'id = ""\n', "[[fine_tuned]] 1: id: must not be empty"),
        (ENTRY.replace("smollm2-135m", "ft:a:b") + 'id = "a"\n',
         "[[fine_tuned]] 1: model: there is no model 'ft:a:b'; it is the name of a [[model]]"),
        (ENTRY.replace("300", "200") + 'id = "a"\n',
         "[[fine_tuned]] 1: train_size: [matrix] train_sizes does not hold 200"),
        (ENTRY + 'id = "a"\n' + ENTRY + 'job = "b"\n',
         "[[fine_tuned]] 2: [[fine_tuned]] 1 names a model for the same cells"),
        (ENTRY + 'id = "a"\nseed = 0\n' + ENTRY + 'id = "b"\n',
         "[[fine_tuned]] 2: [[fine_tuned]] 1 names a model for the same cells"),
        (ENTRY + 'id = "a"\nseed = 3\n', "[[fine_tuned]] 1: seed: [fine_tuning] has no seed 3"),
        (ENTRY + 'id = "a"\n' + SEEDS, "[[fine_tuned]] 1: seed: [fine_tuning] has 2 seeds"),
        (ENTRY + 'id = "a"\nseed = 1\n' + ENTRY + 'id = "b"\nseed = 1\n' + SEEDS,
         "[[fine_tuned]] 2: [[fine_tuned]] 1 names a model for the same cells"),
    ],
)  # fmt: skip
def test_a_contradiction_is_refused_by_file_and_key(tmp_path, end, problem) -> None:
    with pytest.raises(ExperimentError) as raised:
        read_example(tmp_path, SIZES, end=end)
    assert str(raised.value).startswith(f"{tmp_path / 'experiment.toml'}: {problem}")


def test_a_model_for_skipped_cells_is_refused(tmp_path) -> None:
    with pytest.raises(ExperimentError, match="the cells of 'smollm2-135m' and 300 rows are skip"):
        read_example(tmp_path, SKIP, end=ENTRY + 'id = "a"\n')


def test_each_seed_has_a_model_of_its_own_and_the_others_are_trained(tmp_path) -> None:
    end = ENTRY + 'id = "a"\nseed = 1\n' + SEEDS
    experiment = read_example(tmp_path, SIZES, end=end)
    pinned = {str(cell): cell.pin.id for cell in experiment.cells if cell.pin}
    assert pinned == {"smollm2-135m-ft300-seed1": "a"}
    assert "smollm2-135m-ft300-seed1" not in experiment.jobs
    assert "smollm2-135m-ft300-seed2" in experiment.jobs


def test_without_such_entries_nothing_is_pinned(project) -> None:
    project.record("--results=out").assert_outcomes(passed=4)
    rows = json.loads((project.root / "out" / "results.json").read_text())["cells"]
    assert {row["pinned"] for row in rows} == {None}
