"""The answer of an experiment, from documents made for it and from the committed one."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import scipy.stats
import statsmodels.stats.multitest
import statsmodels.stats.proportion

from tunebench.analysis.answer import answers_of
from tunebench.analysis.forecast import data_needs_of


def row(right, *, train_size=0, model="m", rule="text", n=100):
    """A cell whose first `right` answers are right; all labels are 1."""
    predictions = [1] * right + [0] * (n - right)
    return {
        "experiment": "e", "cell": f"{model}-{train_size or '1shot'}", "model": model, "n": n,
        "shots": 0 if train_size else 1, "train_size": train_size, "decision_rule": rule,
        "correct": right, "predictions": predictions, "ci_low": right / n - 0.1,
    }  # fmt: skip


def document(*cells, n=100, baselines=()):
    about = {
        "name": "e", "items": [f"item-{i}" for i in range(n)], "label_ids": [1] * n,
        "majority_rate": 0.5, "n": n,
    }  # fmt: skip
    return {"experiments": [about], "cells": list(cells), "baselines": list(baselines)}


def answer(*cells, **more):
    [found] = answers_of(document(*cells, **more))
    return found


def test_a_clear_uplift_says_fine_tune():
    found = answer(row(60), row(90, train_size=300))
    assert found["decision"] == "fine-tune"
    assert found["sentence"].startswith(
        "Fine-tune: m fine-tuned on 300 rows gets 90 of 100 right; the best prompt, m with 1 "
        "worked example, gets 60. That is +30 points"
    )


def test_a_clear_loss_says_do_not():
    found = answer(row(90), row(60, train_size=300))
    assert found["decision"] == "prompt"
    assert found["sentence"].startswith("Do not fine-tune: m fine-tuned on 300 rows gets 60")


def test_noise_is_undecided_and_says_how_many_texts_it_takes():
    found = answer(row(80), row(83, train_size=300))
    assert found["decision"] == "undecided"
    assert re.search(r"about \d+ texts", found["sentence"])
    equal = answer(row(80), row(80, train_size=300))
    assert "no number of texts" in equal["sentence"]


def test_one_text_decides_nothing():
    found = answer(row(0, n=1), row(1, train_size=300, n=1), n=1)
    assert found["decision"] == "undecided"


def test_the_best_prompt_of_any_model_stands_for_prompting():
    found = answer(row(60), row(80, model="other"), row(90, train_size=300))
    assert found["over"] == "other-1shot"


def test_the_smallest_size_that_more_rows_do_not_beat_is_named():
    small, large = row(90, train_size=300), row(93, train_size=2000)
    found = answer(row(60), small, large)
    assert found["cell"] == small["cell"]
    assert found["evidence"][0].startswith("More training rows are not seen to help: m fine-tuned")
    larger = answer(row(50), row(70, train_size=300), row(95, train_size=2000))
    assert larger["cell"] == "m-2000"


def test_what_decides_is_corrected_for_the_family():
    cells = [row(70, train_size=size) for size in (1, 2, 3, 4, 5, 6)]
    alone, together = answer(row(64), cells[0]), answer(row(64), *cells)
    assert alone["decision"] == "fine-tune"
    assert together["decision"] == "undecided"


@pytest.mark.parametrize(
    ("right", "said"),
    [(60, "beats it"), (88, "is not shown to beat it"), (99, "is beaten by it")],
)
def test_the_best_rival_of_the_same_size_is_compared_with_it(right, said):
    rivals = [
        row(20, train_size=300, model="majority class"),
        row(right, train_size=300, model="tf-idf"),
        row(100, train_size=500, model="tf-idf"),
    ]
    found = answer(row(50), row(90, train_size=300), baselines=rivals)
    [sentence] = [text for text in found["evidence"] if "rival" in text]
    assert f"on the same 300 rows, tf-idf, gets {right}: fine-tuning {said}" in sentence


def test_without_both_sides_there_is_no_answer():
    assert answers_of(document(row(60))) == []
    assert answers_of(document(row(60, train_size=300))) == []


def test_two_sizes_forecast_nothing_and_falling_errors_do():
    few = [row(60, train_size=100), row(70, train_size=200)]
    [need] = data_needs_of(document(*few))
    assert "too few points: 2" in need["sentence"]
    sizes = {100: 1000, 200: 1500, 400: 1750, 800: 1875}
    many = [row(right, train_size=size, n=2000) for size, right in sizes.items()]
    [need] = data_needs_of(document(*many, n=2000))
    assert need["next_size"] == 1600
    assert need["low"] < need["expected_accuracy"] == pytest.approx(1 - 125 / 4000, abs=0.005)


class Page(HTMLParser):
    """The words of a page."""

    def __init__(self):
        super().__init__()
        self.words = []

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def committed(imdb_replay):
    """The committed experiment's results, its page as text, and what was printed."""
    page = Page()
    page.feed((imdb_replay / "report.html").read_text())
    results = json.loads((imdb_replay / "results.json").read_text())
    printed = " ".join((imdb_replay / "printed.txt").read_text().split())
    return results, " ".join(" ".join(page.words).split()), printed


def test_the_committed_experiment_is_answered_first_and_in_the_terminal(committed):
    results, page, printed = committed
    [found] = results["answers"]
    assert found["decision"] == "fine-tune"
    assert found["sentence"] in page
    assert found["sentence"] in printed
    before = page.partition(found["sentence"])[0]
    assert before.endswith("The answer ")


def test_every_number_of_the_committed_results_is_scipys_and_statsmodels(committed):
    results, _, _ = committed
    [about] = results["experiments"]
    labels = np.array(about["label_ids"])
    right = {}
    for cell in [*results["cells"], *results["baselines"]]:
        given = np.array([-1 if p is None else p for p in cell["predictions"]])
        correct = given == labels
        assert cell["correct"] == correct.sum()
        assert cell["accuracy"] == correct.mean()
        interval = statsmodels.stats.proportion.proportion_confint
        wilson = interval(correct.sum(), len(labels), method="wilson")
        assert (cell["ci_low"], cell["ci_high"]) == pytest.approx(wilson, abs=1e-12)
        if "exact_low" in cell:
            exact = interval(correct.sum(), len(labels), method="beta")
            exact = [0.0 if np.isnan(exact[0]) else exact[0], exact[1]]
            assert [cell["exact_low"], cell["exact_high"]] == pytest.approx(exact, abs=1e-9)
            right[cell["cell"]] = correct
    for uplift in results["uplifts"]:
        first, other = right[uplift["cell"]], right[uplift["over"]]
        only, lost = int((first & ~other).sum()), int((other & ~first).sum())
        assert uplift["difference"] == pytest.approx(first.mean() - other.mean())
        assert uplift["mid_p"] == pytest.approx(mid_p(only, lost))
        low, high = scipy.stats.bootstrap(
            (first.astype(float), other.astype(float)),
            lambda a, b, axis: a.mean(axis) - b.mean(axis),
            paired=True, vectorized=True, method="percentile", n_resamples=5000, rng=1,
        ).confidence_interval  # fmt: skip
        assert (uplift["ci_low"], uplift["ci_high"]) == pytest.approx((low, high), abs=0.025)
    adjusted = statsmodels.stats.multitest.multipletests(
        [uplift["mid_p"] for uplift in results["uplifts"]], method="holm"
    )[1]
    assert [uplift["holm_p"] for uplift in results["uplifts"]] == pytest.approx(list(adjusted))


def test_the_numbers_of_the_answer_follow_from_the_results(committed):
    results, _, _ = committed
    [found] = results["answers"]
    labels = np.array(results["experiments"][0]["label_ids"])
    right = {
        cell["cell"]: np.array(
            [p == label for p, label in zip(cell["predictions"], labels, strict=True)]
        )
        for cell in results["cells"]
    }
    first, other = right[found["cell"]], right[found["over"]]
    tuned = [cell["cell"] for cell in results["cells"] if cell["train_size"]]
    p_values = [mid_p(*differing(right[name], other)) for name in tuned]
    holm = statsmodels.stats.multitest.multipletests(p_values, method="holm")[1]
    assert f"gets {first.sum()} of 100 right" in found["sentence"]
    assert f"gets {other.sum()}." in found["sentence"]
    assert f"{first.sum() - other.sum():+d} points" in found["sentence"]
    assert f"mid-p {mid_p(*differing(first, other)):.2g}" in found["sentence"]
    assert f"p = {holm[tuned.index(found['cell'])]:.2g} after Holm" in found["sentence"]


def differing(first, other):
    return int((first & ~other).sum()), int((other & ~first).sum())


def mid_p(only, lost):
    n, fewer = only + lost, min(only, lost)
    law = scipy.stats.binom(n, 0.5)
    return min(1.0, 2 * law.cdf(fewer) - law.pmf(fewer))
