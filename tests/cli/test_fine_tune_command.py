"""``tunebench fine-tune``: the jobs of an experiment alone."""

import json

import pytest

from tunebench.cli import main

LINE = (
    "m-ft8: ftjob-1 (queued, running, succeeded) gave ft:base:ftjob-1; 4,321 tokens, 0.7 "
    "minutes; recorded {}.\n"
)


@pytest.fixture
def fine_tune(film_project, capfd):
    """Run the command on the experiment: its exit code, standard output and error."""

    def run(*options):
        capfd.readouterr()
        code = main(["fine-tune", str(film_project.toml), *options])
        return code, *capfd.readouterr()

    return run


def test_the_job_is_run_and_recorded_and_no_cell_is_asked(film_project, fine_tune):
    code, out, err = fine_tune()
    assert (code, out) == (0, LINE.format("now"))
    assert "m-ft8: Created fine-tuning job: ftjob-1" in err
    recorded = [path.name for path in film_project.cassettes.rglob("*.jsonl")]
    assert recorded == ["m-ft8.jsonl"]
    assert (film_project.cassettes / "jobs/m-ft8.jsonl").exists()
    assert film_project.asked_of("base") == film_project.asked_of("ft:base:ftjob-1") == []


def test_a_recorded_job_is_replayed_without_a_request_and_without_a_key(
    film_project, fine_tune, monkeypatch
):
    fine_tune()
    film_project.loopback.asked.clear()
    film_project.edit("retries = 0", 'retries = 0\napi_key_env = "TUNEBENCH_TEST_KEY"')
    monkeypatch.delenv("TUNEBENCH_TEST_KEY", raising=False)
    assert fine_tune()[:2] == (0, LINE.format("before"))
    assert film_project.loopback.asked == []


def test_the_cells_then_use_that_job(film_project, fine_tune):
    fine_tune()
    film_project.record().assert_outcomes(passed=4)
    assert len(film_project.jobs.jobs) == 1


def test_a_job_that_was_left_is_gone_on_with(film_project, fine_tune):
    def stop(_seconds):
        raise KeyboardInterrupt

    advance, film_project.jobs.sleep = film_project.jobs.sleep, stop
    code, out, err = fine_tune()
    assert (code, out) == (130, "")
    assert "no longer following the job ftjob-1; the provider goes on with it" in err
    assert err.endswith("tunebench: interrupted.\n")
    film_project.jobs.sleep = advance
    assert fine_tune()[:2] == (0, LINE.format("now"))
    assert len(film_project.jobs.jobs) == 1


def test_scripts_read_one_json_object(film_project, fine_tune):
    code, out, _ = fine_tune("--json")
    found = json.loads(out)
    assert (code, found["experiment"]) == (0, "films")
    (job,) = found["jobs"]
    assert job == {
        "job": "m-ft8",
        "recorded": "now",
        "cassette": str(film_project.cassettes / "jobs/m-ft8.jsonl"),
        "error": None,
        "states": ["queued", "running", "succeeded"],
        "id": "ftjob-1",
        "model": "base",
        "status": "succeeded",
        "fine_tuned_model": "ft:base:ftjob-1",
        "trained_tokens": 4321,
        "minutes": 0.7,
        "hyperparameters": {"n_epochs": 4},
    }


def test_only_the_sizes_and_models_that_are_named(film_project, fine_tune):
    film_project.edit("train_sizes = [8]", "train_sizes = [8, 10, 12]")
    film_project.edit("[matrix]", '[[model]]\nname = "n"\nprovider = "standin"\n\n[matrix]')
    code, out, _ = fine_tune("--model", "n", "--train-size", "10", "12", "--json")
    assert code == 0
    assert [job["job"] for job in json.loads(out)["jobs"]] == ["n-ft10", "n-ft12"]
    assert [body["model"] for body in film_project.jobs.bodies] == ["n", "n"]


def test_a_failed_job_is_an_error_in_the_providers_words_until_it_is_run_again(
    film_project, fine_tune
):
    states = film_project.jobs.states
    film_project.jobs.states = ["queued", "running", "failed"]
    for recorded in ("now", "before"):
        code, out, err = fine_tune("--json")
        assert code == 1
        assert "tunebench: m-ft8: the fine-tuning job ftjob-1 failed: the training file" in err
        (job,) = json.loads(out)["jobs"]
        assert (job["status"], job["recorded"]) == ("failed", recorded)
        assert job["states"] == ["queued", "running", "failed"]
        assert job["error"].startswith("m-ft8: the fine-tuning job ftjob-1 failed")
    film_project.jobs.states = states
    code, out, _ = fine_tune("--all")
    assert (code, out) == (0, LINE.format("now").replace("ftjob-1", "ftjob-2"))
    assert fine_tune()[:2] == (0, LINE.format("before").replace("ftjob-1", "ftjob-2"))


def test_one_job_that_fails_does_not_keep_the_next_from_running(film_project, fine_tune):
    film_project.edit("train_sizes = [8]", "train_sizes = [2, 8]")
    code, out, err = fine_tune()
    assert (code, out) == (1, LINE.format("now"))
    assert "m-ft2: " in err
    assert "train_sizes: 2 rows of" in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--model", "mm"], "there is no model 'mm'; did you mean 'm'?"),
        (["--train-size", "9"], "[matrix] train_sizes does not hold 9; add it"),
    ],
)
def test_jobs_that_are_not_there_are_a_sentence(film_project, fine_tune, options, said):
    code, out, err = fine_tune(*options)
    assert (code, out) == (2, "")
    assert err.startswith("tunebench: ")
    assert said in err
    assert film_project.loopback.asked == []


def test_an_experiment_without_fine_tuned_cells_is_a_sentence(film_project, fine_tune):
    film_project.edit("train_sizes = [8]\n", "")
    code, _, err = fine_tune()
    assert code == 2
    assert "[matrix] has no such fine-tuned cell; give it train_sizes" in err


def test_no_job_is_started_that_would_pass_the_budget(film_project, fine_tune):
    film_project.edit('id = "base"\n', 'id = "base"\nprices = { training = 1e6 }\n')
    code, out, err = fine_tune("--budget", "1")
    assert (code, out) == (1, "")
    assert "m-ft8: the budget of 1 USD would be passed" in err
    assert film_project.jobs.jobs == []
    assert fine_tune("--budget", "1e9")[:2] == (0, LINE.format("now"))


def test_a_budget_for_jobs_needs_their_price(film_project, fine_tune):
    code, _, err = fine_tune("--budget", "1")
    assert code == 1
    assert "--budget needs to know what it costs; give the model 'm' prices for training" in err
    assert film_project.jobs.jobs == []


def test_a_budget_that_is_no_amount_is_refused(fine_tune):
    assert fine_tune("--budget", "nan")[0] == 2
