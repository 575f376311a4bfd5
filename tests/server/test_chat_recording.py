"""A chat experiment at the local provider: recorded once, then replayed offline."""

import json
import subprocess
import sys

import pytest

from tunebench import datasets

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")

EXPERIMENT = """
[task]
name = "chats"
dataset = "imdb_reviews"
labels = ["Negative", "Positive"]
instruction = "Classify following sentence as Positive or Negative"
test_size = 3

[provider.standin]
base_url = "{url}"
endpoint = "chat"

[[model]]
name = "tiny"
id = "tiny-llama"
provider = "standin"

[matrix]
shots = [0]
decision_rules = ["text", "label_logprobs"]
"""

TEST = """
import pytest
from tunebench import Experiment

experiment = Experiment.beside(__file__)


@pytest.mark.parametrize("cell", experiment.cells, ids=str)
def test_accuracy(cell, evaluate):
    assert evaluate(cell).n == experiment.task.test_size
"""


@pytest.fixture
def project(tmp_path, data_dir, monkeypatch, served):
    monkeypatch.setenv("TFDS_DATA_DIR", str(data_dir))
    folder = tmp_path / "benchmarks" / "chats"
    folder.mkdir(parents=True)
    (folder / "experiment.toml").write_text(EXPERIMENT.format(url=served.url))
    (folder / "test_accuracy.py").write_text(TEST)
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["tunebench.plugin"]\n')
    return tmp_path


def run(project, *options):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "benchmarks", "-q", *options],
        cwd=project,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((project / options[-1] / "results.json").read_text())


def test_a_real_chat_is_recorded_and_replays_to_the_same_bytes(project, served, oracle_of):
    recorded = run(project, "--record=missing", "--results", "recorded")
    # The provider's port changes: nothing can be asked there any more.
    toml = project / "benchmarks" / "chats" / "experiment.toml"
    toml.write_text(EXPERIMENT.format(url="http://127.0.0.1:9/v1"))
    assert run(project, "--results", "replayed") == recorded

    cells = {cell["cell"]: cell for cell in recorded["cells"]}
    assert list(cells) == ["tiny-0shot", "tiny-0shot-label_logprobs"]
    assert cells["tiny-0shot-label_logprobs"]["readings"] == {"likeliest": 3}
    assert sum(cells["tiny-0shot"]["readings"].values()) == 3

    # The likelier label is the one that plain transformers prefers as the answer's first token.
    (about,) = recorded["experiments"]
    data = datasets.load("imdb_reviews").test.head(3)
    assert data["item"].tolist() == about["items"]
    instruction = "Classify following sentence as Positive or Negative"
    for text, shares in zip(
        data["text"], cells["tiny-0shot-label_logprobs"]["probabilities"], strict=True
    ):
        messages = [
            {"role": "system", "content": instruction},
            {"role": "user", "content": text},
        ]
        assert shares == pytest.approx(oracle_of(messages), abs=1e-4)


@pytest.fixture
def oracle_of(tiny_folders):
    from .conftest import Oracle

    oracle = Oracle(tiny_folders["tiny-llama"])
    firsts = [
        oracle.tokenizer(label, add_special_tokens=False)["input_ids"][0]
        for label in ("Negative", "Positive")
    ]

    def shares(messages):
        ids = oracle.tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_dict=True
        )["input_ids"]
        return oracle.logprobs(ids)[-1][firsts].softmax(0).tolist()

    return shares
