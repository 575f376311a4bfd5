"""Two experiments of one name in one run: each has its own rows, uplifts, errors and answer."""

import json
import re
import sys

import pytest

from tunebench.cli import main

TEST = """
import pytest
from tunebench import Experiment

experiment = Experiment.read({toml!r})


@pytest.mark.parametrize("cell", experiment.cells, ids=str)
def test_gates(cell, gate):
    gate(cell)


def test_uplifts(compare):
    first, *others = experiment.cells
    for other in others[:{uplifts}]:
        compare(other, first)
"""
LIMIT = '[[threshold]]\nmin_accuracy = 0.8\nmode = "confident"\n'


@pytest.fixture
def twins(pets):
    """Two experiments named pets, of other models and folders; the one of b is always wrong."""
    pets.first = pets.add("a/benchmarks/pets", model="good", test=None, more=LIMIT)
    pets.second = pets.add("b/benchmarks/pets", model="bad", shots="[0, 1]", test=None)
    for path, uplifts in ((pets.first, 0), (pets.second, 1)):
        test = path.parent / f"test_{path.parts[-4]}.py"
        test.write_text(TEST.format(toml=str(path), uplifts=uplifts))
    pets.wrong.add("bad")
    assert pets.record().ret == 0
    return pets


def same(pets):
    """Give both experiments the same model, so that their cells have the same names, too."""
    pets.wrong.clear()
    text = pets.second.read_text().replace('name = "bad"', 'name = "good"')
    pets.second.write_text(text.replace("good\nprovider", "good\nprovider"))


ONE, OTHER = "pets (a/benchmarks/pets/experiment.toml)", "pets (b/benchmarks/pets/experiment.toml)"


@pytest.mark.parametrize("parallel", [(), ("-n", "2", "-p", "xdist")], ids=["one process", "xdist"])
def test_their_rows_stand_apart_in_the_table_and_the_results(twins, parallel):
    done = twins.run("--results", "out", *parallel)
    lines = [line for line in done.outlines if line.startswith("pets (")]
    assert lines[0].startswith(f"{OTHER}: Use no model: always")
    assert [re.split("  +", line)[:2] for line in lines[1:4]] == [
        [ONE, "good-0shot"],
        [OTHER, "bad-0shot"],
        [OTHER, "bad-1shot"],
    ]

    results = twins.results()
    assert [(row["experiment"], row["cell"], row["accuracy"]) for row in results["cells"]] == [
        (ONE, "good-0shot", 1),
        (OTHER, "bad-0shot", 0),
        (OTHER, "bad-1shot", 0),
    ]
    assert [(one["name"], one["file"]) for one in results["experiments"]] == [
        (ONE, "a/benchmarks/pets/experiment.toml"),
        (OTHER, "b/benchmarks/pets/experiment.toml"),
    ]
    (uplift,) = results["uplifts"]
    assert uplift["experiment"] == OTHER


def test_cells_of_one_name_keep_their_own_results(twins):
    same(twins)
    assert twins.record("b").ret == 0
    done = twins.run("--results", "out")
    rows = [(row["experiment"], row["cell"]) for row in twins.results()["cells"]]
    assert rows == [(ONE, "good-0shot"), (OTHER, "good-0shot"), (OTHER, "good-1shot")]
    assert f"{ONE}: good-0shot: accuracy 1.000" in done.stdout.str()


def test_p_values_are_adjusted_within_each_file(twins):
    same(twins)
    test = twins.first.parent / "test_a.py"
    twins.first.write_text(twins.first.read_text().replace("shots = [0]", "shots = [0, 1, 2]"))
    test.write_text(TEST.format(toml=str(twins.first), uplifts=2))
    assert twins.record().ret == 0
    twins.run("--results", "out")
    found = [(row["experiment"], row["cell"], row["holm_p"]) for row in twins.results()["uplifts"]]
    assert found == [(ONE, "good-1shot", 1), (ONE, "good-2shot", 1), (OTHER, "good-1shot", 1)]


def test_cells_without_a_result_are_told_by_file(twins):
    same(twins)
    for name in "ab":
        for path in (twins.root / name / "cassettes/pets").iterdir():
            path.unlink()
    twins.run("--results", "out")
    found = [(error["experiment"], error["cell"]) for error in twins.results()["errors"]]
    assert found == [(ONE, "good-0shot"), (OTHER, "good-0shot"), (OTHER, "good-1shot")]


def test_alone_each_is_shown_by_its_name(twins):
    twins.run("--results", "out", "a")
    (about,) = twins.results()["experiments"]
    assert (about["name"], about["file"]) == ("pets", "a/benchmarks/pets/experiment.toml")


def test_rivals_and_answers_are_of_each_file(twins, jobs):
    for path in (twins.first, twins.second):
        text = path.read_text().replace("[matrix]\n", "[matrix]\ntrain_sizes = [20]\n")
        path.write_text(text)
    jobs.complete = twins.answer
    twins.loopback.answer = jobs.answer
    assert twins.record().ret == 0
    done = twins.run("--results", "out", "--rivals")
    results = twins.results()
    assert [one["experiment"] for one in results["rivals"]] == [ONE, ONE, OTHER, OTHER]
    assert [one["experiment"] for one in results["answers"]] == [ONE, OTHER]
    assert [one["experiment"] for one in results["data_needs"]] == [ONE, OTHER]
    assert [one["experiment"] for one in results["jobs"]] == [ONE, OTHER]
    for name in (ONE, OTHER):
        assert any(line.startswith(f"{name}: ") for line in done.outlines)


def test_the_page_the_summary_and_the_tables_tell_them_apart(twins):
    import pyarrow.parquet

    twins.run("--results", "out")
    page = (twins.root / "out/report.html").read_text()
    summary = (twins.root / "out/summary.md").read_text()
    for name in (ONE, OTHER):
        assert name in page
        assert f"| {name.replace('_', chr(92) + '_')} |" in summary
    rows = pyarrow.parquet.read_table(twins.root / "out/judgements.parquet").to_pylist()
    assert {row["experiment"] for row in rows} == {ONE, OTHER}


@pytest.mark.parametrize("which", ["first", "second"])
def test_a_baseline_from_results_is_made_of_the_right_one(twins, which, monkeypatch, capsys):
    monkeypatch.chdir(twins.root)
    same(twins)
    twins.wrong.add("good")
    assert twins.record("b").ret == 0
    twins.run("--results", "out")
    path = getattr(twins, which)
    assert main(["baseline", "--results", "out", str(path.relative_to(twins.root))]) == 0
    found = json.loads((path.parent / "baseline.json").read_text())
    assert found["cells"]["good-0shot"]["accuracy"] == (1 if which == "first" else 0)


def test_a_baseline_is_not_made_of_the_results_of_another_file(twins, monkeypatch, capsys):
    monkeypatch.chdir(twins.root)
    twins.run("--results", "out", "a")
    assert main(["baseline", "--results", "out", "b/benchmarks/pets"]) == 2
    said = capsys.readouterr().err
    assert "out: the results of 'pets' are those of a/benchmarks/pets/experiment.toml" in said
    assert not (twins.second.parent / "baseline.json").exists()


def test_texts_on_the_page_are_those_of_each_file(twins, monkeypatch):
    monkeypatch.chdir(twins.root)
    (twins.root / "benchmarks").mkdir()
    for name in "ab":
        (twins.root / name / "benchmarks/pets").rename(twins.root / "benchmarks" / name)
        (twins.root / "benchmarks" / name / f"test_{name}.py").unlink()
    table = "".join(f"my other pet number {i},{('dog', 'cat')[i % 2]}\n" for i in range(60))
    (twins.root / "others.csv").write_text(f"text,label\n{table}")
    for name, file in (("a", "pets.csv"), ("b", "others.csv")):
        toml = twins.root / "benchmarks" / name / "experiment.toml"
        toml.write_text(toml.read_text().replace("../../../pets.csv", f"../../{file}"))
        (toml.parent / f"test_{name}.py").write_text(TEST.format(toml=str(toml), uplifts=0))
    assert twins.record("--results", "out", "benchmarks").ret == 0
    assert main(["report", "out", "--texts", "--force"]) == 0
    page = (twins.root / "out/report.html").read_text()
    assert "my pet number" in page
    assert "my other pet number" in page


def test_an_experiment_outside_of_the_root_is_named_by_its_end(twins, tmp_path_factory):
    sys.modules.pop("test_b", None)
    root = twins.root / "a"
    (root / "pytest.ini").write_text("[pytest]\n")
    done = twins.run("--rootdir", str(root), "-c", str(root / "pytest.ini"), "--results", "out",
                     "-p", "tunebench.plugin", "a", "b")  # fmt: skip
    assert done.ret == 0
    names = [one["name"] for one in twins.results()["experiments"]]
    assert names == ["pets (benchmarks/pets/experiment.toml)", "pets (pets/experiment.toml)"]
