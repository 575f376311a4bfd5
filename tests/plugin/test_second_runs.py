"""What was read before in a process does not count where the files have changed since."""

import os
import subprocess
import sys

import pytest

from tunebench import Experiment
from tunebench.evaluation.inputs import prompts_of, texts_of, train_rows
from tunebench.evaluation.inputs import test_rows as rows_to_ask
from tunebench.evaluation.training_inputs import files_of, job_of

from ..pets_project import edit

# Runs pytest twice in one process; what the first line of the middle does happens in between.
TWICE = """
import os, pathlib, sys
import pytest
arguments = {arguments!r}
codes = [int(pytest.main(["-q", "-p", "no:cacheprovider", *arguments]))]
{between}
codes.append(int(pytest.main(["-q", "-p", "no:cacheprovider", *arguments])))
print("codes:", *codes)
"""
RAISE_LIMIT = """
path = pathlib.Path("benchmarks/pets/experiment.toml")
path.write_text(path.read_text() + "[[threshold]]\\nmin_accuracy = 1.0\\n")
"""
BY_CELLS = """
import pytest
from tunebench import Experiment

@pytest.mark.parametrize("cell", Experiment.read({toml!r}).cells, ids=str)
def test_accuracy(cell, evaluate):
    result = evaluate(cell)
    assert result.accuracy >= cell.min_accuracy, result.explain()
"""
HELPER = """
from tunebench import Experiment
experiment = Experiment.read({toml!r})
LIMITS = {{str(cell): cell.min_accuracy for cell in experiment.cells}}
"""
BY_HELPER = """
import pytest
import {helper}

@pytest.mark.parametrize("cell", {helper}.experiment.cells, ids=str)
def test_accuracy(cell, evaluate):
    assert evaluate(cell).accuracy >= {helper}.LIMITS[str(cell)]
"""
BY_CONFTEST = """
def test_accuracy(cell, evaluate):
    assert evaluate(cell).accuracy >= cell.min_accuracy
"""
CONFTEST = """
from tunebench import Experiment
experiment = Experiment.read({toml!r})

def pytest_generate_tests(metafunc):
    if "cell" in metafunc.fixturenames:
        metafunc.parametrize("cell", experiment.cells, ids=str)
"""


@pytest.fixture
def project(pets):
    """A recorded cell whose answers are right for half of the texts."""
    pets.toml = pets.add(test=None)
    pets.test = pets.toml.parent / "test_own.py"
    pets.test.write_text(BY_CELLS.format(toml=str(pets.toml)))
    pets.wrong.add("m")
    assert pets.record().ret == 0
    return pets


def twice(project, between, *arguments):
    code = TWICE.format(between=between, arguments=arguments or ["benchmarks"])
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project.root,
        capture_output=True,
        text=True,
        env=environment,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("codes:")]
    assert lines, done.stdout + done.stderr
    return lines[0], done.stdout


@pytest.mark.parametrize("mode", ["prepend", "importlib"])
def test_an_edited_limit_counts_in_the_second_run(project, mode):
    codes, _ = twice(project, RAISE_LIMIT, "benchmarks", f"--import-mode={mode}")
    assert codes == "codes: 0 1"


@pytest.mark.parametrize("packages", [False, True])
@pytest.mark.parametrize("reader", ["helper", "conftest"])
def test_it_counts_wherever_the_experiment_is_read(project, reader, packages):
    folder = project.toml.parent
    if packages:
        (project.root / "benchmarks/__init__.py").touch()
        (folder / "__init__.py").touch()
    if reader == "helper":
        helper = "benchmarks.pets.shared" if packages else "shared"
        (folder / "shared.py").write_text(HELPER.format(toml=str(project.toml)))
        project.test.write_text(BY_HELPER.format(helper=helper))
        # The second module finds the helper imported.
        (folder / "test_second.py").write_text(BY_HELPER.format(helper=helper))
    else:
        (folder / "conftest.py").write_text(CONFTEST.format(toml=str(project.toml)))
        project.test.write_text(BY_CONFTEST)
    codes, out = twice(project, RAISE_LIMIT)
    assert codes == "codes: 0 1", out
    if reader == "helper":
        assert "2 failed" in out


def test_a_run_that_stops_while_it_collects_leaves_nothing_behind(project):
    (project.toml.parent / "test_wrong.py").write_text("import no_such_module\n")
    gone = '\nos.remove("benchmarks/pets/test_wrong.py")\n'
    codes, _ = twice(project, RAISE_LIMIT + gone)
    assert codes == "codes: 2 1"


def test_an_experiment_that_was_read_before_the_run_does_not_judge_by_an_older_file(project):
    """As in a notebook that imports the helper itself, which stays imported then."""
    (project.root / "notes.py").write_text(HELPER.format(toml=str(project.toml)))
    project.test.write_text(BY_HELPER.format(helper="notes"))
    between = "sys.path.insert(0, '.')\nimport notes\n" + RAISE_LIMIT
    codes, out = twice(project, between)
    assert codes == "codes: 0 1", out
    assert "experiment.toml was changed after it was read" in out


def test_edited_data_count_in_the_second_run(project):
    between = """
path = pathlib.Path("pets.csv")
path.write_text(path.read_text().replace("dog", "owl").replace("cat", "dog").replace("owl", "cat"))
"""
    edit(project.toml, "[matrix]", "[[threshold]]\nmin_accuracy = 1.0\n\n[matrix]")
    codes, out = twice(project, between)
    assert codes == "codes: 1 0", out


def test_other_modules_stay_imported(project):
    (project.root / "library.py").write_text("import itertools\nMADE = []\n")
    project.test.write_text("import library\n" + project.test.read_text())
    between = """
library = sys.modules["library"]
assert "tunebench.experiment.experiment" in sys.modules
"""
    codes, _ = twice(project, between + RAISE_LIMIT + "kept = sys.modules['library'] is library\n")
    assert codes == "codes: 0 1"


# Within one process and without pytest


@pytest.fixture
def read(pets):
    toml = pets.add(test=None)
    text = toml.read_text().replace("[matrix]", "[matrix]\ntrain_sizes = [20]")
    toml.write_text(text)
    return lambda: Experiment.read(toml)


def everything(experiment):
    prompted, tuned = experiment.cells
    return (
        rows_to_ask(experiment).to_dict(),
        train_rows(experiment).to_dict(),
        dict(prompts_of(prompted)),
        dict(prompts_of(tuned)),
        list(texts_of(prompted)),
        files_of(experiment, 20, False)[0].content,
        job_of(tuned).metadata,
    )


def test_an_experiment_that_is_read_again_has_the_data_as_they_are(pets, read):
    first, again = read(), read()
    before = everything(first)
    assert everything(again) == before
    pets.write_table(odd="dog")
    now = everything(read())
    assert now[0]["text"] == before[0]["text"]
    assert now[0]["label"] != before[0]["label"]
    assert now[5] != before[5]
    assert now[6] != before[6]
    # One that was read before keeps what it has seen.
    assert everything(first) == before


def test_that_holds_also_where_size_and_time_stay_the_same(pets, read):
    path = pets.root / "pets.csv"
    before, times = everything(read()), path.stat()
    path.write_text(path.read_text().replace("likes to play", "likes to stay"))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    now = everything(read())
    assert not any(old == new for old, new in zip(before, now, strict=True))


def test_edited_test_rows_count_too(pets, read):
    pets.write_table("tests.csv", rows=20)
    text = (pets.root / "tests.csv").read_text().replace("my pet", "your pet")
    (pets.root / "tests.csv").write_text(text)
    toml = read().path
    edit(toml, "test_share = 0.4", 'test_dataset = "../../tests.csv"')
    before = everything(read())
    (pets.root / "tests.csv").write_text(text.replace("your pet", "her pet"))
    now = everything(read())
    assert now[0] != before[0]
    assert now[1] == before[1]


def test_data_are_read_once_for_experiments_that_are_the_same(pets, read, monkeypatch):
    import tunebench.evaluation.inputs

    loaded = []
    real = tunebench.evaluation.inputs.load
    monkeypatch.setattr(
        tunebench.evaluation.inputs, "load", lambda *args: loaded.append(args) or real(*args)
    )
    pets.write_table(rows=62)
    for _ in range(5):
        everything(read())
    assert len(loaded) == 1
