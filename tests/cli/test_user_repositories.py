"""Benchmarks that ``tunebench init`` made, in repositories of all kinds."""

import subprocess
import sys
from types import SimpleNamespace

# An inner run forgets what it was the first to import, and numpy cannot be imported twice.
import pandas  # noqa: F401
import pyarrow.parquet  # noqa: F401
import pytest

from tunebench.cli import main

from ..printed import unwrapped

UNITTEST = """
import unittest

class TestOther(unittest.TestCase):
    def setUp(self):
        self.ready = True

    def test_ready(self):
        self.assertTrue(self.ready)
"""


@pytest.fixture
def repository(pytester, loopback, recordings):
    """A repository with two experiments that are recorded; its model says bad to everything."""
    rows = "".join(f"evening {i},{('bad', 'good')[i % 2]}\n" for i in range(60))
    (pytester.path / "evenings.csv").write_text("body,mood\n" + rows)
    for name in ("first", "second"):
        arguments = ["--text", "body", "--label", "mood", "--name", name, "--test-size", "10"]
        arguments += ["--provider", loopback.url, "--model", "m", "--shots", "0", "1"]
        assert main(["init", "evenings.csv", *arguments]) == 0

    def answer(asked):
        made = loopback.complete(asked)
        for choice in made.body["choices"]:
            choice["text"] = " bad"
        return made

    loopback.answer = answer
    pytester.makeconftest('pytest_plugins = ["tunebench.plugin"]')
    project = SimpleNamespace(
        root=pytester.path, loopback=loopback, run=pytester.runpytest_inprocess
    )
    recordings.record(project, passed=4)
    for name in ("first", "second"):
        assert main(["baseline", f"benchmarks/{name}"]) == 0
    return pytester


@pytest.mark.parametrize("mode", ["prepend", "importlib"])
def test_two_experiments_stand_side_by_side_in_both_import_modes(repository, mode):
    repository.runpytest_inprocess(f"--import-mode={mode}").assert_outcomes(passed=4)


def test_rows_of_two_experiments_are_told_apart(repository):
    result = repository.runpytest_inprocess()
    result.stdout.re_match_lines(
        [
            r"experiment +cell +n .*",
            r"first +m-0shot +.*",
            r"first +m-1shot +.*",
            r"second +m-0shot +.*",
            r"second +m-1shot +.*",
        ],
        consecutive=True,
    )
    alone = repository.runpytest_inprocess("-k", "first")
    alone.stdout.re_match_lines([r"cell +n .*", r"m-0shot +.*"], consecutive=True)


def test_a_replay_can_be_spread_over_processes(repository):
    repository.runpytest_inprocess("-n", "2", "-p", "xdist").assert_outcomes(passed=4)


def test_a_replay_without_its_baseline_says_how_to_make_it(repository):
    (repository.path / "benchmarks/first/baseline.json").unlink()
    result = unwrapped(repository.runpytest_inprocess())
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["*max_regression needs a committed baseline*tunebench baseline*"])


def test_cells_are_chosen_by_k_and_by_node_id(repository):
    chosen = repository.runpytest_inprocess("-k", "first and 1shot")
    chosen.assert_outcomes(passed=1, deselected=3)
    one = "benchmarks/second/test_second.py::test_gates[m-0shot]"
    repository.runpytest_inprocess(one).assert_outcomes(passed=1)


def test_collecting_lists_the_same_ids_wherever_it_starts_and_reads_no_data(
    repository, monkeypatch
):
    (repository.path / "evenings.csv").unlink()
    repository.makeini("[pytest]\n")

    def ids(*args):
        lines = repository.runpytest_inprocess("--co", "-q", "-p", "no:cacheprovider", *args)
        return [line for line in lines.outlines if "::" in line]

    listed = ids()
    assert listed == [
        f"benchmarks/{name}/test_{name}.py::test_gates[m-{shots}shot]"
        for name in ("first", "second")
        for shots in (0, 1)
    ]
    monkeypatch.chdir(repository.path / "benchmarks")
    assert ids() == [one.removeprefix("benchmarks/") for one in listed] or ids() == listed
    monkeypatch.chdir(repository.mkdir("elsewhere"))
    assert ids("..") == listed


def test_a_cell_is_judged_once_and_by_its_gates(repository):
    toml = repository.path / "benchmarks/first/experiment.toml"
    kept = toml.read_text()
    toml.write_text(kept + '[[threshold]]\nmin_accuracy = 0.55\nmode = "confident"\n')
    done = repository.runpytest_inprocess()
    assert done.ret == 0
    assert done.parseoutcomes() == {"passed": 2, "inconclusive": 2}
    toml.write_text(kept + "[[threshold]]\nmin_accuracy = 0.99\n")
    assert repository.runpytest_inprocess().parseoutcomes() == {"passed": 2, "failed": 2}


def test_it_runs_from_another_folder_and_without_a_cache(repository, monkeypatch):
    monkeypatch.chdir(repository.mkdir("elsewhere"))
    result = repository.runpytest_inprocess("..", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=4)
    assert not (repository.path / "elsewhere" / "cassettes").exists()


def test_only_the_failed_cells_run_again_with_lf(repository):
    toml = repository.path / "benchmarks/first/experiment.toml"
    kept = toml.read_text()
    toml.write_text(kept + "\n[[threshold]]\nshots = 1\nmin_accuracy = 1\n")
    repository.runpytest_inprocess().assert_outcomes(passed=3, failed=1)
    toml.write_text(kept)
    repository.runpytest_inprocess("--lf").assert_outcomes(passed=1)


def test_suites_of_unittest_beside_it_run_as_before(repository):
    (repository.path / "test_other.py").write_text(UNITTEST)
    repository.runpytest_inprocess().assert_outcomes(passed=5)
    result = repository.runpytest_inprocess("test_other.py")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*= tunebench =*")


def test_nothing_is_asked_of_the_provider_again(repository, loopback):
    repository.runpytest_inprocess().assert_outcomes(passed=4)
    assert loopback.asked == []


def test_collecting_imports_nothing_heavy(repository):
    code = (
        "import sys, pytest\n"
        "pytest.main(['benchmarks', '--co', '-q', '-p', 'no:cacheprovider'])\n"
        "heavy = {'torch', 'transformers', 'pandas', 'openai', 'vcr', 'pyarrow', 'jinja2'}\n"
        "print('heavy:', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository.path, capture_output=True, text=True
    )
    assert "4 tests collected" in done.stdout
    assert "heavy: []" in done.stdout, done.stdout + done.stderr
