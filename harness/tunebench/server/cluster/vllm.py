"""Replicas whose answers vLLM computes: its own server, a process on the replica's GPU.

The command line, the adapters and the way of a request are tested with a stand-in for ``vllm``.
"""

import asyncio
import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import ray

from tunebench.errors import ConfigurationError, UsageError
from tunebench.local_models import MODELS
from tunebench.server.cluster.calls import Call, Part
from tunebench.server.cluster.connection import node_name, on_node
from tunebench.server.cluster.replica import ReplicaSettings, Tuned

START_SECONDS = 1800  # a large model is read, compiled for and tried out
_MOST_ADAPTERS = 16
_MOST_RANK = 64
_HERE_ONLY = {b"host", b"content-length", b"connection", b"accept-encoding"}
_BACK_ONLY = {b"connection", b"transfer-encoding"}
# Its input closes when the replica's process ends, for any reason; then vLLM has to end as well.
_WATCHED = (
    "sh",
    "-c",
    'exec 3<&0; "$@" & vllm=$!; (cat <&3 >/dev/null; kill $vllm) & wait $vllm',
    "sh",
)


def check_models(sources: Mapping[str, str]) -> None:
    """Refuse what one vLLM cannot serve.

    Raises:
        UsageError: more than one model, or one whose weights are GGUF.
    """
    if len(sources) > 1:
        raise UsageError(
            f"--inference vllm is given {len(sources)} models ({', '.join(sources)})",
            hint="give one --model; its fine-tuned models are served with it",
        )
    for name, source in sources.items():
        if source in MODELS or source.endswith(".gguf"):
            raise UsageError(
                f"--inference vllm cannot serve {name}, whose weights are GGUF",
                hint="give --model NAME=FOLDER, or a Hugging Face id",
            )


def check_nodes(replicas: int) -> None:
    """Refuse a cluster without enough GPUs, or without vLLM beside them.

    Raises:
        ConfigurationError: with what is missing.
    """
    have = int(ray.cluster_resources().get("GPU", 0))
    if have < replicas:
        raise ConfigurationError(
            f"--inference vllm needs {replicas} GPUs, one for each replica, and the cluster has "
            f"{have}",
            hint="add nodes with GPUs, or leave --inference out to compute on CPUs",
        )
    for node in ray.nodes():
        if not (node["Alive"] and node["Resources"].get("GPU")):
            continue
        near = on_node(node["NodeID"])
        find = ray.remote(_program).options(num_cpus=0, max_retries=0, scheduling_strategy=near)
        if ray.get(find.remote(), timeout=60) is None:
            raise ConfigurationError(
                f"the node {node['NodeManagerHostname']} ({node['NodeManagerAddress']}) has a GPU "
                "and no vllm",
                hint="run `pip install vllm` on every node with a GPU",
            )


def _program() -> str | None:
    return shutil.which("vllm")


def command(name: str, source: str, dtype: str, port: int) -> list[str]:
    """The command line of vLLM's server."""
    return [
        *("vllm", "serve", source, "--served-model-name", name),
        *("--host", "127.0.0.1", "--port", str(port), "--dtype", dtype),
        # As the local server's: what was sampled is described, with logit_bias, and no defaults
        # that the model's authors chose for chats.
        *("--logprobs-mode", "processed_logprobs", "--generation-config", "vllm"),
        *("--max-logprobs", "20", "--enable-tokenizer-info-endpoint"),
        *("--enable-lora", "--max-loras", str(_MOST_ADAPTERS), "--max-lora-rank", str(_MOST_RANK)),
    ]


class VllmReplica:
    """Passes calls on to a vLLM of its own; the counterpart of `Replica`."""

    def __init__(self, settings: ReplicaSettings) -> None:
        [(name, source)] = settings.sources.items()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        # Others on the node must not ask without the front's key.
        key = secrets.token_hex(16)
        self._vllm = subprocess.Popen(
            [*_WATCHED, *command(name, source, settings.dtype, port)],
            stdin=subprocess.PIPE,
            env={**os.environ, "VLLM_API_KEY": key, "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True"},
        )
        root, headers = f"http://127.0.0.1:{port}", {"authorization": f"Bearer {key}"}
        self._wait(root)
        self._client = httpx2.AsyncClient(
            base_url=root, headers=headers, timeout=None, trust_env=False
        )
        self._version = 0
        self._loaded: dict[str, asyncio.Task[None]] = {}
        self._folder = Path(tempfile.mkdtemp(prefix="tunebench-adapters-"))

    def __del__(self) -> None:
        if self._vllm.stdin:
            self._vllm.stdin.close()

    async def check_health(self) -> None:
        """Raise if vLLM does not answer any more; Serve then starts another replica."""
        (await self._client.get("/health", timeout=10)).raise_for_status()

    async def answer(
        self, call: Call, name: str, tuned: Tuned, adapter: list[Any]
    ) -> AsyncGenerator[Part, None]:
        """The parts of the answer to a call; the arguments are those of `Replica.answer`."""
        if tuned.version > self._version:
            self._version = tuned.version
            await self._unload(self._loaded.keys() - (await tuned.rows).keys())
        if adapter:
            if name not in self._loaded:
                self._loaded[name] = asyncio.create_task(self._load(name, adapter[0]))
            await self._loaded[name]
        # vLLM has the routes of its tokenizer at the root only.
        path = call.path.removeprefix("/v1") if "token" in call.path else call.path
        request = self._client.build_request(
            call.method,
            f"{path}?{call.query.decode()}" if call.query else path,
            headers=[(key, value) for key, value in call.headers if key not in _HERE_ONLY],
            content=call.body,
        )
        response = await self._client.send(request, stream=True)
        try:
            kept = [pair for pair in response.headers.raw if pair[0].lower() not in _BACK_ONLY]
            yield Part(b"", False, response.status_code, tuple(kept))
            async for block in response.aiter_raw():
                yield Part(block, False)
        finally:
            await response.aclose()

    async def _load(self, name: str, adapter: Any) -> None:
        folder = self._folder / secrets.token_hex(8)
        folder.mkdir()
        try:
            for file, content in (await adapter).items():
                (folder / file).write_bytes(content)
            body = {"lora_name": name, "lora_path": str(folder)}
            response = await self._client.post("/v1/load_lora_adapter", json=body)
            response.raise_for_status()
        except BaseException:
            self._loaded.pop(name, None)  # so that the next call tries again
            shutil.rmtree(folder, ignore_errors=True)
            raise

    async def _unload(self, names: set[str]) -> None:
        for name in names:
            self._loaded.pop(name)
            await self._client.post("/v1/unload_lora_adapter", json={"lora_name": name})

    def _wait(self, root: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        with httpx2.Client(trust_env=False) as client:
            while time.monotonic() < deadline and self._vllm.poll() is None:
                with contextlib.suppress(httpx2.TransportError):
                    if client.get(f"{root}/health").status_code == 200:
                        return
                time.sleep(0.5)
        raise ConfigurationError(
            f"vLLM does not start on the node {node_name()}",
            hint="see the last lines of the replica's log on that node",
        )
