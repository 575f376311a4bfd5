"""``tunebench curves --sizes``: accuracy by training size."""

import json

import pytest

from .curve_jobs import curves, texts


@pytest.fixture
def results(tmp_path):
    def cell(model, rule, size, accuracy):
        return {
            "model": model,
            "shots": 0,
            "train_size": size,
            "decision_rule": rule,
            "accuracy": accuracy,
            "ci_low": max(accuracy - 0.1, 0.0),
            "ci_high": min(accuracy + 0.1, 1.0),
            "n": 100,
        }

    cells = [
        cell("tiny", "text", 0, 0.1),
        cell("tiny", "text", 2000, 1.0),
        cell("tiny", "text", 300, 0.5),
        cell("small", "label_logprobs", 300, 0.75),
    ]
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"version": 1, "cells": cells, "errors": []}))
    return path


def test_accuracy_is_shown_by_size(results, capsys):
    assert curves("--sizes", results) == 0
    assert capsys.readouterr().out == (
        "model  rule            training size  accuracy  95 % interval\n"
        "small  label_logprobs            300     0.750    0.650-0.850\n"
        "tiny   text                      300     0.500    0.400-0.600\n"
        "tiny   text                     2000     1.000    0.900-1.000\n"
    )


def test_accuracy_by_size_is_written_and_drawn(results, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    csv, svg = tmp_path / "sizes.csv", tmp_path / "sizes.svg"
    assert curves("--sizes", results, "--json", "--csv", csv, "--figure", svg) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["train_size"] for row in rows] == [300, 300, 2000]
    assert csv.read_text().splitlines()[:2] == [
        "model,decision_rule,train_size,accuracy,ci_low,ci_high",
        "small,label_logprobs,300,0.75,0.65,0.85",
    ]
    labels = {"training size", "accuracy, 95 % interval", "300", "2000"}
    assert labels | {"tiny, text", "small, label_logprobs"} <= texts(svg)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "there is no such file or folder"),
        ("{", "this is not JSON (Expecting property name"),
        (
            '{"version": 4, "cells": []}',
            "version: these are not results of version 1, 2 or 3; write",
        ),
        ("[]", "version: these are not results of version 1, 2 or 3; write"),
        ('{"version": 2, "cells": []}', "the results have no fine-tuned cell; name those"),
        ('{"version": 1, "cells": []}', "the results have no fine-tuned cell; name those"),
        ('{"version": 1, "cells": [{}]}', "cells[0].model: field required; write the results"),
    ],
)
def test_what_is_no_results_file_is_refused(tmp_path, capsys, content, sentence):
    path = tmp_path / "results.json"
    if content is not None:
        path.write_text(content)
    assert curves("--sizes", path) == 2
    assert f"{path}: {sentence}" in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--wandb"], ["--tensorboard", "runs"]])
def test_trackers_take_a_job(results, capsys, option):
    assert curves("--sizes", results, *option) == 2
    assert "--wandb and --tensorboard take a job" in capsys.readouterr().err
