"""Cells that are expected to fail, as their experiment says."""

import pytest

XFAIL = '\n[[threshold]]\nshots = 0\nmin_accuracy = {least}\nxfail = "it leans to one label"\n'
GATED = """
import pytest
from tunebench import Experiment

experiment = Experiment.beside(__file__)


@pytest.mark.parametrize("cell", experiment.cells, ids=str)
def test_gate(cell, gate):
    gate(cell)
"""

COMPARED = """
import pytest
from tunebench import Experiment

experiment = Experiment.beside(__file__)


@pytest.mark.parametrize("cell", experiment.prompted_cells, ids=str)
def test_uplift(cell, compare):
    compare(cell, experiment.fine_tuned_cells[0])
"""


@pytest.fixture(params=["assert", "gate"])
def project(request, recorded_films):
    if request.param == "gate":
        (recorded_films.toml.parent / "test_accuracy.py").write_text(GATED)
    return recorded_films


def expect_failure(project, least: float) -> None:
    text = project.toml.read_text()
    project.toml.write_text(text + XFAIL.format(least=least))


def test_a_cell_that_fails_as_expected_is_xfailed(project) -> None:
    expect_failure(project, 0.9)
    result = project.run("-rx")
    result.assert_outcomes(passed=2, xfailed=2)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["XFAIL *0shot* - it leans to one label*"])


def test_a_cell_that_reaches_its_limits_all_the_same_fails(project) -> None:
    expect_failure(project, 0.1)
    result = project.run()
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["*XPASS(strict)*it leans to one label*"])


def test_an_error_of_the_cell_is_no_expected_failure(project) -> None:
    expect_failure(project, 0.9)
    (project.cassettes / "m-0shot.jsonl").unlink()
    project.run().assert_outcomes(passed=2, xfailed=1, failed=1)


def test_the_results_hold_the_verdict_all_the_same(recorded_films) -> None:
    expect_failure(recorded_films, 0.9)
    recorded_films.run("--results", "out").assert_outcomes(passed=2, xfailed=2)
    verdicts = {row["cell"]: row["verdict"] for row in recorded_films.results("out")}
    assert verdicts["m-0shot"] == "fail"


def test_a_comparison_of_the_cell_is_expected_to_pass(recorded_films) -> None:
    (recorded_films.toml.parent / "test_uplift.py").write_text(COMPARED)
    expect_failure(recorded_films, 0.9)
    recorded_films.run("-k", "test_uplift").assert_outcomes(passed=2, deselected=4)
