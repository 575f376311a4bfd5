"""From a table to a recorded, replaying, gated benchmark, against the real local provider."""

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
from ..evening_tables import MOODS, TABLES

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")

TUNEBENCH = [
    sys.executable,
    "-c",
    "import sys; from tunebench.cli import main; sys.exit(main())",
]
PYTEST = [sys.executable, "-m", "pytest", "-p", "tunebench.plugin"]


class Folder:
    """A user's fresh folder with a table, and what is run in it."""

    def __init__(self, root: Path, table: str = "evenings.csv") -> None:
        self.root = root
        self.experiment = root / "benchmarks" / "evenings" / "experiment.toml"
        TABLES[table][0](root / table)
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

    def follow(self, next_lines: list[str]) -> str:
        """Run the commands that `init` names; the output of the last one, the replay."""
        for line in next_lines:
            assert not self.provider_answers()
            program, *arguments = line.split()
            done = self.run(*(PYTEST if program == "pytest" else TUNEBENCH), *arguments)
            assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

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
    folder.replayed = folder.follow(json.loads(made.stdout)["next"])
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
        f"{name}: accuracy 0.000 is {len(right) / 20:.3f} below the baseline's "
        f"{len(right) / 20:.3f} ({len(right)} texts lost, 0 gained" in done.stdout
    )
    assert "above max_regression 0.05, and more than chance shows" in done.stdout
    assert "1 failed, 3 passed" in done.stdout


@pytest.mark.parametrize("table", [name for name in TABLES if name != "evenings.csv"])
def test_other_files_that_people_have_lead_there_too(tmp_path, tiny_folders, table):
    folder = Folder(tmp_path, table)
    columns = TABLES[table][1]
    named = () if columns is None else ("--text", columns[0], "--label", columns[1])
    made = folder.run(
        *TUNEBENCH, "init", table, *named, "--name", "evenings",
        "--model", tiny_folders["tiny-llama"], "--test-size", "20", "--train-sizes", "0",
        "--shots", "0", "--json",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    report = json.loads(made.stdout)
    assert (report["rows"], sum(report["labels"].values())) == (len(MOODS), len(MOODS))
    folder.edit(":8017/", f":{folder.port}/")
    notes = "\n".join(report["notes"])
    if "messy" in table:
        assert re.search(rf"{table}, lines? \d+", notes)
        (most,) = set(re.findall(r"max_chars = (\d+)", notes))
        folder.edit("[task]\n", f"[task]\nmax_chars = {most}\n")
    else:
        assert "max_chars" not in notes
    assert re.search(r"\b2 passed", folder.follow(report["next"]))
    labels = json.loads((folder.experiment.parent / "baseline.json").read_text())["labels"]
    assert labels == (["false", "true"] if "parquet" in table else ["bad", "good"])
