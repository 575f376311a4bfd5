"""What the README shows is what the commands print."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from harness import Experiment

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_the_table_is_what_replaying_prints():
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "benchmarks/imdb", "-q", "-p", "no:cacheprovider"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("model "))
    rows = len(Experiment.read(ROOT / "benchmarks/imdb/experiment.toml").cells)
    assert "\n".join(lines[start : start + 1 + rows]) in README


def test_the_experiment_shown_can_be_read(tmp_path):
    (toml,) = blocks("toml")
    assert tomllib.loads(toml)
    path = tmp_path / "experiment.toml"
    path.write_text(toml, encoding="utf-8")
    assert "smollm2-135m-1shot" in map(str, Experiment.read(path).cells)


def test_the_test_shown_is_the_one_in_use():
    (shown,) = (block for block in blocks("python") if "parametrize" in block)
    assert shown == (ROOT / "benchmarks/imdb/test_accuracy.py").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "link", sorted(set(re.findall(r"`((?:benchmarks|harness)/[\w./]+)`", README)))
)
def test_paths_named_exist(link):
    assert (ROOT / link).exists()
