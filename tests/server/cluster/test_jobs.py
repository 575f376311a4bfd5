"""Jobs on several nodes: at the same time, by several workers, and when a node is lost."""

import base64
import csv
import io
import json
import re
import time

import pytest

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")
pytest.importorskip("ray", reason="needs the ray extra: pip install -e '.[local,ray]'")

from ..test_fine_tuning import server as local_server
from .conftest import NODE, server

# Lengths differ, so that batches do; 33 rows, so that the last batch has one only.
ROWS = [
    {"prompt": f"{i} the film was {'very ' * (i % 5)}{word} ->", "completion": f" {label}"}
    for i in range(17)
    for word, label in [("good", "Positive"), ("bad", "Negative")]
][:33]
DATA = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
STEPS = 5
ON_NODE = re.compile(r"is on the node .*, ([0-9a-f]{8})\)")


def created(client, epochs, **more):
    file = client.files.create(file=("a.jsonl", DATA), purpose="fine-tune")
    return client.fine_tuning.jobs.create(
        model="tiny-llama",
        training_file=file.id,
        validation_file=file.id,
        seed=1,
        hyperparameters={"n_epochs": epochs, "learning_rate_multiplier": 5},
        **more,
    ).id


def waited(condition, seconds=300):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def ended(client, job):
    active = ("validating_files", "queued", "running")
    waited(lambda: client.fine_tuning.jobs.retrieve(job).status not in active)
    return client.fine_tuning.jobs.retrieve(job)


def messages(client, job):
    """All messages of a job, the oldest first."""
    return [event.message for event in client.fine_tuning.jobs.list_events(job, limit=1000)][::-1]


def rows(client, job):
    """The metrics of every step of a job that has succeeded."""
    found = ended(client, job)
    assert found.status == "succeeded", messages(client, job)[-5:]
    [name] = found.result_files
    text = base64.b64decode(client.files.content(name).read()).decode()
    return [
        {key: float(value) for key, value in row.items() if value}
        for row in csv.DictReader(io.StringIO(text))
    ]


def nodes_of(client, job):
    found = (ON_NODE.search(message) for message in messages(client, job))
    return [match[1] for match in found if match]


def checkpoints(client, job):
    return len(client.fine_tuning.jobs.checkpoints.list(job, limit=100).data)


@pytest.fixture(scope="module")
def local_rows(tiny_folders, tmp_path_factory):
    """Of three epochs on the local engine."""
    with local_server(tiny_folders, tmp_path_factory.mktemp("local")) as client:
        yield rows(client, created(client, 3))


def test_four_jobs_train_at_once_and_a_lost_node_costs_at_most_an_epoch(cluster, client):
    """Equal jobs, so that an interrupted one must end as the others do."""
    epochs = 25
    jobs = [created(client, epochs) for _ in range(4)]
    where = {job: waited(lambda job=job: nodes_of(client, job))[0] for job in jobs}
    status = [client.fine_tuning.jobs.retrieve(job).status for job in jobs]
    assert status == ["running"] * 4
    assert len(set(where.values())) == 3
    [head] = [node.node_id[:8] for node in cluster.list_all_nodes() if node is cluster.head_node]
    lost = next(job for job in jobs if where[job] != head)
    saved = waited(lambda: checkpoints(client, lost))
    [node] = [one for one in cluster.list_all_nodes() if one.node_id[:8] == where[lost]]
    cluster.remove_node(node, allow_graceful=False)
    cluster.add_node(**NODE)

    found = {job: rows(client, job) for job in jobs}
    assert all(one == found[jobs[0]] for one in found.values())
    assert len(found[lost]) == epochs * STEPS
    [again] = [text for text in messages(client, lost) if "was lost" in text]
    began = re.fullmatch(
        r"A worker or its node was lost; the job continues from the checkpoint of epoch (\d+)\.",
        again,
    )
    assert saved <= int(began[1]) < epochs
    steps = [text for text in messages(client, lost) if text.startswith("Step ")]
    assert len(steps) <= (epochs + 1) * STEPS
    assert nodes_of(client, lost)[-1] != where[lost]
    assert len(client.fine_tuning.jobs.checkpoints.list(lost, limit=100).data) == epochs


def test_one_worker_trains_as_the_local_engine(client, local_rows):
    """Float32; the number of threads may differ, and with it the order of sums."""
    found = rows(client, created(client, 3))
    assert len(found) == len(local_rows)
    for mine, other in zip(found, local_rows, strict=True):
        assert mine == pytest.approx(other, rel=1e-4, abs=1e-5)


def test_a_cancelled_job_ends_and_frees_its_core(client):
    job = created(client, 100)
    waited(lambda: nodes_of(client, job))
    assert client.fine_tuning.jobs.cancel(job).status == "cancelled"
    after = created(client, 1)
    assert ended(client, after).status == "succeeded"
    assert client.fine_tuning.jobs.retrieve(job).status == "cancelled"


def test_two_workers_train_as_one(cluster, tiny_folders, tmp_path_factory, local_rows):
    """Their shares' gradients are summed in another order: losses agree to 0.1 % in float32."""
    folder = tmp_path_factory.mktemp("two")
    with (
        server(cluster, tiny_folders, folder, "--workers=2") as served,
        served.client() as client,
    ):
        job = created(client, 3)
        found = rows(client, job)
        assert any("first of 2 workers" in text for text in messages(client, job))
    assert [row["step"] for row in found] == [row["step"] for row in local_rows]
    for mine, other in zip(found, local_rows, strict=True):
        assert mine["elapsed_tokens"] == other["elapsed_tokens"]
        losses = {key: value for key, value in mine.items() if key.endswith("_loss")}
        assert losses == pytest.approx({key: other[key] for key in losses}, rel=1e-3)
