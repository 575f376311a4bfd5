"""Gates, as a user meets them: what passes, fails and stays open, and how that is said."""

import json
import pkgutil

import pytest

from tunebench.analysis import gates
from tunebench.experiment import LIMITS

TEST = """
@pytest.mark.parametrize("cell", experiment.cells, ids=str)
def test_gate(cell, gate):
    gate(cell)
"""

ONE = "one-0shot and not logprobs"
ZERO_SHOT = '[[threshold]]\nmodel = "one"\nshots = 0\ndecision_rule = "text"\n'


@pytest.fixture
def gated(two_rules, recordings):
    """Two cells right in 27 and in 18 of 45, recorded and gated as a test says."""
    two_rules.write_test(TEST)
    two_rules.edit("shots = [0, 1]", "shots = [0]")
    recordings.record(two_rules, passed=4)
    before = two_rules.toml.read_text()

    def gate(*tables: str):
        two_rules.toml.write_text(before + "".join(tables))
        return two_rules

    return gate


def test_every_gate_is_a_key_of_the_experiment_file():
    modules = {module.name for module in pkgutil.iter_modules(gates.__path__)}
    assert modules - {"base"} == set(LIMITS)


@pytest.mark.parametrize(
    ("limit", "verdict", "said"),
    [
        ("min_accuracy = 0.6", "pass", "reaches min_accuracy 0.6."),
        ("min_accuracy = 0.61", "fail", "is below min_accuracy 0.61."),
        ('min_accuracy = 0.4\nmode = "confident"', "pass", "the interval lies above min_accuracy"),
        ('min_accuracy = 0.75\nmode = "confident"', "fail", "the interval is below min_accuracy"),
        (
            'min_accuracy = 0.5\nmode = "confident"',
            "inconclusive",
            "the interval holds min_accuracy 0.5; about 52 more texts would settle it",
        ),
        (
            'min_accuracy = 0.6\nmode = "confident"',
            "inconclusive",
            "no number of texts would settle it",
        ),
        ('min_uplift = 0.2\nover = "one-0shot-label_logprobs"', "pass", "reaches min_uplift 0.2"),
        ('min_uplift = 0.3\nover = "one-0shot-label_logprobs"', "fail", "is below min_uplift 0.3"),
        (
            'min_uplift = 0\nover = "one-0shot-label_logprobs"\nmode = "confident"',
            "inconclusive",
            "holds min_uplift 0; about 149 more texts would settle it",
        ),
        (
            'min_uplift = 0.1\nover = "one-0shot-label_logprobs"\nmode = "confident"',
            "inconclusive",
            "holds min_uplift 0.1; about 391 more texts would settle it",
        ),
        (
            'min_uplift = 0.4\nover = "one-0shot-label_logprobs"\nmode = "confident"',
            "inconclusive",
            "holds min_uplift 0.4; about 35 more texts would settle it",
        ),
        (
            'min_uplift = 0.2\nover = "one-0shot-label_logprobs"\nmode = "confident"',
            "inconclusive",
            "holds min_uplift 0.2; no number of texts would settle it",
        ),
        (
            'min_uplift = -0.2\nover = "one-0shot-label_logprobs"\nmode = "confident"',
            "pass",
            "the interval lies above min_uplift -0.2.",
        ),
        (
            'min_uplift = 0.7\nover = "one-0shot-label_logprobs"\nmode = "confident"',
            "fail",
            "the interval is below min_uplift 0.7.",
        ),
    ],
)
def test_a_limit_is_judged_by_the_point_or_by_the_interval(gated, limit, verdict, said):
    project = gated(ZERO_SHOT + limit + "\n")
    done = project.run("-k", ONE, "--results", "out")
    done.assert_outcomes(passed=verdict == "pass", failed=verdict == "fail", deselected=3)
    assert done.parseoutcomes().get("inconclusive", 0) == (verdict == "inconclusive")
    assert done.ret == (1 if verdict == "fail" else 0)
    (row,) = [cell for cell in project.results()["cells"] if cell["cell"] == "one-0shot"]
    (gate,) = row["gates"]
    assert row["verdict"] == gate["verdict"] == verdict
    assert said in gate["sentence"]
    assert gate["sentence"].startswith("one-0shot: ")
    shown = any(gate["sentence"] in line for line in done.outlines)
    assert shown == (verdict != "pass")
    assert project.loopback.asked == []


OPEN = ZERO_SHOT + 'min_accuracy = 0.5\nmode = "confident"\n'


def test_an_open_question_has_a_letter_a_word_and_a_count_of_its_own(gated):
    project = gated(OPEN)
    done = project.run()
    done.stdout.fnmatch_lines(["*test_small.py [?]...*", "*3 passed*1 inconclusive*"])
    project.run("-v").stdout.fnmatch_lines(["*test_gate[[]one-0shot[]] INCONCLUSIVE*"])


def test_an_open_question_fails_where_that_is_asked_for(gated):
    done = gated(OPEN).run("--strict-verdicts")
    done.assert_outcomes(passed=3, failed=1)
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(["one-0shot: accuracy 0.600*52 more texts would settle it*"])


def test_open_questions_cross_from_workers_and_into_equal_files(gated):
    project = gated(OPEN)
    project.run("--results", "alone")
    done = project.pytester.runpytest_subprocess(
        "benchmarks", "--results", "spread", "-n", "2", "-p", "xdist"
    )
    assert done.parseoutcomes() == {"passed": 3, "inconclusive": 1}
    files = sorted(path.name for path in (project.root / "alone").iterdir())
    assert files == [
        *("judgements.parquet", "report.html", "results.csv", "results.json"),
        *("results.parquet", "summary.md"),
    ]
    for name in files:
        assert len({(project.root / d / name).read_bytes() for d in ("alone", "spread")}) == 1


def test_every_limit_that_is_not_held_is_said(gated):
    limits = 'min_accuracy = 0.9\nmin_uplift = 0.5\nover = "one-0shot-label_logprobs"\n'
    done = gated(ZERO_SHOT + limits).run("-k", ONE)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(
        [
            "one-0shot: accuracy 0.600*is below min_accuracy 0.9.",
            "one-0shot: uplift +0.200 over one-0shot-label_logprobs*is below min_uplift 0.5.",
        ]
    )


def test_the_last_limit_of_a_kind_holds_and_kinds_add_up(gated):
    project = gated(
        '[[threshold]]\nmin_accuracy = 0.9\nmode = "confident"\n',
        '[[threshold]]\ndecision_rule = "text"\n'
        'min_uplift = 0\nover = "two-0shot-label_logprobs"\n',
        "[[threshold]]\nmin_accuracy = 0.1\n",
    )
    done = project.run("--results", "out")
    done.assert_outcomes(passed=4)
    gates = {
        cell["cell"]: [(gate["gate"], gate["limit"], gate["mode"]) for gate in cell["gates"]]
        for cell in project.results()["cells"]
    }
    accuracy, uplift = ("min_accuracy", 0.1, "point"), ("min_uplift", 0.0, "point")
    assert gates == {
        "one-0shot": [accuracy, uplift],
        "one-0shot-label_logprobs": [accuracy],
        "two-0shot": [accuracy, uplift],
        "two-0shot-label_logprobs": [accuracy],
    }
    # The comparisons that gates made count among all.
    uplifts = project.results()["uplifts"]
    assert [(row["cell"], row["over"]) for row in uplifts] == [
        ("one-0shot", "two-0shot-label_logprobs"),
        ("two-0shot", "two-0shot-label_logprobs"),
    ]
    assert all(row["holm_p"] == min(1, 2 * row["p"]) for row in uplifts)


def test_a_cell_that_it_is_compared_with_and_not_recorded_fails_the_case(gated):
    project = gated(ZERO_SHOT + 'min_uplift = 0\nover = "one-0shot-label_logprobs"\n')
    (project.root / "cassettes/small/one-0shot-label_logprobs.jsonl").unlink()
    done = project.run("-k", ONE)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*one-0shot-label_logprobs*there is no cassette*"])


def test_junit_gets_the_figures_of_the_cases_own_cell(gated):
    import xml.etree.ElementTree as ET

    project = gated(ZERO_SHOT + 'min_uplift = 0\nover = "one-0shot-label_logprobs"\n')
    project.run("--junitxml=junit.xml", "-k", ONE)
    case = ET.parse(project.root / "junit.xml").find(".//testcase")
    found = {node.get("name"): node.get("value") for node in case.iter("property")}
    assert found["accuracy"] == "0.6"
    assert (found["n"], found["verdict"], found["majority_rate"]) == ("45", "pass", "0.6")
    assert found["cassette"] == "cassettes/small/one-0shot.jsonl"
    assert float(found["ci_low"]) < 0.6 < float(found["ci_high"])


def test_an_assertion_on_the_result_goes_on_working(two_rules):
    two_rules.write_test(
        '@pytest.mark.parametrize("cell", experiment.prompted_cells[:1], ids=str)\n'
        "def test_accuracy(cell, evaluate):\n"
        "    result = evaluate(cell)\n"
        "    assert result.accuracy >= cell.min_accuracy, result.explain()\n"
    )
    with two_rules.toml.open("a") as file:
        file.write('[[threshold]]\nmin_accuracy = 0.7\nmode = "confident"\n')
    done = two_rules.run("--record=missing", "--results", "out")
    done.assert_outcomes(failed=1)
    (row,) = two_rules.results()["cells"]
    assert (row["min_accuracy"], row["verdict"]) == (0.7, "inconclusive")
    assert json.loads(json.dumps(row["gates"])) == row["gates"]
