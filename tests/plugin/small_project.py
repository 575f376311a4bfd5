"""A user's repository with one experiment of two models, two prompts and both rules."""

import json

from ..printed import unwrapped

EXPERIMENT = """
[task]
name = "small"
dataset = "imdb_reviews"
labels = ["Negative", "Positive"]
instruction = "Classify following sentence as Positive or Negative"
test_size = 45

[provider.standin]
base_url = "{url}"

[[model]]
name = "one"
provider = "standin"

[[model]]
name = "two"
provider = "standin"

[matrix]
shots = [0, 2]
decision_rules = ["text", "label_logprobs"]

[[threshold]]
decision_rule = "text"
min_accuracy = 0.5
"""

TEST = """
import pytest
from tunebench import Experiment

experiment = Experiment.beside(__file__)


@pytest.mark.parametrize("cell", experiment.cells, ids=str)
def test_accuracy(cell, evaluate):
    result = evaluate(cell)
    assert result.accuracy >= cell.min_accuracy, result.explain()
"""

IDS = [
    f"{model}-{shots}shot{rule}"
    for model in ("one", "two")
    for shots in (0, 2)
    for rule in ("", "-label_logprobs")
]


class Project:
    """A user's repository with one experiment."""

    def __init__(self, pytester, loopback, said):
        self.pytester, self.loopback, self.said = pytester, loopback, said
        self.root = pytester.path
        self.folder = self.root / "benchmarks" / "small"
        self.folder.mkdir(parents=True)
        (self.folder / "test_accuracy.py").write_text(TEST)
        self.toml = self.folder / "experiment.toml"
        self.toml.write_text(EXPERIMENT.format(url=loopback.url))
        (self.root / "conftest.py").write_text('pytest_plugins = ["tunebench.plugin"]\n')
        self.cassettes = self.root / "cassettes" / "small"
        loopback.answer = self.answer

    def answer(self, asked):
        """Say Negative to every prompt, and that it is the likelier label."""
        said = self.loopback.complete(asked)
        for choice in said.body.get("choices", ()):
            choice["text"] = " Nega"
            if "logprobs" in asked.fields:
                top = {" Negative": -0.1, " Positive": -2.4}
                choice["logprobs"] = {"tokens": [" Negative"], "top_logprobs": [top]}
        return said

    def run(self, *args):
        return unwrapped(self.pytester.runpytest_inprocess("benchmarks", *args))

    def edit(self, old, new):
        text = self.toml.read_text()
        assert old in text
        self.toml.write_text(text.replace(old, new))

    def results(self, folder="out"):
        return json.loads((self.root / folder / "results.json").read_text())

    @property
    def completions_asked(self):
        return [asked for asked in self.loopback.asked if asked.path.endswith("/completions")]
