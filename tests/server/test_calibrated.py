"""Cells that are calibrated on the answers of a real server."""

import json
from contextlib import closing

import numpy as np
import pytest
from scipy.special import softmax

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")

from tunebench import Experiment
from tunebench.api import Client
from tunebench.evaluation import Runner, train_rows
from tunebench.evaluation.inputs import prompts_for
from tunebench.evaluation.rules import rule_of
from tunebench.statistics.label_biases import PENALTY

from ..cassette_lines import rows

WORDS = ("film", "good", "bad", "a", "tear", "actor", "story", "of", "end", "nothing")


@pytest.fixture
def cells(served, tmp_path):
    """The cells of an experiment with these labels, on texts of random words."""

    def cells(name, labels):
        random = np.random.default_rng(1)
        lines = [f"{' '.join(random.choice(WORDS, 6))} {i},{labels[i // 2 % len(labels)]}"
                 for i in range(200)]  # fmt: skip
        (tmp_path / "data.csv").write_text("\n".join(["text,label", *lines, ""]))
        path = tmp_path / "experiment.toml"
        path.write_text(
            f"""
            [task]
            name = "tiny"
            dataset = "data.csv"
            labels = {json.dumps(labels)}
            instruction = "Classify"
            test_size = 10
            test_share = 0.3
            [provider.here]
            base_url = "{served.url}"
            [[model]]
            name = "{name}"
            provider = "here"
            [matrix]
            shots = [1]
            decision_rules = ["label_logprobs", "calibrated"]
            [calibration]
            rows = 40
            """
        )
        return Experiment.read(path).cells

    return cells


def evaluated(cells, record):
    with closing(Runner(record)) as runner:
        return [runner.evaluate(cell, "") for cell in cells]


@pytest.mark.parametrize("labels", [("good", "bad"), ("very good", "very bad", "good")], ids=str)
def test_on_the_calibration_rows_each_label_is_as_likely_as_it_is_frequent(
    cells, name, served, labels
):
    made = cells(name, labels)
    recorded, replayed = evaluated(made, "missing"), evaluated(made, "none")
    plain, calibrated = replayed
    for one, other in zip(recorded, replayed, strict=True):
        assert one.label_logprobs == other.label_logprobs
        assert (one.calibration, one.unplayed) == (other.calibration, 0)
    biases = calibrated.calibration.biases.values
    for before, after in zip(plain.label_logprobs, calibrated.label_logprobs, strict=True):
        assert [after[i] - before[i] for i in range(len(labels))] == pytest.approx(biases)

    cell = calibrated.cell
    train = train_rows(cell.experiment)
    items = {row["item"] for row in rows(cell.cassette) if row["item"]}
    chosen = train[train["item"].isin(items)]
    assert len(chosen) == 40
    prompts = list(prompts_for(cell, list(chosen["item"]), list(chosen["text"])).values())
    with Client(served.url, "none") as client:
        rule = rule_of(plain.cell, client)
        rounds = [
            client.complete(name, [prompt + one.suffix for prompt in prompts], one.parameters)
            for one in rule.rounds
        ]
    answers = [[answer for reply in replies for answer in reply.answers] for replies in rounds]
    seen = [rule.seen(*of_text)[0] for of_text in zip(*answers, strict=True)]
    shares = softmax([[row[i] + biases[i] for i in range(len(labels))] for row in seen], axis=1)
    counts = np.bincount(chosen["label"], minlength=len(labels))
    # Where the likelihood is highest, but for the penalty.
    assert shares.sum(axis=0) + PENALTY * np.array(biases) == pytest.approx(counts, abs=1e-3)
    uncalibrated = softmax([[row[i] for i in range(len(labels))] for row in seen], axis=1)
    assert np.abs(uncalibrated.sum(axis=0) - counts).max() > 1
