"""``tunebench compare``: two results of real runs, or made from them."""

import json

import pytest

from tunebench.cli import main
from tunebench.statistics import mcnemar_mid_p, paired_bootstrap

ITEMS = [f"item-{i}" for i in range(20)]
LABELS = [i % 2 for i in range(20)]


def results(cells, *, items=ITEMS, labels=LABELS, names=("no", "yes"), version=2):
    return {
        "version": version,
        "experiments": [
            {"name": "made", "labels": list(names), "items": items, "label_ids": labels}
        ],
        "cells": [cell(name, predictions, labels) for name, predictions in cells.items()],
    }


def cell(model, predictions, labels):
    """A zero-shot cell, which is called after its model."""
    correct = sum(said == label for said, label in zip(predictions, labels, strict=False))
    return {
        "experiment": "made",
        "cell": f"{model}-0shot",
        "model": model,
        "shots": 0,
        "train_size": 0,
        "decision_rule": "text",
        "n": len(predictions),
        "correct": correct,
        "accuracy": correct / len(predictions),
        "ci_low": 0.0,
        "ci_high": 1.0,
        "recorded_at": "2026-11-22T20:00:00+00:00",
        "predictions": predictions,
    }


@pytest.fixture
def compare(tmp_path, capsys):
    def compare(first, second, *options):
        for name, document in (("a", first), ("b", second)):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / "results.json").write_text(json.dumps(document))
        code = main(["compare", str(tmp_path / "a"), str(tmp_path / "b/results.json"), *options])
        said = capsys.readouterr()
        return code, said.out, said.err

    return compare


RIGHT = list(LABELS)
WORSE = [1 - label if i < 12 else label for i, label in enumerate(LABELS)]


def test_accuracies_difference_interval_and_test_of_each_cell(compare):
    code, out, _ = compare(
        results({"x": WORSE, "y": RIGHT, "gone": RIGHT}),
        results({"y": WORSE, "x": RIGHT, "new": RIGHT}),
    )
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("A: ")
    assert lines[1].startswith("B: ")
    assert lines[3].split() == [
        *("experiment", "cell", "A", "B", "B", "-", "A", "95", "%", "interval", "p", "n")
    ]
    assert lines[4].split()[:5] == ["made", "x-0shot", "0.400", "1.000", "+0.600"]
    assert lines[5].split()[:5] == ["made", "y-0shot", "1.000", "0.400", "-0.600"]
    assert f"{mcnemar_mid_p(12, 0):.2g}" in lines[4]
    assert "x-0shot: 12 right in B only: item-0, item-1, item-2, item-3, item-4, item-5" in out
    assert "item-9 and 2 more\n" in out
    assert "y-0shot: 12 right in A only: " in out
    assert lines[-2:] == ["in A only: gone-0shot", "in B only: new-0shot"]


def test_scripts_read_one_json_object(compare):
    code, out, _ = compare(results({"x": WORSE}), results({"x": RIGHT}), "--json")
    found = json.loads(out)
    assert code == 0
    assert found["only_a"] == found["only_b"] == []
    (cell,) = found["cells"]
    low, high = paired_bootstrap([True] * 20, [False] * 12 + [True] * 8, seed=0)
    assert (cell["ci_low"], cell["ci_high"]) == (low, high)
    assert cell["difference"] == pytest.approx(cell["accuracy_b"] - cell["accuracy_a"])
    assert (cell["lost"], cell["gained"]) == ([], ITEMS[:12])
    assert (cell["n"], cell["n_a"], cell["n_b"]) == (20, 20, 20)


def test_texts_are_paired_by_item_and_only_those_in_common(compare):
    code, out, _ = compare(
        results({"x": RIGHT}),
        results({"x": WORSE[15:4:-1]}, items=ITEMS[15:4:-1], labels=LABELS[15:4:-1]),
        "--json",
    )
    (cell,) = json.loads(out)["cells"]
    assert (code, cell["n"], cell["n_a"], cell["n_b"]) == (0, 11, 20, 11)
    assert cell["lost"] == ITEMS[5:12]
    _, out, _ = compare(
        results({"x": RIGHT}), results({"x": RIGHT[:5]}, items=ITEMS[:5], labels=LABELS[:5])
    )
    assert "x-0shot: compared on the 5 texts in common, of 20 in A and 5 in B" in out


def test_a_single_item_is_compared(compare):
    one = {"items": ["only"], "labels": [1]}
    code, out, _ = compare(results({"x": [1]}, **one), results({"x": [None]}, **one), "--json")
    (cell,) = json.loads(out)["cells"]
    assert (code, cell["difference"], cell["p"], cell["ci_low"]) == (0, -1.0, 0.5, -1.0)


def test_runs_that_agree_have_nothing_more_to_say(compare):
    _, out, _ = compare(results({"x": WORSE}), results({"x": WORSE}))
    assert out.splitlines()[-1].split()[:5] == ["made", "x-0shot", "0.400", "0.400", "+0.000"]


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (results({"z": RIGHT}), "have no cell in common"),
        (results({"x": RIGHT}, items=[f"other-{i}" for i in ITEMS]), "have no text in common"),
        (results({"x": RIGHT}, labels=LABELS[::-1]), "20 items, such as item-0, have another"),
        (results({"x": RIGHT}, names=("yes", "no")), "has the labels no, yes in"),
        (results({"x": RIGHT}, version=1), "version 3 and"),
        (results({"x": RIGHT}, version=4), "these are not results of version 1, 2 or 3"),
        (results({"x": RIGHT[:3]}), "cells[0].predictions: there is not one for each of 20 items"),
        ([], "these are not results of version 1, 2 or 3"),
    ],
)
def test_what_cannot_be_compared_is_a_sentence(compare, second, said):
    code, out, err = compare(results({"x": RIGHT}), second)
    assert (code, out) == (2, "")
    assert err.startswith("tunebench: ")
    assert said in err


def test_results_of_the_first_version_hold_no_answers(compare):
    code, _, err = compare(results({}, version=1), results({}, version=1))
    assert code == 2
    assert "results of version 1 do not hold each answer; write the results again" in err


def test_results_that_are_not_there_are_a_sentence(capsys):
    assert main(["compare", "nowhere", "nowhere"]) == 2
    assert "tunebench: nowhere: there is no such file or folder" in capsys.readouterr().err
