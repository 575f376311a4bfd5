"""Prices, as they come out: costs of answers and training, their limits, and budgets."""

import re
import time
from types import SimpleNamespace

import pytest

TEST = """
@pytest.mark.parametrize("cell", experiment.cells, ids=str)
def test_gate(cell, gate):
    gate(cell)
"""

BY_TOKEN = "prices = { training = 3000, input = 2, output = 10, currency = 'EUR' }\n"
BY_HOUR = "prices = { per_hour = 3.6 }\n"


@pytest.fixture
def project(two_rules, jobs):
    """One model without prices; a prompt takes 10 tokens and 30 with an example, an answer 1."""
    two_rules.edit('\n[[model]]\nname = "two"\nprovider = "standin"\n', "")
    two_rules.edit('decision_rules = ["text", "label_logprobs"]', 'decision_rules = ["text"]')
    two_rules.edit("shots = [0, 1]", "shots = [0, 1]\ntrain_sizes = [40]")
    two_rules.write_test(TEST)
    complete = jobs.complete

    def counted(asked):
        said = complete(asked)
        if "choices" in said.body:
            shown = [30 if "#####" in prompt else 10 for prompt in asked.prompts]
            said.body["usage"] = {"prompt_tokens": sum(shown), "completion_tokens": len(shown)}
        return said

    jobs.complete = counted
    two_rules.loopback.answer = jobs.answer
    return two_rules


def price(project, prices):
    project.edit("[matrix]", f"{prices}[matrix]")


def cells(project):
    return {row["cell"]: row for row in project.results()["cells"]}


def test_costs_are_prices_times_recorded_tokens(project):
    price(project, BY_TOKEN)
    project.run("--record=missing", "--results", "out").assert_outcomes(passed=3)
    found = cells(project)
    tokens = {name: row["prompt_tokens"] / 45 for name, row in found.items()}
    for name, row in found.items():
        assert row["cost_per_1000"] == pytest.approx(1000 * (tokens[name] * 2 + 10) / 1e6)
        assert row["currency"] == "EUR"
    assert found["one-ft40"]["training_cost"] == pytest.approx(4321 * 3000 / 1e6)
    assert found["one-0shot"]["training_cost"] is None
    entries = project.results()["break_evens"]
    assert {entry["cell"] for entry in entries} == {"one-ft40"}
    for entry in entries:
        saved = (found[entry["over"]]["cost_per_1000"] - found["one-ft40"]["cost_per_1000"]) / 1000
        if saved > 1e-15:
            assert entry["requests"] == pytest.approx(4321 * 3000 / 1e6 / saved, abs=1)
        else:
            assert entry["requests"] is None
        assert entry["sentence"].startswith("one-ft40: its training, 12.96 EUR, is ")
    summary = (project.root / "out" / "summary.md").read_text()
    assert "## Costs" in summary


def test_a_machine_is_paid_by_the_recorded_time(project):
    price(project, BY_HOUR)
    project.run("--record=missing", "--results", "out").assert_outcomes(passed=3)
    found = cells(project)
    # 3.6 an hour is 0.001 a second.
    assert found["one-ft40"]["training_cost"] == found["one-ft40"]["training_seconds"] / 1000
    assert found["one-0shot"]["cost_per_1000"] > 0
    assert found["one-0shot"]["currency"] == "USD"


def test_without_prices_there_are_no_costs(project):
    project.run("--record=missing", "--results", "out").assert_outcomes(passed=3)
    for row in cells(project).values():
        assert row["cost_per_1000"] is row["training_cost"] is row["currency"] is None
    assert project.results()["break_evens"] == []


def test_a_cost_is_gated(project):
    price(project, BY_TOKEN)
    with project.toml.open("a") as file:
        file.write("[[threshold]]\nmax_cost = 0.001\n")
        file.write("[[threshold]]\nshots = 0\nmax_cost = 1000\n")
    done = project.run("--record=missing")
    done.assert_outcomes(passed=1, failed=2)
    done.stdout.fnmatch_lines(["one-1shot: 1,000 answers cost 0.* EUR, above max_cost 0.001."])


def test_what_a_recording_will_cost_is_said_before_it_starts(project):
    price(project, BY_TOKEN)
    said = project.pytester.runpytest("benchmarks", "--record=missing").stderr.str()
    for cell in ("one-0shot", "one-1shot", "one-ft40"):
        assert re.search(rf"{cell}: 45 prompts to ask, about [\d.e-]+ EUR", said)
    assert re.search(r"one-ft40: fine-tuning .*; about [\d.]+ EUR at 3000 a million", said)
    again = project.pytester.runpytest("benchmarks", "--record=missing").stderr.str()
    assert "to ask" not in again


def test_a_recording_stops_before_its_budget_is_passed(project):
    price(project, BY_TOKEN)
    done = project.run("--record=missing", "--budget", "1")
    done.assert_outcomes(passed=2, failed=1)
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(
        ["*one-ft40: the budget of 1 EUR would be passed: this takes about *give --budget more*"]
    )
    recorded = sorted(path.name for path in (project.root / "cassettes/small").glob("*.jsonl"))
    assert recorded == ["items.jsonl", "one-0shot.jsonl", "one-1shot.jsonl"]
    asked = len(project.loopback.asked)
    project.run("--record=missing", "--budget", "1000").assert_outcomes(passed=3)
    completions = [a for a in project.loopback.asked[asked:] if a.path.endswith("/completions")]
    assert len(completions) == 3


def test_a_changed_job_counts_although_the_old_one_is_recorded(project):
    price(project, BY_TOKEN)
    project.run("--record=missing", "--budget", "1000").assert_outcomes(passed=3)
    project.edit("[matrix]", "[fine_tuning]\nseed = 9\n[matrix]")
    asked = len(project.loopback.asked)
    done = project.run("--record=missing", "--budget", "1")
    done.stdout.fnmatch_lines(["*one-ft40: the budget of 1 EUR would be passed*"])
    assert len(project.loopback.asked) == asked


def asked_texts(project):
    completions = [a for a in project.loopback.asked if a.path.endswith("/completions")]
    return sum(len(a.prompts) for a in completions)


def test_a_recording_stops_before_more_texts_are_sent_and_goes_on_the_next_time(project):
    done = project.run("--record=missing", "--max-texts", "30")
    done.assert_outcomes(failed=1)
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(
        ["*one-0shot: --max-texts 30 are sent, and 15 of its texts are left; what is *"]
    )
    assert asked_texts(project) == 30
    done = project.run("--record=missing", "--max-texts", "30")
    done.assert_outcomes(passed=1, failed=1)
    assert asked_texts(project) == 60
    project.run("--record=missing", "--max-texts", "1000").assert_outcomes(passed=3)
    assert asked_texts(project) == 3 * 45


def test_as_many_texts_as_are_needed_are_no_limit(project):
    project.run("--record=missing", "--max-texts", "45", "-k", "0shot").assert_outcomes(
        passed=1, deselected=2
    )


def test_a_recording_sends_nothing_more_when_its_minutes_are_over(project, monkeypatch):
    from tunebench.evaluation import budget

    began = time.monotonic()

    def now():
        return began + (600.0 if asked_texts(project) else 0.0)

    with monkeypatch.context() as patched:
        patched.setattr(budget, "time", SimpleNamespace(monotonic=now))
        done = project.run("--record=missing", "--max-minutes", "1")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*one-0shot: --max-minutes 1 are over; what is recorded is kept*"])
    assert asked_texts(project) == 20
    project.run("--record=missing").assert_outcomes(passed=3)
    assert asked_texts(project) == 3 * 45


def test_nothing_is_asked_beyond_a_budget_and_later_cases_do_not_run(project):
    price(project, BY_TOKEN)
    done = project.run("--record=missing", "--budget", "0")
    done.assert_outcomes(failed=1)
    assert not [a for a in project.loopback.asked if a.path.endswith("/completions")]


def test_a_budget_needs_prices(project):
    done = project.run("--record=missing", "--budget", "1")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*--budget needs to know what it costs; give the model 'one' pri*"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--budget", "1"], "--budget is for recordings: add --record"),
        (["--max-texts", "1"], "--max-texts is for recordings: add --record"),
        (["--max-minutes", "1"], "--max-minutes is for recordings: add --record"),
        (["--record=missing", "--max-texts", "0"], "--max-texts: must be a whole number of 1 or"),
        (["--record=missing", "--max-minutes", "0"], "--max-minutes: must be a number of minutes"),
        (
            ["--record=missing", "--budget", "-1"],
            "--budget: must be an amount of 0 or more",
        ),
        (["--record=missing", "--budget", "nan"], "--budget: must be an amount of 0 or more"),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused(pytester, options, said):
    pytester.makeconftest('pytest_plugins = ["tunebench.plugin"]')
    done = pytester.runpytest_inprocess(*options)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"*{said}*"])
