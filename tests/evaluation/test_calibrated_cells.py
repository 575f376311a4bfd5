"""Cells of the rule ``calibrated``, at a provider whose answers lean to one label."""

import json
import math
import os
import re
import subprocess
import sys
import time

import numpy as np
import pytest
from scipy.special import softmax

from tunebench import Experiment
from tunebench.cli import main
from tunebench.evaluation import estimates, prompts_of
from tunebench.evaluation.recording import recorded_file
from tunebench.statistics import area_under_roc, fitted_biases

from ..cassette_lines import rows
from ..film_project import reviews

LEAN = 5.0
RULES = 'decision_rules = ["text", "label_logprobs"]'
CALIBRATED = 'decision_rules = ["text", "label_logprobs", "calibrated"]'


def shown_for(prompt):
    """The log-probabilities of a text that the model sees through, but for its lean."""
    text = re.split(r"\n#####\n", prompt)[-1]
    certainty = 2 + int(re.search(r"number (\d+)", text)[1]) % 3 if "number" in text else 0
    sign = 1 if "fine" in text else -1
    positive = sign * certainty - LEAN
    return {
        " Positive": -math.log1p(math.exp(-positive)),
        " Negative": -math.log1p(math.exp(positive)),
    }


@pytest.fixture
def project(film_project):
    """Prompts of 0 and 2 shots by two rules, of which one is calibrated on 12 rows."""
    film_project.texts = reviews("training", 40), reviews("held-out", 12)
    film_project.write_data()
    film_project.edit(RULES, CALIBRATED)
    film_project.edit("train_sizes = [8]\n", "")
    film_project.edit("shots = [0]", "shots = [0, 2]")
    film_project.edit("[matrix]", "[calibration]\nrows = 12\n\n[matrix]")

    def complete(asked):
        said = film_project.loopback.complete(asked)
        for choice, prompt in zip(said.body.get("choices", ()), asked.prompts, strict=False):
            choice["text"] = " Nega"
            if "logprobs" in asked.fields:
                choice["logprobs"] = {"tokens": ["?"], "top_logprobs": [shown_for(prompt)]}
        return said

    film_project.jobs.complete = complete
    return film_project


def cells(project, *options):
    done = project.run("--results", "out", *options)
    assert done.ret == 0, done.stdout.str()
    return {row["cell"]: row for row in project.results("out")}


def asked_prompts(project):
    asked = [one for one in project.loopback.asked if one.path.endswith("/completions")]
    prompts = [prompt for one in asked for prompt in one.prompts]
    project.loopback.asked.clear()
    return prompts


def path_of(project, shots=0):
    return project.cassettes / f"m-{shots}shot-label_logprobs.jsonl"


def items_of(path):
    return [row["item"] for row in rows(path) if row["item"]]


def test_it_is_right_where_the_model_only_leans(project):
    found = cells(project, "--record=missing")
    for shots in (0, 2):
        leaning = found[f"m-{shots}shot-label_logprobs"]
        calibrated = found[f"m-{shots}shot-calibrated"]
        assert (leaning["accuracy"], calibrated["accuracy"]) == (0.5, 1.0)
        # It ranks the texts as well without a bias.
        assert leaning["auc"] == calibrated["auc"] == 1.0
        assert calibrated["readings"] == {"likeliest": 10}
        (negative, positive) = calibrated["calibration"]["biases"]
        assert positive - negative == pytest.approx(LEAN, abs=2)
    assert found["m-0shot"]["auc"] is found["m-0shot"]["calibration"] is None
    assert cells(project) == found
    assert asked_prompts(project)


def test_the_biases_and_probabilities_follow_from_the_rows_in_the_cassette(project):
    row = cells(project, "--record=missing")["m-0shot-calibrated"]
    stored = {one["item"]: one for one in rows(path_of(project)) if one["item"]}
    training = {item: one for item, one in stored.items() if item.startswith("training/")}
    assert len(training) == row["calibration"]["texts"] == 12

    def seen(one):
        (top,) = one["answer"]["logprobs"]["top_logprobs"]
        return {0: top[" Negative"], 1: top[" Positive"]}

    labels = [int(item.removeprefix("training/")) % 2 for item in training]
    biases = fitted_biases([seen(one) for one in training.values()], labels, 2)
    assert row["calibration"]["biases"] == pytest.approx(biases, abs=1e-6)
    for number, found in enumerate(row["probabilities"]):
        logprobs = seen(stored[f"held-out/{number}"])
        expected = softmax(np.array([logprobs[0], logprobs[1]]) + row["calibration"]["biases"])
        assert found == pytest.approx(expected.tolist(), abs=1e-12)
    truths = [number % 2 for number in range(10)]
    assert row["auc"] == area_under_roc(row["probabilities"], truths)


def test_all_cells_have_the_same_rows_and_none_is_in_a_prompt_or_a_test(project):
    project.record().assert_outcomes(passed=6)
    first, second = (items_of(path_of(project, shots)) for shots in (0, 2))
    chosen = [item for item in first if item.startswith("training/")]
    assert chosen == [item for item in second if item.startswith("training/")]
    assert len(set(chosen)) == 12
    experiment = Experiment.read(project.toml)
    shown = next(iter(prompts_of(experiment.cells[-1]).values()))
    texts = dict(zip(project.texts[0]["item"], project.texts[0]["text"], strict=True))
    assert not any(texts[item] in shown for item in chosen)


def test_rows_whose_text_is_a_test_text_are_not_taken(project):
    train, test = project.texts
    train["text"][:20] = test["text"][:10] * 2
    project.write_data()
    project.record("-k", "0shot").assert_outcomes(passed=3)
    chosen = [item for item in items_of(path_of(project)) if item.startswith("training/")]
    assert len(chosen) == 12
    assert all(int(item.removeprefix("training/")) >= 20 for item in chosen)


def test_only_what_the_other_rule_lacks_is_asked(project):
    project.record("-k", "0shot-label_logprobs").assert_outcomes(passed=1, deselected=5)
    assert len(asked_prompts(project)) == 10
    project.record("-k", "0shot-calibrated").assert_outcomes(passed=1, deselected=5)
    assert len(asked_prompts(project)) == 12
    project.record("-k", "0shot-label_logprobs or 0shot-calibrated")
    assert asked_prompts(project) == []
    assert not (project.cassettes / "m-0shot-calibrated.jsonl").exists()


def test_without_the_other_rule_it_makes_its_cassette_all_the_same(project):
    project.edit(CALIBRATED, 'decision_rules = ["calibrated"]')
    found = cells(project, "--record=missing")
    assert set(found) == {"m-0shot-calibrated", "m-2shot-calibrated"}
    assert found["m-0shot-calibrated"]["cassette"] == "cassettes/films/m-0shot-label_logprobs.jsonl"
    assert sorted(path.name for path in project.cassettes.glob("m-*")) == [
        "m-0shot-label_logprobs.jsonl",
        "m-2shot-label_logprobs.jsonl",
    ]


@pytest.mark.parametrize("chosen", ["", "label_logprobs", "calibrated"])
def test_no_row_is_called_unused_whichever_cell_is_replayed(project, chosen):
    project.record().assert_outcomes(passed=6)
    assert "not asked for" not in project.run("-k", chosen).stdout.str()


def test_rows_are_unused_when_nothing_is_calibrated_any_more(project, monkeypatch, capfd):
    project.record().assert_outcomes(passed=6)
    project.edit("[calibration]\nrows = 12\n\n", "")
    project.edit(CALIBRATED, RULES)
    said = project.run().stdout.str()
    assert "12 recorded answers were not asked for (2 cells" in said
    monkeypatch.chdir(project.root)
    assert main(["cassettes", "prune"]) == 0
    assert not any(item.startswith("training/") for item in items_of(path_of(project)))
    assert "not asked for" not in project.run().stdout.str()


def test_the_commands_for_cassettes_know_both_cells(project, monkeypatch, capfd):
    project.record("-k", "label_logprobs or text").assert_outcomes(passed=2, deselected=4)
    project.record("-k", "0shot").assert_outcomes(passed=3, deselected=3)
    monkeypatch.chdir(project.root)

    def command(*arguments):
        capfd.readouterr()
        code = main(["cassettes", *arguments])
        return code, capfd.readouterr().out

    listed = json.loads(command("ls", "--json")[1])["cassettes"]
    assert {one["recording"]: one["state"] for one in listed} == {
        "m-0shot": "complete",
        "m-0shot-label_logprobs": "complete",
        "m-2shot": "missing",
        "m-2shot-label_logprobs": "partial",
    }
    before = path_of(project).read_bytes()
    code, said = command("verify")
    assert code == 1
    # The missing answers of one cell do not hide that the other's are all there.
    assert "m-2shot-calibrated: m-2shot-label_logprobs, item training/" in said
    assert "are not used" not in said
    command("prune")
    assert path_of(project).read_bytes() == before
    project.record().assert_outcomes(passed=6)
    assert command("verify") == (0, "4 of 4 cassettes are sound.\n")
    assert command("prune") == (0, "There is nothing to prune.\n")


@pytest.mark.parametrize("chosen", ["0shot-label_logprobs", "0shot-calibrated"])
def test_a_whole_recording_of_one_cell_keeps_what_the_other_needs(project, chosen):
    project.record().assert_outcomes(passed=6)
    asked_prompts(project)
    project.run("--record=all", "-k", chosen).assert_outcomes(passed=1, deselected=5)
    prompts = asked_prompts(project)
    assert len(prompts) == len(set(prompts)) == 22
    project.run().assert_outcomes(passed=6)


def test_a_whole_recording_of_both_asks_once(project):
    project.record().assert_outcomes(passed=6)
    asked_prompts(project)
    project.run("--record=all", "-k", "0shot and not m-0shot]").assert_outcomes(
        passed=2, deselected=4
    )
    assert len(asked_prompts(project)) == 22
    project.run("--record=all", "-k", "0shot and not m-0shot]")
    assert len(asked_prompts(project)) == 22
    assert not list(project.cassettes.glob("*.part"))


@pytest.mark.parametrize("how", ["missing", "all"])
def test_processes_that_record_both_cells_at_once_wait_for_each_other(project, how):
    command = [sys.executable, "-m", "pytest", "benchmarks", "-q", "-p", "no:cacheprovider"]
    if how == "all":
        project.record().assert_outcomes(passed=6)
    asked_prompts(project)
    processes = [
        subprocess.Popen(
            [*command, f"--record={how}", "-k", f"0shot-{rule}"],
            cwd=project.root,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for rule in ("label_logprobs", "calibrated")
    ]
    for process in processes:
        out, _ = process.communicate()
        assert process.returncode == 0, out
    assert len(items_of(path_of(project))) == 22
    prompts = asked_prompts(project)
    # Whichever is late may find the other's recording made before it began.
    assert len(set(prompts)) == 22
    if how == "missing":
        assert len(prompts) == 22
    project.run("-k", "0shot-label_logprobs or 0shot-calibrated").assert_outcomes(
        passed=2, deselected=4
    )


def test_content_free_texts_are_asked_with_the_prompt_of_each_cell(project):
    project.edit("rows = 12", 'method = "content_free"')
    found = cells(project, "--record=missing")["m-2shot-calibrated"]
    texts = [
        prompt for prompt in asked_prompts(project) if "number" not in prompt.split("#####")[-1]
    ]
    assert len(texts) == len(set(texts)) == 6
    ends = sorted({prompt.split("\n#####\n")[-1] for prompt in texts})
    assert ends == [" ->", "N/A ->", "[MASK] ->"]
    assert found["accuracy"] == 1
    assert found["calibration"]["method"] == "content_free"
    negative, positive = found["calibration"]["biases"]
    # They say nothing but the lean.
    assert positive - negative == pytest.approx(LEAN, abs=1e-5)
    assert "calibrated with 3 content-free texts (2 cells" in project.run().stdout.str()


def test_what_it_took_is_with_the_results(project):
    project.edit('id = "base"', 'id = "base"\nprices = { input = 2, output = 10 }')
    found = cells(project, "--record=missing")
    one, other = found["m-0shot-calibrated"], found["m-0shot-label_logprobs"]
    for name in ("prompt_tokens", "completion_tokens", "cost_per_1000"):
        assert one[name] == other[name]
    calibration = one["calibration"]
    assert (calibration["prompt_tokens"], calibration["completion_tokens"]) == (120, 12)
    assert calibration["cost"] == pytest.approx((120 * 2 + 12 * 10) / 1e6)


def test_shared_answers_are_estimated_once_and_those_to_calibrate_with_count(project):
    project.edit('id = "base"', 'id = "base"\nprices = { input = 2, output = 10 }')
    both = estimates(Experiment.read(project.toml))[0]
    assert both["note"] == " of prompts (10 texts × 2 decision rules, and 12 to calibrate with)"
    project.edit(CALIBRATED, 'decision_rules = ["text", "calibrated"]')
    assert estimates(Experiment.read(project.toml))[0] == both
    project.edit("[calibration]\nrows = 12\n\n", "")
    project.edit('decision_rules = ["text", "calibrated"]', RULES)
    without = estimates(Experiment.read(project.toml))[0]
    assert without["note"] == " of prompts (10 texts × 2 decision rules)"
    assert without["tokens"] < both["tokens"]
    assert without["cost"] < both["cost"]


def test_the_budget_counts_the_rows_to_calibrate_with(project):
    project.edit('id = "base"', 'id = "base"\nprices = { input = 2000, output = 0 }')
    project.record("-k", "0shot-label_logprobs", "--budget", "0.6").assert_outcomes(
        passed=1, deselected=5
    )
    done = project.record("-k", "0shot-calibrated", "--budget", "0.1")
    done.assert_outcomes(failed=1, deselected=5)
    assert "the budget of 0.1 USD would be passed: this takes about 0.24" in done.stdout.str()


def test_verbose_runs_show_aucs_and_biases(project):
    project.record("-k", "0shot")
    said = project.run("-k", "0shot", "-v").stdout.str()
    assert re.search(r"cell .* AUC\n", said)
    assert re.search(r"m-0shot-label_logprobs .* 1\.000\n", said)
    assert re.search(r"m-0shot-calibrated +12 +Positive \+\d\.\d\d, Negative -\d\.\d\d", said)
    assert "calibrated with 12 labelled training rows" in said
    quiet = project.run("-k", "0shot").stdout.str()
    assert "added to" not in quiet
    assert "AUC" not in quiet


def tune(project, more=""):
    project.edit("shots = [0, 2]", "shots = [0, 2]\ntrain_sizes = [8, 20]")
    project.edit("n_epochs = 2", f"n_epochs = 2\n{more}")


def test_a_fine_tuned_cell_is_calibrated_on_rows_that_it_was_not_trained_on(project):
    tune(project)
    found = cells(project, "--record=missing")
    assert found["m-ft20-calibrated"]["calibration"]["texts"] == 12
    for name in ("m-0shot", "m-ft8", "m-ft20"):
        items = items_of(project.cassettes / f"{name}-label_logprobs.jsonl")
        numbers = [int(item.split("/")[1]) for item in items if item.startswith("training/")]
        assert len(numbers) == 12
        assert min(numbers) >= 20


def test_training_sizes_that_are_not_calibrated_leave_their_rows(project):
    tune(project, 'decision_rules = ["text"]')
    project.record("-k", "0shot").assert_outcomes(passed=3, deselected=5)
    numbers = [int(item.split("/")[1]) for item in items_of(path_of(project))]
    assert min(numbers) < 20


REFUSED = [
    (("rows = 12", "rows = 50"), "50 is more than the 38 different texts that can be used of 40 "
     "training rows (2 are worked examples); lower it to 38 or less, add training rows, or set "
     'method = "content_free".'),
]  # fmt: skip


@pytest.mark.parametrize(("change", "said"), REFUSED)
def test_rows_that_are_not_there_are_a_sentence(project, change, said):
    project.edit(*change)
    done = project.record("-k", "0shot")
    done.assert_outcomes(passed=2, failed=1, deselected=3)
    assert f"m-0shot-calibrated: {project.toml}: [calibration] rows: {said}" in done.stdout.str()


def test_rows_that_calibrated_models_train_on_are_said_to_be_missing(project):
    tune(project)
    project.edit("train_sizes = [8, 20]", "train_sizes = [36]")
    said = project.record("-k", "0shot-calibrated").stdout.str()
    assert "36 are rows that calibrated models train on" in said
    assert "take calibrated out of [fine_tuning] decision_rules" in said
    assert "lower it to 4 or less" in said


def test_a_label_that_is_missing_among_the_rows_is_a_sentence(project):
    train, _ = project.texts
    train["label"] = [1, *[0] * 39]
    project.write_data()
    project.edit("rows = 12", "rows = 2")
    project.edit("shots = [0, 2]", "shots = [0]")
    said = project.record("-k", "0shot-calibrated").stdout.str()
    hint = re.search(
        r"among the 2 training rows to calibrate with there is none of 'Positive'; raise it to "
        r"(\d+) or more\.",
        said,
    )
    assert hint, said
    project.edit("rows = 2", f"rows = {hint[1]}")
    project.record("-k", "0shot-calibrated").assert_outcomes(passed=1, deselected=2)


def test_answers_without_any_label_cannot_be_calibrated(project):
    complete = project.jobs.complete

    def nothing(asked):
        said = complete(asked)
        for choice in said.body.get("choices", ()):
            if "logprobs" in choice:
                choice["logprobs"]["top_logprobs"] = [{" The": -0.1}]
        return said

    project.jobs.complete = nothing
    done = project.record("-k", "0shot")
    done.assert_outcomes(passed=2, failed=1, deselected=3)
    said = "m-0shot-calibrated: none of the 12 answers to calibrate with shows the text's label"
    assert said in done.stdout.str()


def test_a_label_that_no_answer_shows_has_no_bias_and_is_said_to(project):
    project.edit('["Negative", "Positive"]', '["Negative", "Positive", "Unclear"]')
    train, _ = project.texts
    train["label"][::5] = [2] * len(train["label"][::5])
    project.write_data()
    row = cells(project, "--record=missing", "-k", "0shot")["m-0shot-calibrated"]
    assert row["calibration"]["unseen"] == [2]
    assert row["calibration"]["biases"][2] == pytest.approx(0, abs=1e-6)
    assert "'Unclear' among the likeliest tokens, so that has no bias" in project.run().stdout.str()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([(CALIBRATED, RULES)], "[calibration]: no cell has the decision rule calibrated; add it "
         "to [matrix] decision_rules, or remove this table."),
        ([("rows = 12", 'rows = 12\nmethod = "content_free"')], '[calibration]: rows are for '
         'method = "labelled", and content_free takes none; keep one of the two.'),
        ([("rows = 12", "rows = 2"), ('"Positive"]', '"Positive", "Unclear"]')], "[calibration]: "
         "2 rows cannot hold each of the 3 labels; set rows to more than 3."),
        ([("rows = 12", "rows = 0")], "[calibration] rows: must be at least 2, not 0."),
        ([("rows = 12", 'method = "batch"')],
         "[calibration] method: must be 'labelled' or 'content_free', not 'batch'."),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_is_a_sentence(project, changes, said):
    for change in changes:
        project.edit(*change)
    done = project.run()
    assert f"{project.toml}: {said}" in done.stdout.str()


def test_it_needs_what_label_logprobs_needs(project):
    project.edit("retries = 0", 'retries = 0\nsupports = ["lists"]')
    said = project.record("-k", "0shot-calibrated").stdout.str()
    assert "the decision rule calibrated needs logprobs, which the provider 'standin' does" in said


def test_a_whole_recording_that_another_process_puts_in_its_place_is_kept(project):
    project.record("-k", "0shot").assert_outcomes(passed=3, deselected=3)
    path = path_of(project)
    part = path.with_name(f"{path.name}.part")
    (cell,) = (one for one in Experiment.read(project.toml).cells if "0shot-cal" in str(one))
    before = path.read_bytes()
    with recorded_file(cell.experiment, path, cell.recording, "all", shared_since=time.time_ns()):
        part.write_bytes(before)
        part.replace(path)
    assert path.read_bytes() == before
    assert not part.exists()
