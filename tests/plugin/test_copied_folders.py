"""An experiment that began as a copy of another one's folder, test file and all."""

import shutil

import pytest

from ..pets_project import edit

TEST = """
import pytest
from tunebench import Experiment

experiment = Experiment.beside(__file__)


@pytest.mark.parametrize("cell", experiment.cells, ids=str)
def test_gates(cell, gate):
    assert gate(cell).cell.experiment.name == experiment.name
"""


@pytest.fixture
def copied(pets):
    """Two folders, neither of them a package, each with a test_accuracy.py; both are recorded."""
    pets.toml = pets.add("benchmarks/pets", test=None)
    pets.toml.with_name("test_accuracy.py").write_text(TEST)
    pets.record().assert_outcomes(passed=1)
    pets.copy = pets.root / "benchmarks/pets2"
    shutil.copytree(pets.toml.parent, pets.copy)  # with __pycache__
    edit(pets.copy / "experiment.toml", 'name = "pets"', 'name = "pets2"')
    pets.record().assert_outcomes(passed=2)
    pets.loopback.asked.clear()
    return pets


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--import-mode=importlib",),
        ("benchmarks/pets2/test_accuracy.py", "benchmarks/pets"),
        ("-n", "2", "-p", "xdist"),
    ],
    ids=["prepend", "importlib", "by name", "xdist"],
)
def test_both_run_each_with_its_own_experiment(copied, arguments):
    done = copied.run("--results", "out", *arguments)
    done.assert_outcomes(passed=2)
    assert {row["experiment"] for row in copied.results()["cells"]} == {"pets", "pets2"}
    assert copied.loopback.asked == []


def test_another_run_in_the_process_reads_both_again(copied):
    limit = "[[threshold]]\nmin_accuracy = 0.9\n"
    for folder, name in ((copied.toml.parent, "pets"), (copied.copy, "pets2")):
        path = folder / "experiment.toml"
        path.write_text(path.read_text() + limit)
        copied.wrong.add("m")
        shutil.rmtree(copied.root / "cassettes" / name)
        copied.record().assert_outcomes(failed=1, passed=1)
        shutil.rmtree(copied.root / "cassettes" / name)
        copied.wrong.clear()
        copied.record().assert_outcomes(passed=2)


def test_packages_are_imported_as_ever(copied):
    for folder in (copied.root / "benchmarks", copied.toml.parent, copied.copy):
        (folder / "__init__.py").touch()
    copied.run().assert_outcomes(passed=2)


def test_test_files_that_are_of_no_experiment_are_left_to_pytest(copied):
    for name in "ab":
        copied.pytester.mkdir(name)
        (copied.root / name / "test_other.py").write_text("def test_it(): pass\n")
    done = copied.run()
    assert done.parseoutcomes()["errors"] == 1
    assert "import file mismatch" in done.stdout.str()
