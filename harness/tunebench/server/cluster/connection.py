"""The connection to a Ray cluster, checked before anything depends on it.

Ray itself waits long, or without end, where something is missing; each check here has a limit.
"""

import contextlib
import importlib.metadata
import os
import platform
import secrets
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pyarrow.fs
import ray
from packaging.version import Version
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tunebench.errors import ConfigurationError, TunebenchError

LEAST_RAY = "2.50"
_PACKAGES = ("ray", "tunebench", "torch", "transformers", "peft")
_REACH_SECONDS = 10
_NODE_SECONDS = 180
_STORAGE_SECONDS = 60
_START = "start one with `ray start --head`, or give the address of one that runs with --address"


@dataclass(frozen=True)
class Shared:
    """Storage that all nodes can read and write: a folder, or a URI that pyarrow opens."""

    path: str

    def opened(self) -> tuple[Any, str]:
        """The file system, and the path in it."""
        found: tuple[Any, str] = pyarrow.fs.FileSystem.from_uri(self.path)
        return found

    def remove(self, name: str) -> None:
        """Delete a folder, if it is there."""
        files, path = self.opened()
        with contextlib.suppress(FileNotFoundError):
            files.delete_dir(f"{path}/{name}")

    def copy(self, name: str, folder: Path) -> None:
        """Copy a folder's files into one on this machine, only for this user."""
        files, path = self.opened()
        pyarrow.fs.copy_files(f"{path}/{name}", str(folder), source_filesystem=files)
        for file in folder.iterdir():
            file.chmod(0o600)


def connect(address: str, storage: Shared, sources: dict[str, str]) -> list[str]:
    """Connect this process to a cluster; sentences about what its nodes lack.

    Args:
        address: HOST:PORT, or ``auto`` for the cluster that this machine is part of.
        storage: must be readable from every node.
        sources: the models that are served.

    Raises:
        ConfigurationError: there is no cluster, its versions differ, or the storage is not shared.
    """
    check_version(ray.__version__)
    if address != "auto":
        _reach(address)
    address = _as_ray_knows(address)
    _reach(address)
    try:
        ray.init(address, log_to_driver=False, logging_level="ERROR", configure_logging=False)
    except Exception as error:  # Ray raises errors of many classes
        raise ConfigurationError(
            f"the Ray cluster at {address} does not take this process ({_line(error)})",
            hint="run the server on a node of the cluster, with the cluster's Ray and Python",
        ) from error
    return _check_nodes(storage, sources)


def check_version(version: str) -> None:
    """Refuse a Ray that is too old."""
    if Version(version) < Version(LEAST_RAY):
        raise ConfigurationError(
            f"Ray {version} is older than {LEAST_RAY}",
            hint="run `pip install --upgrade 'tunebench[ray]'` here and on every node",
        )


def room_for(each: Mapping[str, int]) -> int:
    """How many things that take so much of one node the nodes can hold, when they are empty."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return sum(
        min(int(node.get(kind, 0)) // number for kind, number in each.items()) for node in nodes
    )


def counted(number: int, kind: str) -> str:
    """How a sentence names a number of what Ray counts."""
    name = {"CPU": "core", "GPU": "GPU"}[kind]
    return f"1 {name}" if number == 1 else f"{number} {name}s"


def on_node(node: str) -> NodeAffinitySchedulingStrategy:
    """The placement on one node and no other."""
    return NodeAffinitySchedulingStrategy(node, soft=False)


def here() -> str:
    """The id of this process's node."""
    return str(ray.get_runtime_context().get_node_id())


def node_name() -> str:
    """How a sentence names this process's node."""
    return f"{socket.gethostname()} ({ray.util.get_node_ip_address()}, {here()[:8]})"


def _as_ray_knows(address: str) -> str:
    """The address that Ray connects to: instead of a loopback address, that of this node."""
    from ray._private.services import canonicalize_bootstrap_address_or_die

    try:
        return str(canonicalize_bootstrap_address_or_die(address))
    except ConnectionError as error:
        raise ConfigurationError("there is no Ray cluster on this machine", hint=_START) from error


def _reach(address: str) -> None:
    """Refuse an address where no cluster answers; Ray would try for minutes."""
    host, _, port = address.rpartition(":")
    try:
        if not host or "/" in host or not port.isdigit():
            raise OSError("it must be HOST:PORT")
        socket.create_connection((host.strip("[]"), int(port)), timeout=_REACH_SECONDS).close()
        with grpc.insecure_channel(address) as channel:
            grpc.channel_ready_future(channel).result(timeout=_REACH_SECONDS)
    except (OSError, OverflowError, grpc.FutureTimeoutError) as error:
        why = str(error) or "what listens there is not Ray"
        raise ConfigurationError(
            f"no Ray cluster answers at {address} ({why})", hint=_START
        ) from error


def _check_nodes(storage: Shared, sources: dict[str, str]) -> list[str]:
    """Compare every node's packages with those of this process, and look for weights there."""
    with _probe(storage) as (name, token):
        task = ray.remote(_report)
        reports = {
            f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']}, {node['NodeID'][:8]})": (
                task.options(
                    num_cpus=0, max_retries=0, scheduling_strategy=on_node(node["NodeID"])
                ).remote(storage, name, sources)
            )
            for node in ray.nodes()
            if node["Alive"]
        }
        warnings = []
        for node, reference in reports.items():
            try:
                found = ray.get(reference, timeout=_NODE_SECONDS)
            except Exception as error:  # of the task, or Ray's own
                raise ConfigurationError(
                    f"the node {node} cannot run tunebench ({_line(error)})",
                    hint="install the same 'tunebench[local,ray]' on every node",
                ) from error
            _check_versions(node, found["versions"])
            if found["token"] != token:
                raise ConfigurationError(
                    f"the node {node} cannot read the storage {storage.path} ({found['token']})",
                    hint="give --storage a path that all nodes share, such as s3://… or a folder "
                    "on a network file system",
                )
            warnings += [
                f"the node {node} has no weights of {model} ({why})"
                for model, why in found["missing"].items()
            ]
    return warnings


def _check_versions(node: str, versions: dict[str, str]) -> None:
    own = versions_here()
    other = [name for name in own if versions[name] != own[name]]
    if other:
        there = ", ".join(f"{name} {versions[name]}" for name in other)
        raise ConfigurationError(
            f"the node {node} has {there}, this machine "
            f"{', '.join(f'{name} {own[name]}' for name in other)}",
            hint="install the same versions on every node",
        )


def versions_here() -> dict[str, str]:
    """The versions that must be equal on all nodes."""
    found = {"Python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "missing"
    return found


def _report(storage: Shared, name: str, sources: dict[str, str]) -> dict[str, Any]:
    """What a node has; runs there."""
    from tunebench.server.inference import weights

    missing = {}
    for model, source in sources.items():
        try:
            weights.find(source)
        except TunebenchError as error:
            missing[model] = str(error)
    try:
        files, path = storage.opened()
        with files.open_input_stream(f"{path}/{name}") as file:
            token = file.read().decode()
    except OSError as error:
        token = type(error).__name__
    return {"versions": versions_here(), "missing": missing, "token": token}


def _write(storage: Shared, name: str, token: str) -> None:
    """Write a file; runs on a node."""
    files, path = storage.opened()
    files.create_dir(path)
    with files.open_output_stream(f"{path}/{name}") as file:
        file.write(token.encode())


@contextlib.contextmanager
def _probe(storage: Shared) -> Iterator[tuple[str, str]]:
    """A file in the storage, while the nodes look for it; its name and content."""
    name, token = f".probe-{os.getpid()}", secrets.token_hex(8)

    # By a process of its own, which ends whatever it waits for.
    task = ray.remote(_write).options(
        num_cpus=0, max_retries=0, scheduling_strategy=on_node(here())
    )
    try:
        ray.get(task.remote(storage, name, token), timeout=_STORAGE_SECONDS)
        files, path = storage.opened()
        with files.open_input_stream(f"{path}/{name}") as file:
            file.read()
    except Exception as error:  # each kind of storage raises its own
        why = f"it does not answer within {_STORAGE_SECONDS} seconds"
        if not isinstance(error, ray.exceptions.GetTimeoutError):
            why = _line(getattr(error, "cause", error))
        raise ConfigurationError(
            f"the storage {storage.path} cannot be written ({why})",
            hint="give --storage a folder or URI that this user may write",
        ) from error
    try:
        yield name, token
    finally:
        files.delete_file(f"{path}/{name}")


def _line(error: Exception) -> str:
    """The last line of an error's text, which in Ray's holds the cause."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip()[:200] if lines else type(error).__name__
