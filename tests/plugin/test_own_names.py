"""A repository's own options and fixtures with the names of ours win; ours have long names."""

import pytest

from ..pets_project import TEST

NAMES = ["record", "results", "rivals", "budget", "strict-verdicts"]
ADDS = "def pytest_addoption(parser):\n" + "".join(
    f'    parser.addoption("--{name}", dest="own_{i}", default="none of mine")\n'
    for i, name in enumerate(NAMES)
)
OURS = 'pytest_plugins = ["tunebench.plugin"]\n'
SHOWS = """
from tunebench.plugin.fixtures import configuration_key

def test_it(request):
    print("own:", *(vars(request.config.option)[f"own_{i}"] for i in range(5)))
    print("by name:", request.config.getoption("--results"))
    chosen = request.config.stash[configuration_key]
    print("ours:", chosen.record, chosen.results, chosen.budget, chosen.strict_verdicts)
"""
OWN_FIXTURES = """
import pytest

@pytest.fixture
def {name}():
    return "mine"
"""
LONG_FIXTURES = """
def test_mine({name}):
    assert {name} == "mine"


@pytest.mark.parametrize("cell", experiment.cells, ids=str)
def test_gates(cell, tunebench_gate, tunebench_evaluate, tunebench_compare):
    assert tunebench_gate(cell) is tunebench_evaluate(cell)
    assert tunebench_compare(cell, cell).difference == 0
"""


def _in_root(pytester):
    pytester.makeconftest(OURS + ADDS)


def _below_testpaths(pytester):
    pytester.makeconftest(OURS)
    pytester.makeini("[pytest]\ntestpaths = tests\n")
    (pytester.path / "tests/conftest.py").write_text(ADDS)


def _in_a_plugin_of_the_conftest(pytester):
    pytester.makepyfile(own=ADDS)
    pytester.makeconftest('pytest_plugins = ["tunebench.plugin", "own"]\n')


def _in_a_plugin_before(pytester):
    pytester.makepyfile(own=ADDS)
    return "-p", "own", "-p", "tunebench.plugin"


def _in_a_plugin_after(pytester):
    pytester.makepyfile(own=ADDS)
    return "-p", "tunebench.plugin", "-p", "own"


def _in_a_conftest_and_ours_before(pytester):
    pytester.makeconftest(ADDS)
    return "-p", "tunebench.plugin"


@pytest.fixture
def repository(pytester):
    pytester.syspathinsert()
    (pytester.mkdir("tests") / "test_it.py").write_text(SHOWS)
    return pytester


@pytest.mark.parametrize(
    "place",
    [
        _in_root,
        _below_testpaths,
        _in_a_plugin_of_the_conftest,
        _in_a_plugin_before,
        _in_a_plugin_after,
        _in_a_conftest_and_ours_before,
    ],
)
def test_options_of_others_win_in_any_order_of_loading(repository, place):
    more = place(repository) or ()
    given = [f"--{name}=mine{i}" for i, name in enumerate(NAMES)]
    ours = ["--tunebench-record=missing", "--tunebench-results=out", "--tunebench-budget=2"]
    done = repository.runpytest_inprocess("-s", *more, *given, *ours, "--tunebench-strict-verdicts")
    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(
        ["*own: mine0 mine1 mine2 mine3 mine4", "by name: mine1", "ours: missing out 2.0 True"]
    )


def test_a_conftest_that_is_found_while_tests_are_collected_may_add_them_too(repository):
    repository.makeconftest(OURS)
    below = repository.mkdir("below")
    (below / "conftest.py").write_text(ADDS)
    (below / "test_below.py").write_text(SHOWS)
    done = repository.runpytest_inprocess("-s", "-k", "below", "--results=out")
    done.assert_outcomes(passed=1, deselected=1)
    done.stdout.fnmatch_lines(["*own: none of mine*", "ours: none out None False"])


def test_only_the_name_that_is_taken_is_given_up(repository):
    repository.makeconftest(OURS + ADDS.replace("--results", "--other"))
    (repository.path / "tests/test_it.py").write_text(SHOWS.replace('"--results"', '"--other"'))
    done = repository.runpytest_inprocess("-s", "--results", "out", "--record=mine")
    done.stdout.fnmatch_lines(["*own: mine none of mine*", "ours: none out None False"])


@pytest.mark.parametrize("given", [("--results", "tests"), ("@more.txt",)])
def test_short_names_and_their_values_are_read_before_conftests_are(repository, given):
    """A value in a word of its own is not a path of tests, which would replace testpaths."""
    repository.makeini("[pytest]\ntestpaths = checks\n")
    checks = repository.mkdir("checks")
    (checks / "conftest.py").write_text(
        "def pytest_addoption(parser):\n    parser.addoption('--mood')\n"
    )
    (checks / "test_it.py").write_text(
        "def test_it(request):\n    assert request.config.option.mood"
    )
    (repository.path / "more.txt").write_text("--results\nout\n")
    done = repository.runpytest_inprocess("-p", "tunebench.plugin", *given, "--mood=good")
    done.assert_outcomes(passed=1)


def test_what_follows_two_dashes_is_left_alone(repository):
    repository.makeconftest(OURS)
    done = repository.runpytest_inprocess("--", "--results")
    assert "--results" in done.stderr.str()
    assert "tunebench" not in done.stderr.str()


def test_help_has_both_names_in_one_entry_each(repository):
    repository.makeconftest(OURS)
    printed = " ".join(repository.runpytest_inprocess("--help").stdout.str().split())
    for name in NAMES:
        assert printed.count(f" --tunebench-{name}") >= 1
        assert printed.count(f"(short: --{name})") == 1


@pytest.mark.parametrize("name", ["evaluate", "compare", "gate"])
def test_fixtures_of_the_repository_win_and_ours_have_long_names(pets, name):
    pets.add(test=TEST.split("@pytest", 1)[0] + LONG_FIXTURES.format(name=name))
    pets.pytester.makeconftest(OURS + OWN_FIXTURES.format(name=name))
    pets.record().assert_outcomes(passed=2)


def test_the_hint_names_the_option_that_records(pets):
    pets.add()
    assert "--record=missing`" in pets.run().stdout.str()
    pets.pytester.makeconftest(OURS + ADDS)
    assert "--tunebench-record=missing`" in pets.run().stdout.str()
