"""What a job asks of the nodes: a GPU, and room in a cluster that has lost some."""

import inspect
import sys

import openai
import pytest

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")
pytest.importorskip("ray", reason="needs the ray extra: pip install -e '.[local,ray]'")

from .conftest import NODE, server, started_cluster
from .test_bad_input import refused
from .test_jobs import created, ended, messages, nodes_of, waited


@pytest.fixture(scope="module")
def small():
    """A cluster of one node."""
    with started_cluster(1) as made:
        yield made


def test_a_job_for_a_gpu_goes_to_its_node_and_fails_where_torch_finds_none(
    small, tiny_folders, tmp_path
):
    """Ray takes a node's word for its GPU."""
    node = small.add_node(**NODE, num_gpus=1)
    with (
        server(small, tiny_folders, tmp_path, "--training-device=gpu") as served,
        served.client() as client,
    ):
        job = ended(client, created(client, 1))
        assert job.status == "failed"
        assert job.error.message.startswith("Ray has a GPU on the node ")
        assert f", {node.node_id[:8]}), and PyTorch finds none there; inst" in job.error.message
        small.remove_node(node)
        sentence = "The job needs 1 GPU, and the cluster has 0 for jobs; add nodes"
        with pytest.raises(openai.BadRequestError, match=sentence):
            created(client, 1)


def test_a_replica_that_is_larger_than_every_node(small, tiny_folders, tmp_path):
    node = small.add_node(**NODE)
    line = refused(tiny_folders, tmp_path, "--address", small.address, "--threads=3")
    small.remove_node(node)
    assert line == (
        "error: each of 1 replicas needs 3 cores of one node, and the nodes have room for 0; give "
        "fewer --replicas or --threads, or add larger nodes."
    )


def test_a_job_says_what_it_waits_for_and_fails_when_the_nodes_do_not_come_back(
    small, tiny_folders, tmp_path
):
    """The times are shorter than a user's."""
    program = inspect.cleandoc(
        """
        import runpy
        from tunebench.server.cluster import runs
        runs._WORD_SECONDS, runs._CAPACITY_SECONDS = 1, 10
        runpy.run_module("tunebench.server", run_name="__main__")
        """
    )
    node = small.add_node(**NODE)
    options = ["--workers=3", "--training-jobs=2"]
    start = [sys.executable, "-c", program]
    with (
        server(small, tiny_folders, tmp_path, *options, start=start) as served,
        served.client() as client,
    ):
        first = created(client, 100)
        waited(lambda: nodes_of(client, first))
        second = created(client, 100)
        room = "The job waits until the cluster has room for 3 workers with 1 core each."
        waited(lambda: room in messages(client, second))
        assert room not in messages(client, first)
        small.remove_node(node, allow_graceful=False)
        problem = (
            "The job needs 3 cores, and the cluster has 2 for jobs; add nodes, or start the server "
            "with fewer --workers or --replicas."
        )
        for job in (first, second):
            found = ended(client, job)
            assert (found.status, found.error.code) == ("failed", "too_few_resources")
            assert found.error.message == problem
            said = f"{problem} The job waits 10 seconds, and then fails."
            assert messages(client, job)[-2:] == [said, problem]
