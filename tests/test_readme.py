"""What the README shows is what the commands print."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tunebench import Experiment

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def replay(name, folder):
    """What a replay of an experiment prints."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", f"benchmarks/{name}", "-q", "-p", "no:cacheprovider",
         "--rivals", "--results", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


def tables(printed):
    lines = printed.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("model "))
    end = next(i for i, line in enumerate(lines) if line.startswith("results: "))
    return "\n".join(lines[start:end])


@pytest.fixture(scope="module")
def results(imdb_replay):
    return json.loads((imdb_replay / "results.json").read_text())


def test_the_tables_are_what_replaying_prints(imdb_replay, results):
    cells = Experiment.read(ROOT / "benchmarks/imdb/experiment.toml").cells
    assert len(results["cells"]) == len(cells)
    assert tables((imdb_replay / "printed.txt").read_text()) in README


@pytest.mark.parametrize("name", ["tickets", "sentences"])
def test_the_examples_tables_are_what_replaying_prints(name, tmp_path):
    assert tables(replay(name, tmp_path)) in README


def test_every_figure_of_the_answer_is_in_the_results(results):
    section = README.partition("## The answer")[2].partition("\n## ")[0]
    stated = set(re.findall(r"[+-]?\d+\.\d+(?:e-\d+)?", section))
    known = set()
    for row in [*results["cells"], *results["baselines"], *results["uplifts"]]:
        for value in row.values():
            if isinstance(value, float):
                known |= {f"{value:{form}}" for form in (".2f", ".3f", "+.2f", "+.3f", ".2g")}
        if row.get("training_seconds"):
            known.add(f"{row['training_seconds'] / 60:.1f}")
    assert len(stated) > 5
    assert stated <= known


def test_the_experiment_shown_can_be_read(tmp_path):
    (toml,) = blocks("toml")
    assert tomllib.loads(toml)
    path = tmp_path / "experiment.toml"
    path.write_text(toml, encoding="utf-8")
    assert "smollm2-135m-1shot" in map(str, Experiment.read(path).cells)


def test_the_test_shown_is_the_one_in_use():
    (shown,) = (block for block in blocks("python") if "def test_accuracy" in block)
    assert shown == (ROOT / "benchmarks/imdb/test_accuracy.py").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "link", sorted(set(re.findall(r"`((?:benchmarks|harness)/[\w./]+)`", README)))
)
def test_paths_named_exist(link):
    assert (ROOT / link).exists()
