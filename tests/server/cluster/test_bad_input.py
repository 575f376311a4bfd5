"""What cannot work on a cluster is one sentence, soon."""

import http.server
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")
pytest.importorskip("ray", reason="needs the ray extra: pip install -e '.[local,ray]'")

from tunebench.errors import ConfigurationError

from .conftest import NODE, server
from .test_jobs import created, ended


def refused(tiny_folders, folder, *options, program=("-m", "tunebench.server")):
    """The sentence with which the command ends."""
    command = [sys.executable, *program, "--engine", "ray", "--port", "0", "--data-dir"]
    command += [str(folder), f"--model=tiny={tiny_folders['tiny-llama']}", *options]
    made = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert made.returncode == 2, made.stderr
    [line] = [one for one in made.stderr.splitlines() if one.startswith("error: ")]
    assert "Traceback" not in made.stderr
    return line


def test_nothing_listens(tiny_folders, tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        line = refused(tiny_folders, tmp_path, "--address", address)
    assert line.startswith(f"error: no Ray cluster answers at {address} (")
    assert "ray start --head" in line


def test_another_server_listens(tiny_folders, tmp_path):
    other = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    address = f"127.0.0.1:{other.server_port}"
    try:
        line = refused(tiny_folders, tmp_path, "--address", address)
    finally:
        other.shutdown()
        other.server_close()
    assert line.startswith(f"error: no Ray cluster answers at {address} (what listens there")


def test_a_cluster_that_listens_on_loopback_alone(tiny_folders, tmp_path):
    """Ray asks a node at its own address, whatever address of it is given."""
    import grpc
    import ray

    node = ray.util.get_node_ip_address()
    if node.startswith("127."):
        pytest.skip("this machine has no address but the loopback one")
    other = grpc.server(ThreadPoolExecutor(1))
    port = other.add_insecure_port("127.0.0.1:0")
    other.start()
    try:
        line = refused(tiny_folders, tmp_path, "--address", f"127.0.0.1:{port}")
    finally:
        other.stop(None)
    assert line.startswith(f"error: no Ray cluster answers at {node}:{port} (")


@pytest.mark.parametrize(
    "address", ["here", "127.0.0.1:", "127.0.0.1:99999999", "ray://127.0.0.1:10001"]
)
def test_no_address(tiny_folders, tmp_path, address):
    line = refused(tiny_folders, tmp_path, "--address", address)
    assert line.startswith(f"error: no Ray cluster answers at {address} (")


def test_no_cluster_on_this_machine(monkeypatch, tmp_path):
    from ray._private import services

    from tunebench.server.cluster import connection

    monkeypatch.setattr(services, "find_gcs_addresses", set)
    monkeypatch.setattr(services, "get_ray_address_from_environment", lambda *_: None)
    with pytest.raises(ConfigurationError, match="there is no Ray cluster on this machine"):
        connection.connect("auto", connection.Shared(str(tmp_path)), {})


def test_an_older_ray():
    from tunebench.server.cluster import connection

    with pytest.raises(ConfigurationError, match=r"Ray 2\.9\.3 is older than 2\.50"):
        connection.check_version("2.9.3")
    connection.check_version("2.50.0")


def test_no_ray(tiny_folders, tmp_path):
    program = "import runpy, sys; sys.modules['ray'] = None; sys.argv[0] = 'x'; "
    program += "runpy.run_module('tunebench.server', run_name='__main__')"
    line = refused(tiny_folders, tmp_path, program=("-c", program))
    assert line.startswith("error: --engine ray needs the ray extra; run")
    assert "pip install 'tunebench[local,ray]'" in line


def test_storage_that_cannot_be_written(cluster, tiny_folders, tmp_path):
    (tmp_path / "file").touch()
    path = str(tmp_path / "file" / "folder")
    line = refused(tiny_folders, tmp_path, "--address", cluster.address, "--storage", path)
    assert line.startswith(f"error: the storage {path} cannot be written (")


def test_more_replicas_than_the_cluster_has_cores_for(cluster, tiny_folders, tmp_path):
    line = refused(tiny_folders, tmp_path, "--address", cluster.address, "--replicas=70")
    assert line.startswith(
        "error: --replicas 70 with --threads 1 needs 70 cores, and the cluster has 6; give"
    )


def test_unequal_versions(cluster, tiny_folders, tmp_path):
    """A node that finds the metadata of another version first."""
    other = tmp_path / "other"
    (other / "tunebench-99.0.dist-info").mkdir(parents=True)
    (other / "tunebench-99.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: tunebench\nVersion: 99.0\n"
    )
    path = os.pathsep.join([str(other), os.environ["PYTHONPATH"]])
    node = cluster.add_node(**NODE, env_vars={"PYTHONPATH": path})
    try:
        line = refused(tiny_folders, tmp_path, "--address", cluster.address)
    finally:
        cluster.remove_node(node)
    assert re.search(
        r"the node .*, [0-9a-f]{8}\) has tunebench 99\.0, this machine tunebench", line
    )


def test_a_job_and_a_model_that_the_cluster_cannot_hold(cluster, tiny_folders, tmp_path):
    """A server whose model is lost after the start, and whose jobs have too many workers."""
    copy = tmp_path / "copy"
    shutil.copytree(tiny_folders["tiny-llama"], copy)
    options = ["--workers=50"]
    with server(cluster, {"tiny-llama": str(copy)}, tmp_path / "data", *options) as served:
        shutil.rmtree(copy)
        with served.client() as client:
            with pytest.raises(openai.BadRequestError, match="The job needs 50 cores, and the"):
                created(client, 1)
            with pytest.raises(openai.InternalServerError, match=r"On the node .*: ") as found:
                client.completions.create(model="tiny-llama", prompt="a")
            assert str(copy) not in str(found.value)


def test_a_job_without_weights(cluster, tiny_folders, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(tiny_folders["tiny-llama"], copy)
    with server(cluster, {"tiny-llama": str(copy)}, tmp_path / "data") as served:
        shutil.rmtree(copy)
        with served.client() as client:
            job = ended(client, created(client, 1))
            assert job.status == "failed"
            assert re.match(r"On the node .*, [0-9a-f]{8}\): ", job.error.message)
