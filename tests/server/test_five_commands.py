"""From a table to a recorded, replaying, gated benchmark, against the real local provider."""

import csv
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")

TUNEBENCH = [sys.executable, "-c", "import sys; from harness.cli import main; sys.exit(main())"]
PYTEST = [sys.executable, "-m", "pytest", "-p", "harness.plugin"]


class Folder:
    """A user's fresh folder with a table, and what is run in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.experiment = root / "benchmarks" / "evenings" / "experiment.toml"
        with (root / "evenings.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["body", "mood"])
            for i in range(90):
                rows.writerow([f"a {('dull', 'fine')[i % 2]} evening, {i}", ("bad", "good")[i % 2]])

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, timeout=400)

    def edit(self, old: str, new: str) -> None:
        text = self.experiment.read_text()
        assert old in text
        self.experiment.write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, tiny_folders):
    """After the five commands, of which pip's is the first; a tiny model instead of the default."""
    folder = Folder(tmp_path_factory.mktemp("user"))
    made = folder.run(
        *TUNEBENCH, "init", "evenings.csv", "--text", "body", "--label", "mood",
        "--model", tiny_folders["tiny-llama"], "--test-size", "20", "--train-sizes", "24",
        "--shots", "0", "2", "--json",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        folder.edit(":8017/", f":{free.getsockname()[1]}/")
    folder.edit("n_epochs = 4", "n_epochs = 1")
    for line in json.loads(made.stdout)["next"]:
        program, *arguments = line.split()
        done = folder.run(*(PYTEST if program == "pytest" else TUNEBENCH), *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
    folder.replayed = done.stdout
    return folder


@pytest.fixture
def changed(recorded):
    """The same, put back after what a test changes."""
    files = [recorded.experiment, *(recorded.root / "cassettes").rglob("*.jsonl")]
    before = {path: path.read_bytes() for path in files}
    yield recorded
    for path, content in before.items():
        path.write_bytes(content)


def test_five_commands_lead_from_a_table_to_a_replaying_benchmark(recorded):
    assert re.search(r"\b14 passed", recorded.replayed)
    assert "llama-ft24" in recorded.replayed
    baseline = json.loads((recorded.experiment.parent / "baseline.json").read_text())
    assert len(baseline["cells"]) == 6


def test_the_replay_needs_no_provider(recorded):
    environment = {**os.environ, "http_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(
        [*PYTEST, "-q"], cwd=recorded.root, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_a_raised_threshold_fails_the_gate(changed):
    changed.edit("max_regression = 0.05", "max_regression = 0.05\nmin_accuracy = 1.0")
    done = changed.run(*PYTEST, "-q")
    assert done.returncode == 1
    assert "min_accuracy 1" in done.stdout


def test_worse_answers_fail_the_gate(changed):
    """The cassette of the best cell, its answers exchanged: what was right is wrong."""
    baseline = json.loads((changed.experiment.parent / "baseline.json").read_text())
    rule = {k: v["accuracy"] for k, v in baseline["cells"].items() if k.endswith("logprobs")}
    best = max(rule, key=lambda name: rule[name])
    path = changed.root / "cassettes" / "evenings" / f"{best}.jsonl"
    assert rule[best] >= 0.4
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        for choice in row.get("body", {}).get("choices", ()):
            for top in choice["logprobs"]["top_logprobs"]:
                top.update(dict(zip(top, reversed(top.values()), strict=True)))
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    done = changed.run(*PYTEST, "-q", "-k", "test_gates")
    assert done.returncode == 1, done.stdout
    assert "above max_regression 0.05" in done.stdout
