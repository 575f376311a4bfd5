import json

import pytest

from tunebench.cli import main

from ..reports.made_results import cell, document, experiment


def results(**more):
    return document([cell("tiny", 2)], experiments=[experiment(2, **more)])


@pytest.fixture
def folder(tmp_path):
    """The folder of the results that it writes."""

    def write(content):
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / "results.json").write_text(text, encoding="utf-8")
        return tmp_path

    return write


def report(*arguments):
    return main(["report", *map(str, arguments)])


@pytest.mark.parametrize("name", ["", "results.json"])
def test_the_page_lies_beside_the_results(folder, name, capsys):
    page = folder(results()) / "report.html"
    assert report(page.parent / name) == 0
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert capsys.readouterr().out == f"Wrote {page}.\n"


def test_the_page_of_the_same_results_is_made_again(folder):
    page = folder(results()) / "report.html"
    assert report(page.parent) == 0
    before = page.read_bytes()
    assert report(page.parent) == 0
    assert page.read_bytes() == before


def test_a_page_of_other_results_is_left_alone(folder, capsys):
    page = folder(results()) / "report.html"
    assert report(page.parent) == 0
    before = page.read_bytes()
    folder(document([cell("other", 2)], experiments=[experiment(2)]))
    assert report(page.parent) == 2
    assert "the file exists" in capsys.readouterr().err
    assert page.read_bytes() == before


def test_a_page_is_overwritten_only_when_asked(folder, capsys):
    page = folder(results()) / "report.html"
    page.write_text("mine")
    assert report(page.parent) == 2
    assert page.read_text() == "mine"
    assert "or --force to overwrite it" in capsys.readouterr().err
    assert report(page.parent, "--output", page.with_name("other.html")) == 0
    assert report(page.parent, "--force") == 0
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "this is not JSON (Expecting property name"),
        ("[]", "version: these are not results of version 1, 2 or 3; write the results again with"),
        (
            {"version": 1, "cells": []},
            "these are not results of version 2 or 3; write the results again",
        ),
        ({"version": 2, "cells": [{}]}, "cells[0].experiment: field required; write the results"),
    ],
)
def test_wrong_results_are_an_error(folder, content, sentence, capsys):
    path = folder(content)
    assert report(path) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"tunebench: {path / 'results.json'}: ")
    assert sentence in said
    assert not (path / "report.html").exists()


def test_results_that_are_not_there_are_named(tmp_path, capsys):
    assert report(tmp_path) == 2
    assert "the results cannot be read (No such file or directory)" in capsys.readouterr().err


def test_a_folder_that_is_missing_is_named(folder, tmp_path, capsys):
    assert report(folder(results()), "--output", tmp_path / "none" / "r.html") == 2
    assert f"{tmp_path / 'none'}: this folder does not exist" in capsys.readouterr().err


def test_a_folder_gets_the_page(folder, tmp_path, capsys):
    (tmp_path / "pages").mkdir()
    page = tmp_path / "pages" / "report.html"
    assert report(folder(results()), "--output", page.parent) == 0
    assert capsys.readouterr().out == f"Wrote {page}.\n"
    page.write_text("mine")
    assert report(tmp_path, "--output", page.parent) == 2
    said = f"{page}: the file exists; give another --output, or --force to overwrite it."
    assert said in capsys.readouterr().err
    assert page.read_text() == "mine"


@pytest.mark.parametrize("force", [[], ["--force"]])
@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("results.json", "results.json: this is the file that is read; give another --output."),
        ("notes.txt/r.html", "notes.txt: this is a file, and not a folder; give another --output."),
        ("taken", "taken/report.html: this is a folder, and not a file to write; give another --"),
    ],
)
def test_a_page_that_cannot_be_written_there_is_a_sentence(
    folder, tmp_path, capsys, force, output, said
):
    folder(results())
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "taken" / "report.html").mkdir(parents=True)
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert report(tmp_path, "--output", tmp_path / output, *force) == 2
    assert f"{tmp_path}/{said}" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_texts_come_from_the_data_set_on_this_machine(folder):
    from tunebench import datasets

    test = datasets.load("imdb_reviews").test
    items, texts = test["item"].tolist()[:2], test["text"].tolist()[:2]
    path = folder(results(items=items, dataset="imdb_reviews"))
    page = path / "report.html"
    assert report(path) == 0
    start = texts[1].split("&")[0].split("'")[0].split('"')[0].split("<")[0]
    assert start not in page.read_text(encoding="utf-8")
    assert report(path, "--texts") == 0
    assert report(path, "--texts") == 0
    assert start in page.read_text(encoding="utf-8")
    assert report(path) == 2  # it has what was asked for before


def test_texts_come_from_a_table_that_the_experiment_names(folder, tmp_path, monkeypatch):
    from tunebench.evaluation.inputs import dataset_of
    from tunebench.experiment.experiment import Experiment

    rows = "".join(f"{('bad', 'good')[i % 2]} evening {i},{i % 2}\n" for i in range(40))
    (tmp_path / "evenings.csv").write_text("body,mood\n" + rows, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    arguments = ["--text", "body", "--label", "mood", "--name", "imdb", "--test-size", "4"]
    assert main(["init", "evenings.csv", *arguments]) == 0
    made = Experiment.read("benchmarks/imdb/experiment.toml")
    first, second = (row for _, row in dataset_of(made).test.head(2).iterrows())
    items = [first["item"], second["item"]]
    path = folder(results(items=items, dataset=made.task.dataset))
    assert report(path, "--texts") == 0
    assert first["text"] in (path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ({}, "experiment 'imdb' does not name its data set"),
        ({"dataset": "imdb_reviews", "items": ["a", "b"]}, "2 items, such as a, are not in"),
        ({"dataset": "nothing"}, "There is no data set 'nothing'"),
    ],
)
def test_texts_that_cannot_be_had_are_an_error(folder, named, sentence, capsys):
    path = folder(results(**named))
    assert report(path, "--texts") == 2
    assert sentence in capsys.readouterr().err
    assert not (path / "report.html").exists()
