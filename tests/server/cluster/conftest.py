"""A Ray cluster of three nodes on this machine, and servers on it.

All is started and stopped here; without Ray each file is skipped in one line.
"""

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ..conftest import Served

HARNESS = Path(__file__).parents[3] / "harness"
NODE = {"num_cpus": 2, "object_store_memory": 80 << 20}


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("ray")


@contextlib.contextmanager
def started_cluster(nodes, **more):
    """A cluster of so many nodes, whose processes import this tree."""
    from ray.cluster_utils import Cluster

    before = dict(os.environ)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["OMP_NUM_THREADS"] = "1"
    # For a store on loopback, which takes any; and AWS is not asked for others.
    os.environ |= {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HARNESS), before.get("PYTHONPATH", "")])
    made = Cluster(
        initialize_head=True, head_node_args={**NODE, **more, "include_dashboard": False}
    )
    try:
        for _ in range(nodes - 1):
            made.add_node(**NODE)
        yield made
    finally:
        made.shutdown()
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def server(cluster, models, folder, *options, start=(sys.executable, "-m", "tunebench.server")):
    """A server's process on the cluster, which has said where it serves."""
    command = [*start, "--port", "0", "--dtype", "float32"]
    command += ["--engine", "ray", "--address", cluster.address, "--data-dir", str(folder)]
    command += [f"--model={name}={source}" for name, source in models.items()]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as process:
        try:
            url = re.search(r"http://\S+", process.stdout.readline())[0]
            yield Served(url, None, process)
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def cluster():
    pytest.importorskip("ray", reason="needs the ray extra: pip install -e '.[local,ray]'")
    with started_cluster(3) as made:
        yield made


@pytest.fixture(scope="session")
def served(cluster, tiny_folders, tmp_path_factory):
    """Two replicas, and jobs of one worker, of which four run at the same time."""
    folder = tmp_path_factory.mktemp("ray")
    with server(
        cluster, tiny_folders, folder, "--replicas=2", "--training-jobs=4", "--max-body=1048576"
    ) as made:
        made.folder = folder
        yield made


@pytest.fixture(scope="session")
def client(served):
    with served.client() as made:
        yield made
