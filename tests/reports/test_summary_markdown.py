"""The results as Markdown, and results of unusual answers."""

import json

import pytest

from tunebench import Experiment
from tunebench.analysis import GATES, verdict_of
from tunebench.api import Answer
from tunebench.evaluation import judge
from tunebench.evaluation.result import Result
from tunebench.evaluation.rules import LabelLogprobsRule
from tunebench.experiment.limits import Limit
from tunebench.formatting.prompts import AnswerFormat
from tunebench.reports.markdown import summary_markdown

ABOUT = {"name": "a|b", "n": 2, "dataset": "<b>x</b>", "labels": ["<i>", "a|b"], "majority_rate": 1}
ROW = {
    "experiment": "a|b",
    "cell": "one*_two_",
    "n": 2,
    "accuracy": 0.5,
    "ci_low": 0.1,
    "ci_high": 0.9,
    "majority_rate": 0.5,
    "verdict": None,
    "gates": [{"verdict": "fail", "sentence": "one|<script>: [x](y)\nnext"}],
}
EMPTY = {
    name: [] for name in ("answers", "experiments", "cells", "uplifts", "break_evens", "errors")
}


def test_nothing_in_it_is_taken_for_markdown_or_html():
    error = {"error": "a completion said <img src=x> | `code`"}
    text = summary_markdown(EMPTY | {"experiments": [ABOUT], "cells": [ROW], "errors": [error]})
    assert "<b>" not in text
    assert "<script>" not in text
    assert "<img" not in text
    assert "one\\|&lt;script&gt;: \\[x\\](y) next" in text
    assert "&lt;img src=x&gt; \\| \\`code\\`" in text
    (line,) = [line for line in text.splitlines() if "one\\*\\_two\\_" in line]
    assert line.replace("\\|", "").count("|") == 8


def test_the_answers_come_first_with_their_experiment_where_there_are_several():
    answer = {
        "experiment": "a|b", "sentence": "Undecided: <x> gets 1.",
        "against": ["Only <b>2</b> texts."], "statistics": "p < 0.1.",
    }  # fmt: skip
    alone = summary_markdown(EMPTY | {"answers": [answer], "experiments": [ABOUT]})
    assert alone.startswith(
        "# tunebench\n\n**Undecided: &lt;x&gt; gets 1.**\n\n- Only &lt;b&gt;2&lt;/b&gt; texts.\n\n"
        "p &lt; 0.1.\n\n"
    )
    both = summary_markdown(EMPTY | {"answers": [answer], "experiments": [ABOUT, ABOUT]})
    assert "**a\\|b: Undecided: &lt;x&gt; gets 1.**" in both


def test_without_results_it_is_a_heading():
    assert summary_markdown(EMPTY) == "# tunebench\n"


TEST = """
@pytest.mark.parametrize("cell", experiment.cells[:2], ids=str)
def test_accuracy(cell, evaluate):
    evaluate(cell)
"""


def test_it_is_written_with_the_results_and_appended_to_a_ci_summary(two_rules, monkeypatch):
    two_rules.write_test(TEST)
    steps = two_rules.root / "steps.md"
    steps.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(steps))
    two_rules.run("--record=missing").assert_outcomes(passed=2)
    assert steps.read_text() == "before\n"
    two_rules.run("--results", "out").assert_outcomes(passed=2)
    written = (two_rules.root / "out" / "summary.md").read_text()
    assert steps.read_text() == "before\n" + written
    assert "| small | one-0shot | 45 | 0.600 | 0.455 to 0.730 | 0.600 | - |" in written
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(two_rules.root))
    done = two_rules.run("--results", "out")
    done.assert_outcomes(passed=2)
    done.stdout.fnmatch_lines(["*: the summary was not appended (Is a directory)."])


def test_labels_and_completions_may_hold_html_and_bars(two_rules):
    two_rules.edit('["Negative", "Positive"]', '["<b>No|", "Yes|<i>"]')
    two_rules.write_test(TEST)
    complete = two_rules.loopback.complete

    def answer(asked):
        said = complete(asked)
        for choice in said.body.get("choices", ()):
            choice["text"] = " <b>No|"
            choice["logprobs"] = {"top_logprobs": [{" <b>No|": -0.1, " Yes|<i>": -2.4}]}
        return said

    two_rules.loopback.answer = answer
    two_rules.run("--record=missing", "--results", "out").assert_outcomes(passed=2)
    text, by_logprob = two_rules.results()["cells"]
    assert text["correct"] == by_logprob["correct"] == 27
    summary = (two_rules.root / "out" / "summary.md").read_text()
    assert "<b>" not in summary
    assert "&lt;b&gt;No\\|" in summary


@pytest.fixture
def made(two_rules) -> Experiment:
    return Experiment.read(two_rules.toml)


def result(experiment, predictions, labels, logprobs=()):
    items = [f"item-{i}" for i in range(len(labels))]
    cell = experiment.cells[1]
    judged = judge(items, labels, predictions)
    return Result(cell, judged, 10, 1, 1.0, "2026-01-01T00:00:00Z", label_logprobs=logprobs)


@pytest.mark.parametrize(
    ("predictions", "limit", "verdict"),
    [
        ([1], 0.5, "inconclusive"),
        ([None], 0.5, "inconclusive"),
        ([1] * 40, 0.9, "pass"),
        ([1] * 40, 1.0, "inconclusive"),
        ([None] * 40, 0.1, "fail"),
        ([0] * 40, 0.0, "pass"),
    ],
)
def test_single_items_and_answers_all_right_or_all_wrong(made, predictions, limit, verdict):
    found = result(made, predictions, [1] * len(predictions))
    gate = GATES["min_accuracy"](Limit("min_accuracy", limit, "confident"), found, None)
    assert gate.verdict == verdict
    assert (
        "more texts" in gate.sentence or "no number" in gate.sentence or verdict != ("inconclusive")
    )
    assert json.dumps(gate.row(), allow_nan=False)


def test_verdicts_add_up_to_the_worst(made):
    found = result(made, [1] * 40, [1] * 40)
    judge_accuracy = GATES["min_accuracy"]
    limits = [Limit("min_accuracy", value, "confident") for value in (0.5, 1.0)]
    gates = [judge_accuracy(limit, found, None) for limit in limits]
    assert verdict_of(gates) == "inconclusive"
    failed = judge_accuracy(Limit("min_accuracy", 0.5), result(made, [0], [1]), None)
    assert verdict_of([*gates, failed]) == "fail"
    assert verdict_of([]) is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, "x"])
def test_a_log_probability_that_is_no_number_gives_no_probabilities(made, value, monkeypatch):
    import tunebench.analysis.details

    monkeypatch.setattr(tunebench.analysis.details, "prompt_sha256_of", lambda cell: [])
    answers = (
        Answer("", "stop", {" Negative": -0.1, " Positive": value}),
        Answer("", "stop", {" Negative": -0.1, " Positive": -2.0}),
    )
    rule = LabelLogprobsRule(AnswerFormat.of(["Negative", "Positive"]), None)
    found = result(made, [0, 0], [0, 1], tuple(rule.read(x).logprobs for x in answers))
    details = tunebench.analysis.details.details_of(found)
    first, second = details["probabilities"]
    assert first is None
    assert sum(second) == pytest.approx(1)
    assert details["brier"] == pytest.approx(2 * second[0] ** 2)
    assert json.dumps(details, allow_nan=False)
