"""Which cells get into the table and the results, wherever in a test they were evaluated."""

import re

import pytest

HEAD = """
import pytest
from tunebench import Experiment

experiment = Experiment.read({toml!r})
(first, second) = experiment.cells
"""
IN_SETUP = """
@pytest.fixture
def result(evaluate):
    return evaluate(first)

def test_it(result):
    assert result.accuracy == 1
"""
IN_TEARDOWN = """
@pytest.fixture
def later(evaluate):
    yield
    evaluate(first)

def test_it(later):
    pass
"""
IN_BOTH = """
@pytest.fixture
def result(evaluate):
    yield evaluate(first)
    evaluate(first)

@pytest.mark.parametrize("cell", [second], ids=str)
def test_it(result, cell, evaluate):
    assert evaluate(cell).accuracy == evaluate(first).accuracy == 1
"""
OF_THE_MODULE = """
kept = []

@pytest.fixture(scope="module")
def results():
    found = {{}}
    yield found
    kept[0](second)

def test_one(evaluate, results):
    kept.append(evaluate)

def test_other(results):
    results[0] = kept[0](first)
"""
GATE_IN_SETUP = """
@pytest.fixture
def gated(gate):
    return gate(first)

def test_it(gated):
    pass
"""


@pytest.fixture
def project(pets):
    """Two cells, recorded, and a test file of the user's own."""

    def write(test, more=""):
        pets.toml = pets.add(shots="[0, 1]", more=more)
        pets.record().assert_outcomes(passed=2)
        (pets.toml.parent / "test_benchmarks_pets_experiment.py").unlink()
        (pets.toml.parent / "test_own.py").write_text((HEAD + test).format(toml=str(pets.toml)))
        return pets

    return write


def cells(results):
    return [row["cell"] for row in results["cells"]]


@pytest.mark.parametrize(
    ("test", "found"),
    [
        (IN_SETUP, ["m-0shot"]),
        (IN_TEARDOWN, ["m-0shot"]),
        (IN_BOTH, ["m-0shot", "m-1shot"]),
        (OF_THE_MODULE, ["m-0shot", "m-1shot"]),
    ],
    ids=["setup", "teardown", "both", "module"],
)
def test_a_cell_evaluated_in_a_fixture_is_in_the_table_and_the_results_once(project, test, found):
    pets = project(test)
    done = pets.run("--results", "out")
    assert done.ret == 0
    assert cells(pets.results()) == found
    assert len([line for line in done.outlines if re.match("m-[01]shot +10 ", line)]) == len(found)


@pytest.mark.parametrize(
    ("test", "parallel"),
    [(IN_SETUP, ()), (IN_TEARDOWN, ()), (IN_SETUP, ("-n", "1", "-p", "xdist"))],
    ids=["setup", "teardown", "setup in a worker"],
)
def test_a_cell_that_fails_in_a_fixture_is_among_the_errors_once(project, test, parallel):
    pets = project(test)
    (pets.root / "cassettes/pets/m-0shot.jsonl").unlink()
    done = pets.run("--results", "out", *parallel)
    assert done.parseoutcomes()["errors"] == 1
    (error,) = pets.results()["errors"]
    assert (error["experiment"], error["cell"]) == ("pets", "m-0shot")
    assert "there is no cassette" in error["error"]


def test_a_gate_left_open_in_a_fixture_makes_the_case_inconclusive(project):
    limit = '[[threshold]]\nmin_accuracy = 0.9\nmode = "confident"\n'
    done = project(GATE_IN_SETUP, limit).run()
    assert done.parseoutcomes().keys() & {"passed", "inconclusive"} == {"inconclusive"}
    done.stdout.fnmatch_lines(["m-0shot: accuracy 1.000*holds min_accuracy 0.9*"])


def test_junit_has_the_properties_of_the_cell_of_the_case_whatever_a_fixture_evaluated(project):
    pets = project(IN_BOTH)
    pets.run("--junit-xml", "junit.xml").assert_outcomes(passed=1)
    written = (pets.root / "junit.xml").read_text()
    assert written.count('name="cassette"') == 1
    assert 'name="cassette" value="cassettes/pets/m-1shot.jsonl"' in written


RERUNS = """
from _pytest.runner import runtestprotocol

pytest_plugins = ["tunebench.plugin"]


def pytest_runtest_protocol(item, nextitem):
    # As pytest-rerunfailures does: the first failure counts as a rerun, and its rest is not shown.
    for attempt in range(3):
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        for report in reports:
            again = report.failed and attempt < 2
            if again:
                report.outcome = "rerun"
            if {shown} or again or not any(one.failed or one.outcome == "rerun" for one in reports):
                item.ihook.pytest_runtest_logreport(report=report)
        if not any(report.outcome == "rerun" for report in reports):
            break
        item._initrequest()
    return True
"""
SECOND_TRY = """
tries = []


def test_it(evaluate, record_property):
    evaluate(first)
    record_property("own", 1)
    tries.append(1)
    assert len(tries) == 3
"""


@pytest.mark.parametrize("shown", [False, True])
def test_junit_has_each_property_once_a_case_however_often_it_is_run(project, shown):
    pets = project(SECOND_TRY)
    pets.pytester.makeconftest(RERUNS.replace("{shown}", str(shown)))
    pets.run("--junit-xml", "junit.xml", "-o", "junit_family=xunit1")
    cases = (pets.root / "junit.xml").read_text().split("<testcase ")[1:]
    for case in cases:
        names = re.findall(r'<property name="(\w+)"', case)
        assert sorted(set(names) - {"own"}) == sorted(name for name in names if name != "own")
    assert 'name="cassette"' in cases[-1]
