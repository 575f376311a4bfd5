"""`tunebench.replay` and `tunebench.load_results`, as a notebook uses them."""

import html
import json
import subprocess
import sys

import pandas as pd
import pytest

import tunebench
from tunebench.cli import main

from ..pets_project import edit

GATE = """
import pytest
from tunebench import Experiment

experiment = Experiment.beside(__file__)


@pytest.mark.parametrize("cell", experiment.cells, ids=str)
def test_gate(cell, gate):
    gate(cell)


@pytest.mark.parametrize("cell", experiment.fine_tuned_cells, ids=str)
def test_uplift(cell, evaluate, compare):
    best = max(map(evaluate, cell.other_prompts), key=lambda result: result.accuracy)
    compare(cell, best.cell)
"""
FRAMES = ("cells", "predictions", "uplifts", "rivals", "errors")


@pytest.fixture
def recorded(pets):
    """Two prompted cells of a model that is always right, recorded."""
    pets.toml = pets.add(shots="[0, 1]")
    assert pets.record().ret == 0
    pets.loopback.asked.clear()
    return pets


def test_a_replay_has_label_names_places_and_kinds(recorded):
    results = tunebench.replay(recorded.toml.parent)
    assert recorded.loopback.asked == []
    assert results.cells["cell"].tolist() == ["m-0shot", "m-1shot"]
    assert results.cells["kind"].tolist() == ["prompted", "prompted"]
    assert results.cells["accuracy"].tolist() == [1.0, 1.0]
    assert str(results.cells["recorded_at"].dtype) == "datetime64[ns, UTC]"
    first = results.predictions[results.predictions["cell"] == "m-0shot"]
    assert len(first) == 10
    table = (recorded.root / "pets.csv").read_text().splitlines()
    for row in first.itertuples():
        name, _, line = row.place.partition(", line ")
        assert name == "pets.csv"
        assert table[int(line) - 1].endswith(f",{row.label}")
        assert (row.label, row.correct) == (row.prediction, True)


def test_a_folder_of_several_experiments_and_a_file_can_be_named(recorded, monkeypatch):
    recorded.add("benchmarks/more", "more", shots="[0, 1]")
    assert recorded.record("benchmarks/more").ret == 0
    monkeypatch.chdir(recorded.root)
    both = tunebench.replay()
    assert both.cells["experiment"].unique().tolist() == ["more", "pets"]
    assert "more, pets: 4 cells" in repr(both)
    again = tunebench.replay(str(recorded.toml), tunebench.Experiment.read(recorded.toml))
    assert again.cells["experiment"].unique().tolist() == ["pets"]
    with pytest.raises(tunebench.TunebenchError, match="an answer of each experiment"):
        _ = both.answer
    assert [answer.experiment for answer in both.answers] == ["more", "pets"]


def test_a_replay_and_the_results_of_pytest_are_the_same(recorded_films):
    (recorded_films.toml.parent / "test_accuracy.py").write_text(GATE)
    assert recorded_films.run("--results", "out").ret == 0
    replayed = tunebench.replay(recorded_films.toml)
    loaded = tunebench.load_results(recorded_films.root / "out")
    for name in FRAMES:
        pd.testing.assert_frame_equal(getattr(replayed, name), getattr(loaded, name))
    assert replayed.answer == loaded.answer
    assert set(replayed.cells["kind"]) == {"prompted", "fine-tuned"}
    assert len(replayed.uplifts) == 2
    assert replayed.uplifts["cell"].str.startswith("m-ft8").all()
    logprobs = replayed.cells["decision_rule"] == "label_logprobs"
    named = replayed.cells.loc[logprobs, "cell"]
    known = replayed.predictions["cell"].isin(named) & (replayed.predictions["kind"] != "rival")
    assert replayed.predictions.loc[known, "probability"].between(0.5, 1).all()
    assert replayed.predictions.loc[~known, "probability"].isna().all()


def test_frames_have_the_same_columns_and_types_without_rows(recorded, tmp_path):
    empty = tmp_path / "results.json"
    empty.write_text(json.dumps({"version": 3, "cells": []}))
    results, full = tunebench.load_results(empty), tunebench.replay(recorded.toml)
    for name in FRAMES:
        found = getattr(results, name)
        assert len(found) == 0
        assert found.dtypes.equals(getattr(full, name).dtypes)
        assert set(map(str, found.dtypes)) <= {
            *("string", "Int64", "float64", "boolean", "datetime64[ns, UTC]"),
        }
    assert results.answer is None


@pytest.mark.parametrize("given", [["a", "b"], ("a",), None, 5])
def test_what_is_not_a_path_is_a_sentence_that_says_how_to_give_several(given):
    kind = type(given).__name__
    with pytest.raises(tunebench.TunebenchError) as raised:
        tunebench.replay(given)
    assert str(raised.value) == (
        f"an argument is a {kind}, and not a path; give each experiment as an argument, as in "
        "replay(a, b) or replay(*paths)."
    )
    with pytest.raises(tunebench.TunebenchError, match=f"a {kind}, and not a path; give one fol"):
        tunebench.load_results(given)


def test_edited_limits_and_tables_count_at_the_next_replay(recorded):
    before = tunebench.replay(recorded.toml)
    assert before.cells["verdict"].isna().all()
    edit(recorded.toml, "[matrix]", "[[threshold]]\nmin_accuracy = 0.5\n\n[matrix]")
    assert set(tunebench.replay(recorded.toml).cells["verdict"]) == {"pass"}
    recorded.write_table(odd="dog")  # every label is the other one now
    edited = tunebench.replay(recorded.toml).cells
    assert set(edited["verdict"]) == {"fail"}
    assert edited["accuracy"].tolist()[0] == 0.0


def test_data_outside_of_the_project_are_read_again_too(recorded_films):
    before = tunebench.replay(recorded_films.toml)
    for columns in recorded_films.texts:
        columns["label"] = [1 - label for label in columns["label"]]
    from tunebench.datasets import flat

    train, test = recorded_films.texts
    path = recorded_films.data / "tunebench_imdb" / "1.0.0" / "flat.json"
    flat.write(path, {"train": train, "heldout": test})
    after = tunebench.replay(recorded_films.toml)
    labels = [
        results.predictions.query("cell == 'm-0shot'")["label"].tolist()
        for results in (before, after)
    ]
    other = {"Negative": "Positive", "Positive": "Negative"}
    assert labels[1] == [other[label] for label in labels[0]]
    # The training rows are others now, so there are no such models.
    assert set(before.cells["cell"]) - set(after.cells["cell"]) == set(after.errors["cell"])
    assert len(after.errors) == 2


def test_a_cell_without_a_recording_is_an_error_row_beside_the_others(recorded):
    edit(recorded.toml, "shots = [0, 1]", "shots = [0, 1, 2]")
    results = tunebench.replay(recorded.toml)
    assert results.cells["cell"].tolist() == ["m-0shot", "m-1shot"]
    assert results.errors["cell"].tolist() == ["m-2shot"]
    assert "there is no cassette" in results.errors["error"][0]
    assert "1 without a result" in repr(results)
    assert len(repr(results)) < 200


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nowhere", "there is no experiment.toml in or below it"),
        ("nowhere/experiment.toml", "there is no such experiment file"),
        ("benchmarks/new", "no cell has a result to replay"),
    ],
)
def test_what_cannot_be_replayed_is_a_sentence(recorded, path, said, monkeypatch):
    recorded.add("benchmarks/new", "new")
    monkeypatch.chdir(recorded.root)
    with pytest.raises(tunebench.TunebenchError, match=said) as raised:
        tunebench.replay(path)
    assert len(str(raised.value).splitlines()) == 1
    assert recorded.loopback.asked == []


def test_a_baseline_that_is_missing_is_said_and_the_cell_is_there(recorded):
    edit(recorded.toml, "[matrix]", "[[threshold]]\nmax_regression = 0.1\n\n[matrix]")
    results = tunebench.replay(recorded.toml)
    assert len(results.cells) == 2
    assert results.errors["cell"].isna().all()
    assert results.errors["error"].str.contains("needs a committed baseline").all()
    assert main(["baseline", str(recorded.toml)]) == 0
    assert tunebench.replay(recorded.toml).cells["verdict"].tolist() == ["pass", "pass"]


def test_results_that_are_not_there_are_a_sentence(tmp_path):
    with pytest.raises(tunebench.TunebenchError, match="the results cannot be read"):
        tunebench.load_results(tmp_path)


def test_a_notebook_shows_the_answer_and_the_cells(recorded):
    results = tunebench.replay(recorded.toml)
    assert results.answer is not None
    shown = results._repr_html_()
    assert html.escape(results.answer.sentence) in shown
    assert "<td>m-1shot</td>" in shown


def test_importing_tunebench_imports_nothing_heavy():
    code = (
        "import sys, tunebench; tunebench.__all__; "
        "print(*{'pandas', 'numpy', 'pydantic', 'pytest', 'openai', 'vcr'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_replay_starts_no_pytest_and_leaves_no_file(recorded):
    before = {path: path.stat().st_mtime_ns for path in recorded.root.rglob("*.*")}
    code = (
        "import sys, tunebench; tunebench.replay(sys.argv[1]); "
        "print(*{'pytest', '_pytest', 'torch'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(recorded.toml)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
    assert {path: path.stat().st_mtime_ns for path in recorded.root.rglob("*.*")} == before
