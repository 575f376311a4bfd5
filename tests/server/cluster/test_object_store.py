"""Checkpoints in an object store: the API of S3, answered by moto on loopback."""

import contextlib
import os
import re
import socket
import subprocess
import sys

import pytest

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")
pytest.importorskip("ray", reason="needs the ray extra: pip install -e '.[local,ray]'")
pytest.importorskip("moto.server", reason="needs a server of S3: pip install 'moto[server]'")

import pyarrow.fs

from .conftest import server
from .test_bad_input import refused
from .test_jobs import STEPS, checkpoints, created, messages, rows, waited

EPOCHS = 12


@contextlib.contextmanager
def store(**environment):
    """A store without buckets; what follows a path in a URI of it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stderr=subprocess.DEVNULL,
        env=os.environ | environment,
    ) as process:
        try:
            address = ("127.0.0.1", port)
            waited(lambda: socket.socket().connect_ex(address) == 0, 120)
            yield f"?scheme=http&endpoint_override=127.0.0.1:{port}"
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def bucket(cluster):
    """A store with a bucket: what follows a path, and its files as pyarrow shows them."""
    with store() as rest:
        files, _ = pyarrow.fs.FileSystem.from_uri(f"s3://kept{rest}&allow_bucket_creation=true")
        files.create_dir("kept")
        yield rest, files


def stored(files):
    found = files.get_file_info(pyarrow.fs.FileSelector("kept/here", recursive=True))
    return [one.path for one in found if one.is_file]


def interrupted(options, files, end, job, done):
    """Start a front, and end it when a job has one checkpoint more; the job and its checkpoints."""
    with server(*options) as front, front.client() as client:
        job = job or created(client, EPOCHS)
        waited(lambda: checkpoints(client, job) > done)
        assert client.fine_tuning.jobs.retrieve(job).status == "running"
        assert any(path.endswith("adapter_model.safetensors") for path in stored(files))
        done = checkpoints(client, job)
        getattr(front.worker, end)()
        front.worker.wait(120)
    return job, done


def test_a_front_that_ends_loses_at_most_an_epoch_of_a_job(cluster, tiny_folders, tmp_path, bucket):
    """First killed, then terminated. The checkpoint that the workers continue from is the store's,
    and the model is loaded from it."""
    rest, files = bucket
    models = {"tiny-llama": tiny_folders["tiny-llama"]}
    options = (cluster, models, tmp_path, f"--storage=s3://kept/here{rest}")
    job, first = interrupted(options, files, "kill", None, 0)
    _, second = interrupted(options, files, "terminate", job, first)
    with server(*options) as front, front.client() as client:
        found = rows(client, job)
        assert [row["step"] for row in found] == list(range(1, EPOCHS * STEPS + 1))
        said = messages(client, job)
        again = [
            int(match[1])
            for text in said
            if (match := re.search("restarted; the job continues .* of epoch ([0-9]+)", text))
        ]
        assert all(old <= new < EPOCHS for old, new in zip((first, second), again, strict=True))
        assert sum(text.startswith("Step ") for text in said) <= (EPOCHS + 2) * STEPS
        model = client.fine_tuning.jobs.retrieve(job).fine_tuned_model
        assert client.completions.create(model=model, prompt="a film", max_tokens=1).choices
    waited(lambda: not stored(files), 30)


def test_a_bucket_that_is_not_there_is_one_sentence(cluster, tiny_folders, tmp_path, bucket):
    address = ["--address", cluster.address]
    line = refused(tiny_folders, tmp_path, *address, f"--storage=s3://other/here{bucket[0]}")
    assert line.startswith("error: the storage s3://other/here?")
    assert "cannot be written (Bucket 'other' not found" in line


def test_a_key_that_the_store_does_not_know_is_one_sentence(cluster, tiny_folders, tmp_path):
    with store(INITIAL_NO_AUTH_ACTION_COUNT="0") as rest:
        address = ["--address", cluster.address]
        line = refused(tiny_folders, tmp_path, *address, f"--storage=s3://kept/here{rest}")
    assert "cannot be written (When testing for existence of bucket 'kept': AWS Error ACC" in line


def test_a_store_that_says_nothing_is_one_sentence(cluster, tiny_folders, tmp_path):
    soon = "import runpy; from tunebench.server.cluster import connection; "
    soon += (
        "connection._STORAGE_SECONDS = 3; runpy.run_module('tunebench.server', run_name='__main__')"
    )
    with socket.create_server(("127.0.0.1", 0)) as silent:
        rest = f"?scheme=http&endpoint_override=127.0.0.1:{silent.getsockname()[1]}"
        options = ["--address", cluster.address, f"--storage=s3://kept/here{rest}"]
        line = refused(tiny_folders, tmp_path, *options, program=("-c", soon))
    assert "cannot be written (it does not answer within 3 seconds); give --storage" in line
