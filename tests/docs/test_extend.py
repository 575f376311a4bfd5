"""«Extend tunebench», done as it says in a copy of the package, and then used."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from .pages import DOCS, ROOT, blocks

PAGE = blocks(DOCS / "how-to/extend.md")
TEST = """
import pytest
from tunebench import Experiment

experiment = Experiment.beside(__file__)


@pytest.mark.parametrize("cell", experiment.prompted_cells, ids=str)
def test_gates(cell, gate):
    gate(cell)
"""


def change(path: Path, diff: str) -> None:
    """Apply a diff that has no line numbers; what it changes is in the file once."""
    lines = diff.rstrip("\n").split("\n")
    before = "".join(f"{line[1:]}\n" for line in lines if line[0] in " -")
    after = "".join(f"{line[1:]}\n" for line in lines if line[0] in " +")
    text = path.read_text(encoding="utf-8")
    assert text.count(before) == 1, f"{path}:\n{before}"
    path.write_text(text.replace(before, after), encoding="utf-8")


@pytest.fixture
def copied(tmp_path):
    """A copy of the package's source root, changed as the page says."""
    root = tmp_path / "clone"
    shutil.copytree(
        ROOT / "harness", root / "harness", ignore=shutil.ignore_patterns("__pycache__")
    )
    for block in PAGE:
        path = root / block.caption
        if block.language == "diff":
            change(path, block.text)
        elif block.language == "python":
            assert not path.exists(), path
            path.write_text(block.text, encoding="utf-8")
    return root / "harness"


@pytest.fixture
def repository(tmp_path, loopback, said):
    """A user's repository with the page's experiment, whose model chats."""
    root = tmp_path / "user"
    (experiment,) = (block for block in PAGE if block.language == "toml")
    toml = root / experiment.caption
    toml.parent.mkdir(parents=True)
    toml.write_text(experiment.text.replace("http://127.0.0.1:8000/v1", loopback.url))
    (toml.parent / "test_pets.py").write_text(TEST)
    rows = [f"{('meow', 'woof')[i % 2]} number {i},{('cat', 'dog')[i % 2]}" for i in range(90)]
    (root / "pets.csv").write_text("\n".join(["text,label", *rows, ""]))

    def answer(asked):
        answered = loopback.complete(asked)
        for choice, prompt in zip(answered.body.get("choices", ()), asked.prompts, strict=False):
            choice["text"] = " Dog, I think" if "woof" in prompt else " Cat, I think"
        return answered

    loopback.answer = answer
    return root


def run(repository, copied, *options):
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tunebench.plugin", "-p", "no:cacheprovider",
         "-q", "benchmarks/pets", *options],
        cwd=repository,
        env=os.environ | {"PYTHONPATH": str(copied)},
        capture_output=True,
        text=True,
    )  # fmt: skip


def test_a_change_takes_no_more_than_its_own_file_and_a_list():
    added = {block.caption for block in PAGE if block.language == "python"}
    lists = {block.caption for block in PAGE if block.language == "diff"}
    assert len(added) == 4
    assert Counter(Path(path).name for path in lists) == {
        "fields.py": 1,
        "schema.py": 1,
        "__init__.py": 2,
    }
    for path in added:
        assert not (ROOT / path).exists()
    for path in lists:
        assert (ROOT / path).is_file()


def test_what_the_page_adds_is_used(copied, repository):
    recorded = run(repository, copied, "--record=missing")
    assert recorded.returncode == 1, recorded.stdout + recorded.stderr
    done = run(repository, copied, "--rivals", "--results", "results")
    assert done.returncode == 1, done.stdout + done.stderr
    results = json.loads((repository / "results/results.json").read_text(encoding="utf-8"))

    text, prefix = results["cells"]
    assert (prefix["cell"], prefix["decision_rule"]) == ("some-model-0shot-prefix", "prefix")
    assert prefix["accuracy"] == 1
    assert prefix["readings"] == {"prefix": 10}
    assert text["accuracy"] == 0

    verdicts = {cell["cell"]: cell["gates"][0]["verdict"] for cell in results["cells"]}
    assert verdicts == {"some-model-0shot": "fail", "some-model-0shot-prefix": "pass"}
    assert "10 of 10 answers state no label, above max_unread 0.1" in done.stdout

    (rival,) = (row for row in results["rivals"] if row["model"] == "naive Bayes")
    assert (rival["train_size"], rival["accuracy"]) == (20, 1)
    assert "naive Bayes" in done.stdout

    page = (repository / "results/report.html").read_text(encoding="utf-8")
    (section,) = re.findall(
        r'<section [^>]*aria-labelledby="[\w-]*readings">.*?</section>', page, re.DOTALL
    )
    assert "prefix: 10" in section


def test_what_the_page_adds_passes_the_checks_of_the_project(copied):
    clone = copied.parent
    for name in ("pyproject.toml", ".importlinter"):
        shutil.copy(ROOT / name, clone / name)
    programs = Path(sys.executable).parent
    touched = sorted({block.caption for block in PAGE if block.language in ("python", "diff")})
    for command in (
        ["ruff", "check", "--no-cache", *touched],
        ["ruff", "format", "--no-cache", "--check", *touched],
        ["lint-imports", "--no-cache"],
    ):
        done = subprocess.run(
            [programs / command[0], *command[1:]],
            cwd=clone,
            env=os.environ | {"PYTHONPATH": str(copied)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
