"""A user's repository with small experiments on tables of its own."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from .printed import unwrapped
from .results_schema import fits

EXPERIMENT = """
[task]
name = "{name}"
dataset = "{table}"
labels = ["cat", "dog"]
instruction = "Say which it is"
test_share = 0.4
test_size = 10

[provider.standin]
base_url = "{url}"
supports = ["lists", "logprobs", "fine_tuning"]
retries = 0

[[model]]
name = "{model}"
provider = "standin"

[matrix]
shots = {shots}
"""

TEST = """
import pytest
from tunebench import Experiment

experiment = Experiment.read({toml!r})


@pytest.mark.parametrize("cell", experiment.cells, ids=str)
def test_accuracy(cell, evaluate):
    result = evaluate(cell)
    assert result.accuracy >= cell.min_accuracy, result.explain()
"""


class Pets:
    """A user's repository; whether a pet is a cat or a dog follows from its number.

    Attributes:
        root: the repository.
        wrong: names of models that are wrong each time; all others are right.
    """

    def __init__(self, pytester: pytest.Pytester, loopback: Any) -> None:
        self.pytester, self.loopback, self.root = pytester, loopback, pytester.path
        self.wrong: set[str] = set()
        loopback.answer = self.answer
        pytester.makeconftest('pytest_plugins = ["tunebench.plugin"]')

    def answer(self, asked: Any) -> Any:
        said = self.loopback.complete(asked)
        for choice, prompt in zip(said.body.get("choices", ()), asked.prompts, strict=False):
            odd = int(re.findall(r"number (\d+)", prompt)[-1]) % 2
            wrong = asked.fields["model"] in self.wrong
            choice["text"] = " cat" if odd != wrong else " dog"
        return said

    def write_table(self, path: str = "pets.csv", rows: int = 60, odd: str = "cat") -> None:
        """Write a table; `odd` is the label of the pets with an odd number."""
        even = {"cat": "dog", "dog": "cat"}[odd]
        lines = [f"my pet number {i} likes to play,{(even, odd)[i % 2]}\n" for i in range(rows)]
        (self.root / path).write_text("text,label\n" + "".join(lines))

    def add(
        self,
        folder: str = "benchmarks/pets",
        name: str = "pets",
        *,
        model: str = "m",
        shots: str = "[0]",
        toml: str = "experiment.toml",
        test: str | None = TEST,
        more: str = "",
    ) -> Path:
        """Write an experiment with its test file and, once, the table; the experiment's path."""
        if not (self.root / "pets.csv").exists():
            self.write_table()
        path = self.root / folder / toml
        path.parent.mkdir(parents=True, exist_ok=True)
        table = "../" * len(Path(folder).parts) + "pets.csv"
        path.write_text(
            EXPERIMENT.format(
                name=name, table=table, url=self.loopback.url, model=model, shots=shots
            )
            + more
        )
        if test is not None:
            stem = "_".join([*Path(folder).parts, path.stem])
            (path.parent / f"test_{stem}.py").write_text(test.format(toml=str(path)))
        return path

    def run(self, *args: str) -> pytest.RunResult:
        return unwrapped(self.pytester.runpytest_inprocess(*args))

    def record(self, *args: str) -> pytest.RunResult:
        return self.run("--record=missing", *args)

    def results(self, folder: str = "out") -> dict[str, Any]:
        return fits(json.loads((self.root / folder / "results.json").read_text()))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
