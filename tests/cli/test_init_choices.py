"""What ``tunebench init`` makes of a provider and of a table's rows, and what it says of them."""

import csv
import hashlib
import json
import re
from pathlib import Path

import pytest

from tunebench import Experiment
from tunebench.evaluation.inputs import dataset_of
from tunebench.presets import PRESETS

from ..evenings import init, write_table

PAIR = r"  evenings.csv, line \d+ \(test\) and evenings.csv, line \d+ \(train\): 0.9\d alike"


@pytest.fixture
def table(tmp_path, monkeypatch):
    """Change to a folder of one's own, and write tables there."""
    monkeypatch.chdir(tmp_path)
    return write_table


@pytest.mark.parametrize("name", PRESETS)
def test_a_known_provider_is_its_preset_and_what_is_known_of_it_is_said(table, capsys, name):
    preset = PRESETS[name]
    assert init(table(rows=600), "--provider", name, "--model", "a/b", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    experiment = Experiment.read("benchmarks/evenings/experiment.toml")
    (provider,) = experiment.providers.values()
    assert (list(experiment.providers), provider.preset) == ([name], name)
    assert provider.base_url == (preset.base_url or preset.own_url)
    assert (provider.endpoint, provider.api_key_env) == (preset.endpoint, preset.api_key_env)
    trains = preset.fine_tuning == "openai"
    assert experiment.matrix.train_sizes == ([100, 300] if trains else [])
    rules = ["text", "label_logprobs"] if "logprobs" in preset.supports else ["text"]
    assert experiment.matrix.decision_rules == rules
    notes = "\n".join(report["notes"])
    assert (preset.note in notes) == (not preset.started)
    assert ("No training sizes" in notes) == (not trains)
    assert ("base_url before you record" in notes) == (preset.base_url is None)
    assert preset.api_key_env is None or f"Set {preset.api_key_env} to" in notes


def test_of_an_endpoint_that_does_not_answer_nothing_is_assumed(table):
    url = "http://127.0.0.1:9/v1"  # nothing answers there
    assert init(table(rows=600), "--provider", url, "--model", "Org/Some-Model") == 0
    experiment = Experiment.read("benchmarks/evenings/experiment.toml")
    (provider,) = experiment.providers.values()
    assert (provider.base_url, provider.supports) == (url, [])
    assert experiment.models["Some-Model"].provider_id == "Org/Some-Model"
    assert experiment.matrix.train_sizes == []
    assert experiment.matrix.decision_rules == ["text"]


def test_test_texts_that_are_nearly_training_texts_are_named(table, capsys):
    pytest.importorskip("rensa")
    texts = [f"{hashlib.sha256(str(i).encode()).hexdigest()}{i}" for i in range(200)]
    with Path(table()).open("w", newline="") as file:
        rows = [(text, ("bad", "good")[i % 2]) for i, text in enumerate(texts)]
        csv.writer(file).writerows([("body", "mood"), *rows, *((t + ".", m) for t, m in rows)])
    assert init("evenings.csv", "--json") == 0
    *notes, workflow = json.loads(capsys.readouterr().out)["notes"]
    assert "installs tunebench from" in workflow
    data = dataset_of(experiment := Experiment.read("benchmarks/evenings/experiment.toml"))
    asked = data.test["text"].head(experiment.task.test_size).str.rstrip(".")
    count = int(asked.isin(data.train["text"].str.rstrip(".")).sum())
    assert count > 20
    assert notes[0].startswith(f"{count} of the 100 test texts are also among the training rows in")
    assert len(notes) == 4
    assert all(re.fullmatch(PAIR, note) for note in notes[1:])


def test_few_test_texts_are_said_to_be_uncertain(table, capsys):
    assert init(table(rows=6)) == 0
    said = capsys.readouterr().out
    assert "the accuracy will be uncertain. Add rows." in said
    assert "trains it" not in said


@pytest.mark.parametrize("labels", [("bad",) * 300 + ("good",) * 300, ("bad", "good")])
def test_a_file_sorted_by_label_is_taken_by_hash(table, labels):
    assert init(table(rows=600, labels=labels)) == 0
    experiment = Experiment.read("benchmarks/evenings/experiment.toml")
    assert experiment.task.order == ("hash" if len(labels) > 2 else None)
    assert experiment.matrix.train_sizes == [100, 300]
    data = dataset_of(experiment)
    for rows in (data.test["label"].head(100), data.train["label"].head(100)):
        assert 30 <= rows.sum() <= 70
