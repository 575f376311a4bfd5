"""Fine-tuned cells, as a user meets them: inner pytest runs against a provider that fine-tunes."""

import json
import re

import pytest


@pytest.fixture
def project(film_project):
    return film_project


@pytest.fixture
def recorded(recorded_films):
    return recorded_films


def test_a_fine_tuned_cell_is_a_case_that_k_selects(project) -> None:
    result = project.run("--co", "-q", "-k", "ft8")
    cases = [line for line in result.outlines if "::" in line]
    assert [re.search(r"\[(.*)\]", case)[1] for case in cases] == ["m-ft8", "m-ft8-label_logprobs"]


def test_one_command_records_job_and_cells_and_then_nothing_is_asked(project) -> None:
    project.record().assert_outcomes(passed=4)
    assert sorted(path.name for path in project.cassettes.rglob("*.jsonl")) == [
        "items.jsonl",
        "m-0shot-label_logprobs.jsonl",
        "m-0shot.jsonl",
        "m-ft8-label_logprobs.jsonl",
        "m-ft8.jsonl",
        "m-ft8.jsonl",
        "predictions.jsonl",  # of the rivals
    ]
    assert (project.cassettes / "jobs" / "m-ft8.jsonl").exists()
    project.loopback.asked.clear()
    project.run().assert_outcomes(passed=4)
    project.record().assert_outcomes(passed=4)
    assert project.loopback.asked == []


def test_all_decision_rules_share_one_job(recorded) -> None:
    assert len(recorded.jobs.jobs) == len(recorded.jobs.bodies) == 1


def test_a_fine_tuned_model_is_asked_by_its_name_with_the_bare_prompt(project) -> None:
    project.record("-k", "ft8").assert_outcomes(passed=2, deselected=2)
    text, labels = project.asked_of("ft:base:ftjob-1")
    prompts = [f"{text} ->" for text in project.texts[1]["text"][:10]]
    assert text.prompts == labels.prompts == prompts
    assert project.asked_of("base") == []


def test_what_it_trains_on_is_uploaded(project) -> None:
    project.record("-k", "ft8").assert_outcomes(passed=2, deselected=2)
    train, valid = project.jobs.forms.values()
    assert (train.file_name, valid.file_name) == (
        "films-8_prepared_train.jsonl",
        "films-8_prepared_valid.jsonl",
    )
    lines = [
        json.loads(line) for form in (train, valid) for line in form.fields["file"].splitlines()
    ]
    assert sorted(line["prompt"] for line in lines) == sorted(
        f"{text} ->" for text in project.texts[0]["text"][:8]
    )
    assert {line["completion"] for line in lines if "fine" in line["prompt"]} == {" Positive"}


def test_results_hold_what_came_of_the_job(recorded) -> None:
    recorded.run("--results", "out")
    job = ("job", "fine_tuned_model", "trained_tokens", "training_seconds")
    found = [(row["train_size"], *(row[name] for name in job)) for row in recorded.results("out")]
    made = (8, "ftjob-1", "ft:base:ftjob-1", 4321, 20)
    assert found == [(0, None, None, None, None)] * 2 + [made] * 2
    assert [row["accuracy"] for row in recorded.results("out")] == [0.5, 0.5, 1.0, 1.0]


def test_results_are_the_same_bytes_when_recorded_replayed_and_spread(project) -> None:
    project.record("--results", "recorded").assert_outcomes(passed=4)
    project.run("--results", "replayed").assert_outcomes(passed=4)
    project.pytester.runpytest_subprocess(
        "benchmarks", "--results", "spread", "-n", "2", "-p", "xdist"
    ).assert_outcomes(passed=4)
    folders = ("recorded", "replayed", "spread")
    assert len({(project.root / name / "results.json").read_bytes() for name in folders}) == 1


def test_the_options_of_fine_tuning_reach_the_request(project) -> None:
    project.edit(
        "n_epochs = 2",
        "n_epochs = 3\nbatch_size = 4\nlearning_rate_multiplier = 2\nseed = 11\n"
        "extra_body = { lora_rank = 8 }",
    )
    project.record("-k", "ft8 and not logprobs").assert_outcomes(passed=1, deselected=3)
    (body,) = project.jobs.bodies
    hyperparameters = {"n_epochs": 3, "batch_size": 4, "learning_rate_multiplier": 2}
    assert body["method"] == {
        "type": "supervised",
        "supervised": {"hyperparameters": hyperparameters},
    }
    assert (body["model"], body["seed"], body["suffix"]) == ("base", 11, "films-ft8")
    assert body["lora_rank"] == 8
    assert body["metadata"]["experiment"] == "films"
    assert body["metadata"]["cell"] == "m-ft8"


def test_a_failed_job_fails_its_cells_in_the_providers_words(project) -> None:
    project.jobs.states = ["queued", "running", "failed"]
    result = project.record("--results", "out", "-k", "ft8")
    result.assert_outcomes(failed=2, deselected=2)
    sentence = "the fine-tuning job ftjob-1 failed: the training file has no two classes"
    result.stdout.fnmatch_lines([f"{sentence} (2 cells: m-ft8, m-ft8-label_logprobs); fix*"])
    assert len(project.jobs.jobs) == 1
    assert project.asked_of("base") == []


def test_a_failed_job_is_started_anew_only_by_record_all(project) -> None:
    states = project.jobs.states
    project.jobs.states = ["queued", "running", "failed"]
    project.record("-k", "ft8").assert_outcomes(failed=2, deselected=2)
    project.jobs.states = states
    for option in ("--record=missing", "--record=none"):
        result = project.run(option, "-k", "ft8")
        result.assert_outcomes(failed=2, deselected=2)
        result.stdout.fnmatch_lines(["the fine-tuning job ftjob-1 failed: *(2 cells: m-ft8, *"])
    assert len(project.jobs.jobs) == 1
    project.run("--record=all", "-k", "ft8").assert_outcomes(passed=2, deselected=2)
    assert [job["status"] for job in project.jobs.jobs] == ["failed", "succeeded"]
    project.run("-k", "ft8").assert_outcomes(passed=2, deselected=2)


def test_a_job_that_is_not_recorded_is_a_sentence_of_cell_and_job(project) -> None:
    result = project.run("-k", "ft8")
    result.assert_outcomes(failed=2, deselected=2)
    miss = "m-ft8: m-ft8 (job): there is no cassette in *jobs, *(2 cells: m-ft8, *); *missing*"
    result.stdout.fnmatch_lines([miss])
    assert project.loopback.asked == []


def test_a_job_whose_recording_was_stopped_is_a_sentence_and_not_an_endless_replay(
    recorded,
) -> None:
    path = recorded.cassettes / "jobs" / "m-ft8.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if '"status":"running"' in line)
    path.write_text("".join(lines[: at + 1]))
    result = recorded.run("-k", "ft8 and not logprobs")
    result.assert_outcomes(failed=1, deselected=3)
    result.stdout.fnmatch_lines(
        ["m-ft8: m-ft8 (job): the recording in *m-ft8.jsonl was stopped while the job was running*"]
    )
    recorded.record().assert_outcomes(passed=4)
    assert len(recorded.jobs.jobs) == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [("n_epochs = 2", "n_epochs = 3"), ('id = "base"', 'id = "other"'), ("= 2", "= 2\nseed = 1")],
)
def test_a_changed_job_is_a_sentence_of_cell_and_job(recorded, old: str, new: str) -> None:
    recorded.edit(old, new)
    result = recorded.run("-k", "m-ft8 and not logprobs")
    result.assert_outcomes(failed=1, deselected=3)
    result.stdout.fnmatch_lines(["m-ft8: m-ft8 (job): *holds another job than the one this is*"])


def test_changed_training_rows_are_another_job(recorded) -> None:
    recorded.texts[0]["text"][3] += ", fixed"
    recorded.write_data()
    result = recorded.run("-k", "ft8")
    result.assert_outcomes(failed=2, deselected=2)
    cells = "(2 cells: m-ft8, m-ft8-label_logprobs)"
    result.stdout.fnmatch_lines([f"m-ft8: m-ft8 (job): *the training rows*changed {cells}; *"])


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (
            21,
            "m-ft8: *train_sizes: 21 is more than the 20 training rows *; leave it out.",
        ),
        (2, "m-ft8: *train_sizes: 2 rows of *name a larger size."),
    ],
)
def test_a_training_size_that_the_data_cannot_serve_is_a_sentence(
    project, size: int, said: str
) -> None:
    project.edit("train_sizes = [8]", f"train_sizes = [{size}]")
    result = project.record("-k", f"ft{size} and not logprobs")
    result.assert_outcomes(failed=1, deselected=3)
    result.stdout.fnmatch_lines([said.replace("m-ft8", f"m-ft{size}")])
    assert project.loopback.asked == []


def test_a_training_text_that_is_also_asked_is_refused_unless_it_is_allowed(project) -> None:
    train, test = project.texts
    test["text"][9] = train["text"][7]
    project.write_data()
    result = project.record("-k", "ft8 and not logprobs")
    result.assert_outcomes(failed=1, deselected=3)
    result.stdout.fnmatch_lines(["m-ft8: *1 training rows are among the test rows (items *7)*"])
    assert project.loopback.asked == []
    project.edit("n_epochs = 2", "allow_test_rows = true")
    project.record("-k", "ft8 and not logprobs").assert_outcomes(passed=1, deselected=3)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("n_epoch = 2", "*[[]fine_tuning[]]: unknown key 'n_epoch'; did you mean 'n_epochs'?"),
        ("n_epochs = 0", "*[[]fine_tuning[]] n_epochs: must be at least 1, not 0."),
        ("seed = -1", "*[[]fine_tuning[]] seed: must be at least 0, not -1."),
        ("extra_body = 3", "*[[]fine_tuning[]] extra_body: must be a table, not 3."),
    ],
)
def test_a_mistake_in_the_options_is_one_sentence(project, key: str, said: str) -> None:
    project.edit("n_epochs = 2", key)
    result = project.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([said])


def test_a_jobs_cassette_that_no_cell_needs_is_named(recorded) -> None:
    recorded.edit("train_sizes = [8]\n", "")
    result = recorded.run()
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        ["cassettes/films: no cell uses m-ft8-label_logprobs.jsonl, m-ft8.jsonl, jobs/m-ft8.jsonl*"]
    )


def test_no_training_text_gets_into_a_cassette(recorded) -> None:
    written = "".join(path.read_text() for path in recorded.cassettes.rglob("*.jsonl"))
    assert "film, number" not in written


@pytest.mark.parametrize(
    ("prices", "cost"),
    [
        ("", "no price is set"),
        ("prices = {}\n", "no price is set"),
        ("prices = { training = 1e6 }\n", "about 252.00 USD at 1e+06 a million"),
        ('prices = { training = 0, currency = "EUR" }\n', "about 0.00 EUR at 0 a million"),
        # 126 tokens in 2 epochs at 380 tokens a second.
        ("prices = { per_hour = 36000 }\n", "about 6.63 USD at 36000 an hour"),
        ("prices = { input = 1, output = 2 }\n", "its prices do not say what training costs"),
    ],
)
def test_what_a_job_will_take_is_said_before_it_starts(project, prices: str, cost: str) -> None:
    project.edit('id = "base"\n', f'id = "base"\n{prices}')
    result = project.record("-k", "ft8 and not logprobs")
    result.stderr.fnmatch_lines(
        [
            "m-ft8: fine-tuning base on 6 rows, validating on 2: about 252 tokens in 2 epochs; "
            f"{cost}",
            "m-ft8: Created fine-tuning job: ftjob-1",
        ]
    )
    assert "fine-tuning base" not in str(project.record("-k", "ft8 and not logprobs").stderr)


def seeded(project, seeds: str = "seeds = [3, 4]") -> None:
    project.edit("n_epochs = 2", f'n_epochs = 2\n{seeds}\ndecision_rules = ["text"]')


def test_each_seed_is_a_job_and_a_case(project) -> None:
    seeded(project)
    project.record("--results", "out", "-k", "ft8").assert_outcomes(passed=2, deselected=2)
    assert [body["seed"] for body in project.jobs.bodies] == [3, 4]
    assert len({body["metadata"]["tunebench_job"] for body in project.jobs.bodies}) == 2
    jobs = sorted(path.name for path in (project.cassettes / "jobs").iterdir())
    assert jobs == ["m-ft8-seed3.jsonl", "m-ft8-seed4.jsonl"]
    rows = project.results("out")
    assert [(row["cell"], row["seed"], row["fine_tuned_model"]) for row in rows] == [
        ("m-ft8-seed3", 3, "ft:base:ftjob-1"),
        ("m-ft8-seed4", 4, "ft:base:ftjob-2"),
    ]


def test_a_further_seed_finds_the_job_of_the_first_one(project) -> None:
    project.edit("n_epochs = 2", "n_epochs = 2\nseed = 3")
    project.record("-k", "ft8").assert_outcomes(passed=2, deselected=2)
    project.edit("seed = 3", 'seeds = [3, 4]\ndecision_rules = ["text"]')
    project.record("-k", "ft8").assert_outcomes(passed=2, deselected=2)
    assert [body["seed"] for body in project.jobs.bodies] == [3, 4]


def test_the_table_shows_the_mean_and_the_spread_of_seeds(project) -> None:
    seeded(project)
    # The second model says Negative, and so gets half of the texts right.
    right = project.complete

    def complete(asked):
        said = right(asked)
        if asked.fields["model"] == "ft:base:ftjob-2":
            for choice in said.body["choices"]:
                choice["text"] = " Nega"
        return said

    project.jobs.complete = complete
    result = project.record()
    result.stdout.fnmatch_lines(["model*best prompt*on 8*", "m *0shot*0.750 ±0.354*"])


def test_a_provider_that_trains_with_another_seed_is_a_sentence(project) -> None:
    seeded(project)
    project.jobs.extra = {"seed": 3}
    result = project.record("-k", "ft8")
    result.assert_outcomes(passed=1, failed=1, deselected=2)
    result.stdout.fnmatch_lines(
        ["m-ft8-seed4: the provider trained with the seed 3, not with 4; use a provider that *"]
    )


def test_experiments_with_one_name_for_jobs_share_their_models(project) -> None:
    project.record("-k", "ft8").assert_outcomes(passed=2, deselected=2)
    project.edit('name = "films"', 'name = "films_again"')
    project.edit("n_epochs = 2", 'n_epochs = 2\nname = "films"')
    project.record("-k", "ft8").assert_outcomes(passed=2, deselected=2)
    assert len(project.jobs.bodies) == 1
