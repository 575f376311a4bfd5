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

from tunebench.datasets.splitting import item_id

from ..cassette_lines import change_lines

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")

TUNEBENCH = [
    sys.executable,
    "-c",
    "import sys; from tunebench.cli import main; sys.exit(main())",
]
PYTEST = [sys.executable, "-m", "pytest", "-p", "tunebench.plugin"]
MOODS = {f"a {('dull', 'fine')[i % 2]} evening, {i}": ("bad", "good")[i % 2] for i in range(90)}


class Folder:
    """A user's fresh folder with a table, and what is run in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.experiment = root / "benchmarks" / "evenings" / "experiment.toml"
        with (root / "evenings.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("body", "mood"), *MOODS.items()])
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        # One thread: of a tiny model's work most would be waiting for the others.
        own = {"TUNEBENCH_DATA_DIR": str(self.root / "server"), "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            command, cwd=self.root, env=os.environ | own, capture_output=True, text=True,
            timeout=240,
        )  # fmt: skip

    def edit(self, old: str, new: str) -> None:
        text = self.experiment.read_text()
        assert old in text
        self.experiment.write_text(text.replace(old, new))

    def provider_answers(self) -> bool:
        with socket.socket() as asked:
            return asked.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, tiny_folders):
    """After the five commands, of which pip's is the first; a tiny model instead of the default."""
    folder = Folder(tmp_path_factory.mktemp("user"))
    made = folder.run(
        *TUNEBENCH, "init", "evenings.csv", "--text", "body", "--label", "mood",
        "--model", tiny_folders["tiny-llama"], "--test-size", "20", "--train-sizes", "24",
        "--shots", "0", "--json",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    folder.edit(":8017/", f":{folder.port}/")
    folder.edit("n_epochs = 4", "n_epochs = 1")
    for line in json.loads(made.stdout)["next"]:
        assert not folder.provider_answers()
        program, *arguments = line.split()
        done = folder.run(*(PYTEST if program == "pytest" else TUNEBENCH), *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
    folder.replayed = done.stdout
    return folder


def test_five_commands_lead_from_a_table_to_a_benchmark_that_replays_offline(recorded):
    assert re.search(r"\b6 passed", recorded.replayed)
    assert "llama-ft24" in recorded.replayed
    baseline = json.loads((recorded.experiment.parent / "baseline.json").read_text())
    assert len(baseline["cells"]) == 4


def test_worse_answers_fail_the_gate(recorded):
    """In the better cell's cassette, the answers that were right are made wrong."""
    baseline = json.loads((recorded.experiment.parent / "baseline.json").read_text())
    cells = {name: c for name, c in baseline["cells"].items() if name.endswith("logprobs")}
    name = max(cells, key=lambda name: cells[name]["accuracy"])
    labels = {item_id(text): baseline["labels"].index(mood) for text, mood in MOODS.items()}
    right = {item for item, said in cells[name]["predictions"].items() if said == labels[item]}
    assert len(right) >= 8
    path = recorded.root / "cassettes" / "evenings" / f"{name}.jsonl"
    kept = path.read_text()

    def worsen(row):
        if row.get("item") in right:
            (top,) = row["answer"]["logprobs"]["top_logprobs"]
            top.update(zip(list(top), reversed(list(top.values())), strict=True))

    change_lines(path, worsen)
    done = recorded.run(*PYTEST, "-q", "-k", "test_gates")
    path.write_text(kept)
    assert done.returncode == 1, done.stdout
    assert (
        f"{name}: accuracy 0.000 is +{len(right) / 20:.3f} below the baseline's "
        f"{len(right) / 20:.3f} ({len(right)} texts lost, 0 gained" in done.stdout
    )
    assert "above max_regression 0.05, and more than chance shows" in done.stdout
    assert "1 failed, 3 passed" in done.stdout
