"""`pytest --record` starts the local provider, records its answers and stops it."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from tunebench.local_models import data_folder, server_key

from ..cassette_lines import requests, rows

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")

EXPERIMENT = """
[task]
name = "real"
dataset = "imdb_reviews"
labels = ["Negative", "Positive"]
instruction = "Classify following sentence as Positive or Negative"
test_size = {texts}

[provider.local]
base_url = "http://127.0.0.1:{port}/v1"
supports = ["logprobs", "logit_bias", "tokenize"]

[[model]]
name = "small"
id = "smollm2-135m"
provider = "local"

[matrix]
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
def project(tmp_path, data_dir, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(data_dir))
    folder = tmp_path / "benchmarks" / "real"
    folder.mkdir(parents=True)
    (folder / "test_accuracy.py").write_text(TEST)
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["tunebench.plugin"]\n')
    return tmp_path


def write_experiment(project, texts):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    toml = project / "benchmarks" / "real" / "experiment.toml"
    toml.write_text(EXPERIMENT.format(port=port, texts=texts))
    return port


def run(project, *options):
    return subprocess.run(
        [sys.executable, "-m", "pytest", "benchmarks", "-q", *options],
        cwd=project,
        capture_output=True,
        text=True,
    )


def written(path):
    return path.read_text(errors="replace")


def listens(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2):
            return True
    except OSError:
        return False


def test_the_local_provider_is_started_recorded_and_stopped(project):
    port = write_experiment(project, texts=2)
    recorded = run(project, "--record=missing", "--results", "recorded")
    assert recorded.returncode == 0, recorded.stdout + recorded.stderr
    assert "small-0shot" in recorded.stderr  # the progress bar
    assert not listens(port)
    key = server_key(data_folder())
    assert not [one for one in project.rglob("*") if one.is_file() and key in written(one)]

    last = requests(project / "cassettes" / "real" / "small-0shot.jsonl")[-1]
    assert last["server"].endswith("_deterministic")
    assert last["model"] == "smollm2-135m"

    replayed = run(project, "--results", "replayed")
    assert replayed.returncode == 0, replayed.stdout
    for name in ("results.json", "results.csv"):
        assert (project / "recorded" / name).read_bytes() == (
            project / "replayed" / name
        ).read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="kills with SIGKILL")
def test_a_killed_recording_leaves_no_server_running(project):
    port = write_experiment(project, texts=50)
    command = [sys.executable, "-m", "pytest", "benchmarks", "-q", "--record=missing"]
    with subprocess.Popen(command, cwd=project, stdout=subprocess.DEVNULL) as process:
        path = project / "cassettes" / "real" / "small-0shot.jsonl"
        while not path.exists() or len(rows(path)) < 2:
            assert process.poll() is None
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
    deadline = time.monotonic() + 120
    while listens(port):
        assert time.monotonic() < deadline
        time.sleep(0.1)
