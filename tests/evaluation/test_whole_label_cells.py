"""Cells of labels that share a token, as a user meets them."""

import pytest

from ..cassette_lines import requests, rows
from ..film_project import FilmProject

SHOWN = {"": {" Very": -0.1, " Neutral": -2.4}, " Very": {" bad": -1.0, " good": -0.5}}


@pytest.fixture
def project(pytester, loopback, jobs, tmp_path_factory, monkeypatch):
    data = tmp_path_factory.mktemp("data")
    monkeypatch.setenv("TFDS_DATA_DIR", str(data))
    project = FilmProject(pytester, loopback, jobs, data)
    project.edit('["Negative", "Positive"]', '["Very bad", "Very good", "Neutral"]')
    project.edit('["text", "label_logprobs"]', '["label_logprobs"]')
    project.edit("train_sizes = [8]\n", "")

    def complete(asked):
        said = loopback.complete(asked)
        for choice, prompt in zip(said.body.get("choices", ()), asked.prompts, strict=False):
            # Behind " Very" it is the film that decides, and its first word alone.
            top = dict(SHOWN[" Very" if prompt.endswith(" Very") else ""])
            if prompt.endswith(" Very") and "a dull film" in prompt:
                top = {" bad": top[" good"], " good": top[" bad"]}
            choice["logprobs"] = {"tokens": [" x"], "top_logprobs": [top]}
        return said

    jobs.complete = complete
    yield project
    # Another test's data set has the same name.
    project.write_data()


def test_labels_alike_are_told_apart_behind_what_they_share(project) -> None:
    project.record("--results", "recorded").assert_outcomes(passed=1)
    (cell,) = project.results("recorded")
    assert (cell["accuracy"], cell["readings"]) == (1.0, {"likeliest": 10})
    assert cell["prompt_tokens"] == 200  # of both rounds
    assert sum(cell["probabilities"][0]) == pytest.approx(1)
    project.loopback.asked.clear()
    project.run("--results", "replayed").assert_outcomes(passed=1)
    assert project.loopback.asked == []
    assert project.results("replayed") == [cell]


def test_each_round_is_stored_with_the_items_it_asks_for(project) -> None:
    project.record().assert_outcomes(passed=1)
    path = project.cassettes / "m-0shot-label_logprobs.jsonl"
    endpoints = {one["request"]: one["endpoint"] for one in requests(path)}
    asked = [row for row in rows(path) if endpoints[row["request"]] == "POST completions"]
    assert [row["item"] for row in asked] == project.texts[1]["item"][:10] * 2
    assert len({row["prompt"] for row in asked}) == 20


def test_a_missing_round_is_named_by_its_items(project) -> None:
    project.record().assert_outcomes(passed=1)
    path = project.cassettes / "m-0shot-label_logprobs.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-8]))
    result = project.run()
    result.stdout.fnmatch_lines(["*m-0shot-label_logprobs, item held-out/2, held-out/3, *"])
    # Recording goes on where it stopped, with the prompts that are missing.
    project.loopback.asked.clear()
    project.record().assert_outcomes(passed=1)
    (asked,) = project.loopback.asked
    assert len(asked.prompts) == 8
    assert all(prompt.endswith(" Very") for prompt in asked.prompts)


def test_a_budget_counts_the_prompts_of_every_round(project) -> None:
    project.edit('id = "base"', 'id = "base"\nprices = { input = 1000, output = 0 }')
    prompts = list(project.texts[1]["text"][:10])
    instruction = "Classify following sentence as Positive or Negative"
    once = sum(len(f"{instruction}\n\n{text} ->") for text in prompts) / 4 / 1000
    result = project.record("--budget", str(1.5 * once))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*the budget of * USD would be passed*"])
    assert [asked.path for asked in project.loopback.asked if "completions" in asked.path] == []
    project.record("--budget", str(3 * once)).assert_outcomes(passed=1)
