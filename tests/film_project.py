"""A user's repository with one experiment on a small data set of a test's own."""

import json
from pathlib import Path
from typing import Any

import pytest

from tunebench.datasets import flat
from tunebench.datasets.dataset import Columns
from tunebench.evaluation import inputs as cell_prompts
from tunebench.evaluation import training_inputs as cell_training

from .printed import unwrapped

EXPERIMENT = """
[task]
name = "films"
dataset = "imdb_reviews"
labels = ["Negative", "Positive"]
instruction = "Classify following sentence as Positive or Negative"
test_size = 10

[provider.standin]
base_url = "{url}"
retries = 0

[[model]]
name = "m"
provider = "standin"
id = "base"

[matrix]
shots = [0]
train_sizes = [8]
decision_rules = ["text", "label_logprobs"]

[fine_tuning]
n_epochs = 2
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


def reviews(kind: str, count: int) -> Columns:
    said = [
        f"a {('dull', 'fine')[i % 2]} film, number {i} of the {kind} ones" for i in range(count)
    ]
    return {
        "item": [f"{kind}/{i}" for i in range(count)],
        "text": said,
        "label": [i % 2 for i in range(count)],
    }


def write_films(data: Path, texts: tuple[Columns, Columns] | None = None) -> None:
    """Write training and test rows as the prepared data set of a data folder."""
    train, test = texts or (reviews("training", 20), reviews("held-out", 12))
    folder = data / "tunebench_imdb" / "1.0.0"
    folder.mkdir(parents=True, exist_ok=True)
    flat.write(folder / "flat.json", {"train": train, "heldout": test})


class FilmProject:
    """A user's repository; its base model says Negative, its fine-tuned ones are right."""

    def __init__(self, pytester, loopback, jobs, data: Path) -> None:
        self.pytester, self.loopback, self.jobs, self.data = pytester, loopback, jobs, data
        self.root = pytester.path
        folder = self.root / "benchmarks" / "films"
        folder.mkdir(parents=True)
        (folder / "test_accuracy.py").write_text(TEST)
        self.toml = folder / "experiment.toml"
        self.toml.write_text(EXPERIMENT.format(url=loopback.url))
        (self.root / "conftest.py").write_text('pytest_plugins = ["tunebench.plugin"]\n')
        self.cassettes = self.root / "cassettes" / "films"
        self.texts = reviews("training", 20), reviews("held-out", 12)
        self.write_data()
        jobs.complete = self.complete

    def write_data(self) -> None:
        write_films(self.data, self.texts)
        for module in (cell_prompts, cell_training):
            for cached in vars(module).values():
                if hasattr(cached, "cache_clear"):
                    cached.cache_clear()

    def complete(self, asked: Any) -> Any:
        said = self.loopback.complete(asked)
        for choice, prompt in zip(said.body.get("choices", ()), asked.prompts, strict=False):
            positive = asked.fields["model"].startswith("ft:") and "fine" in prompt
            choice["text"] = " Posi" if positive else " Nega"
            if "logprobs" in asked.fields:
                top = {" Positive": -0.1 if positive else -2.4, " Negative": -0.7}
                choice["logprobs"] = {"tokens": [" Positive"], "top_logprobs": [top]}
        return said

    def edit(self, old: str, new: str) -> None:
        text = self.toml.read_text()
        assert old in text
        self.toml.write_text(text.replace(old, new))

    def run(self, *args: str) -> pytest.RunResult:
        return unwrapped(self.pytester.runpytest_inprocess("benchmarks", *args))

    def record(self, *args: str) -> pytest.RunResult:
        return self.run("--record=missing", *args)

    def results(self, folder: str) -> list[dict[str, Any]]:
        return json.loads((self.root / folder / "results.json").read_text())["cells"]

    def asked_of(self, model: str) -> list[Any]:
        completions = [a for a in self.loopback.asked if a.path.endswith("/completions")]
        return [a for a in completions if a.fields["model"] == model]
