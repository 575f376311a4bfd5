"""`pytest --record` fine-tunes at the local provider, can be stopped, and replays without it."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .. import cassette_lines

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")

EXPERIMENT = """
[task]
name = "real"
dataset = "imdb_reviews"
labels = ["Negative", "Positive"]
instruction = "Classify following sentence as Positive or Negative"
test_size = 4

[provider.local]
base_url = "http://127.0.0.1:{port}/v1"

[[model]]
name = "small"
id = '{model}'
provider = "local"

[matrix]
train_sizes = [20]
decision_rules = ["text", "label_logprobs"]

[fine_tuning]
n_epochs = {epochs}
seed = 1
extra_body = {{ max_tokens = 16, classification_positive_class = " Positive" }}
"""

TUNEBENCH = "import sys; from tunebench.cli import main; sys.exit(main())"

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
    monkeypatch.setenv("TUNEBENCH_DATA_DIR", str(tmp_path / "jobs"))
    folder = tmp_path / "benchmarks" / "real"
    folder.mkdir(parents=True)
    (folder / "test_accuracy.py").write_text(TEST)
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["tunebench.plugin"]\n')
    return tmp_path


def write_experiment(project, model, epochs, endpoint="completions"):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    toml = project / "benchmarks" / "real" / "experiment.toml"
    text = EXPERIMENT.format(port=port, model=model, epochs=epochs)
    toml.write_text(text.replace('/v1"', f'/v1"\nendpoint = "{endpoint}"'))


def command(*options):
    return [sys.executable, "-m", "pytest", "benchmarks", "-q", *options]


def run(project, *options):
    return subprocess.run(command(*options), cwd=project, capture_output=True, text=True)


def jobs_of(project):
    with sqlite3.connect(project / "jobs" / "tunebench.sqlite3") as connection:
        return [json.loads(text) for (text,) in connection.execute("SELECT object FROM jobs")]


def test_a_job_is_recorded_with_its_cells_and_replays(project, tiny_folders):
    write_experiment(project, tiny_folders["tiny-llama"], epochs=2)
    recorded = run(project, "--record=missing", "--results", "recorded")
    assert recorded.returncode == 0, recorded.stdout + recorded.stderr
    assert "small-ft20: fine-tuning" in recorded.stderr
    assert "The job has successfully completed" in recorded.stderr

    [job] = jobs_of(project)
    assert job["metadata"]["cell"] == "small-ft20"
    assert job["hyperparameters"]["n_epochs"] == 2
    requests = cassette_lines.requests(Path(job_cassette(project)))
    endpoints = [request["endpoint"] for request in requests]
    assert endpoints.count("POST files") == 2
    assert endpoints.count("POST fine_tuning/jobs") == 1

    replayed = run(project, "--results", "replayed")
    assert replayed.returncode == 0, replayed.stdout
    for name in ("results.json", "results.csv"):
        assert (project / "recorded" / name).read_bytes() == (
            project / "replayed" / name
        ).read_bytes()
    cells = json.loads((project / "replayed" / "results.json").read_text())["cells"]
    tuned = [cell for cell in cells if cell["train_size"]]
    assert [cell["decision_rule"] for cell in tuned] == ["text", "label_logprobs"]
    assert {cell["fine_tuned_model"] for cell in tuned} == {job["fine_tuned_model"]}
    assert {cell["trained_tokens"] for cell in tuned} == {job["trained_tokens"]}

    curve = tunebench(project, "curves", "--json", job_cassette(project))["rows"]
    assert [row["step"] for row in curve] == [1, 2, 3, 4]
    assert 0 <= curve[-1]["classification/accuracy"] <= 1


def test_a_job_that_the_command_ran_is_replayed_by_it_without_a_provider(project, tiny_folders):
    write_experiment(project, tiny_folders["tiny-llama"], epochs=1)
    (recorded,) = tunebench(project, "fine-tune", "--json", "benchmarks/real")["jobs"]
    [job] = jobs_of(project)
    assert (recorded["id"], recorded["recorded"]) == (job["id"], "now")
    assert recorded["states"][-1] == job["status"] == "succeeded"
    assert recorded["fine_tuned_model"] == job["fine_tuned_model"]
    assert sorted(path.name for path in (project / "cassettes").rglob("*.jsonl")) == [
        "small-ft20.jsonl"
    ]

    # Without its jobs a provider could only start another one.
    (project / "jobs").rename(project / "gone")
    (replayed,) = tunebench(project, "fine-tune", "--json", "benchmarks/real")["jobs"]
    assert replayed == recorded | {"recorded": "before"}
    assert not (project / "jobs").exists()


def test_a_model_is_trained_and_asked_by_chat_and_replays(project, tiny_folders):
    write_experiment(project, tiny_folders["tiny-llama"], epochs=1, endpoint="chat")
    recorded = run(project, "-k", "ft20", "--record=missing", "--results", "recorded")
    assert recorded.returncode == 0, recorded.stdout + recorded.stderr
    [job] = jobs_of(project)
    assert job["status"] == "succeeded"
    for file in (project / "jobs" / "files").iterdir():
        if b'"messages"' in file.read_bytes():
            break
    else:
        pytest.fail("no file of messages was uploaded")

    replayed = run(project, "-k", "ft20", "--results", "replayed")
    assert replayed.returncode == 0, replayed.stdout
    results = [(project / name / "results.json").read_bytes() for name in ("recorded", "replayed")]
    assert results[0] == results[1]
    cells = {cell["cell"]: cell for cell in json.loads(results[1])["cells"]}
    assert list(cells) == ["small-ft20", "small-ft20-label_logprobs"]
    assert {cell["fine_tuned_model"] for cell in cells.values()} == {job["fine_tuned_model"]}
    assert cells["small-ft20-label_logprobs"]["readings"] == {"likeliest": 4}
    asked = cassette_lines.requests(project / "cassettes" / "real" / "small-ft20.jsonl")
    assert {request["endpoint"] for request in asked if "tokenize" not in request["endpoint"]} == {
        "POST chat/completions"
    }


def tunebench(project, *args):
    done = subprocess.run(
        [sys.executable, "-c", TUNEBENCH, *args], cwd=project, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def job_cassette(project):
    return str(project / "cassettes" / "real" / "jobs" / "small-ft20.jsonl")


@pytest.mark.skipif(sys.platform == "win32", reason="stops with SIGINT")
def test_a_stopped_recording_continues_with_the_same_job(project, tiny_folders):
    write_experiment(project, tiny_folders["tiny-llama"], epochs=20)
    with subprocess.Popen(
        command("--record=missing"), cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        deadline = time.monotonic() + 300
        while not list((project / "jobs" / "jobs").glob("*/epoch-2")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGINT)
        said = process.communicate(timeout=300)[0].decode()
    assert process.returncode == 2, said
    assert "no longer following the job" in said
    [stopped] = jobs_of(project)
    assert stopped["status"] != "succeeded"

    resumed = run(project, "--record=missing")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    [job] = jobs_of(project)
    assert (job["id"], job["status"]) == (stopped["id"], "succeeded")
    assert run(project).returncode == 0
