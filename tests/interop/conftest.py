"""Servers that others wrote, started on this machine, and a repository that asks them."""

import contextlib
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ..cassette_lines import rows
from ..film_project import TEST, write_films
from ..weights import need_weights

_START_SECONDS = 120
_MODEL = "smollm2-135m"

EXPERIMENT = """
[task]
name = "films"
dataset = "imdb_reviews"
labels = ["Negative", "Positive"]
instruction = "Classify following sentence as Positive or Negative"
test_size = 2

{table}

[[model]]
name = "smollm2-135m"
provider = "other"

[matrix]
shots = [0, 1]
decision_rules = {rules}
"""


def needs(*modules: str) -> None:
    for module in modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed: pip install -e '.[interop]' to run this")
    need_weights(_MODEL)


@dataclass(frozen=True)
class OtherServer:
    """A running server: its API root and the port it has on this machine."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(command: list[str], ready: str, folder: Path) -> Iterator[OtherServer]:
    """Run a server's command on a free port until it answers, and end it afterwards."""
    port = unused_port()
    log = folder / "server.log"
    address = ["--host", "127.0.0.1", "--port", str(port)]
    # Threads that wait for each other are very slow on a machine that does other things beside.
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, *address], cwd=folder, env=env, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + _START_SECONDS
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        while True:
            with contextlib.suppress(OSError), direct.open(f"http://127.0.0.1:{port}{ready}"):
                break
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.2)
        yield OtherServer(port)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def llama_cpp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OtherServer]:
    """`llama-cpp-python[server]` with SmolLM2's own GGUF file."""
    needs("llama_cpp", "uvicorn", "fastapi", "pydantic_settings")
    needs("sse_starlette", "starlette_context")
    from tunebench.server.inference import weights

    path = str(weights.find(_MODEL).path)
    # A prompt of many tokens, which is computed by other instructions than a short one.
    one_answer = "import sys, llama_cpp; llama_cpp.Llama(sys.argv[1])('a film ' * 99, max_tokens=1)"
    if subprocess.run([sys.executable, "-c", one_answer, path]).returncode == -signal.SIGILL:
        pytest.skip("llama-cpp-python is compiled for another processor")
    command = [sys.executable, "-m", "llama_cpp.server", "--n_ctx", "1024", "--n_threads", "1"]
    command += ["--model", path, "--model_alias", _MODEL]
    folder = tmp_path_factory.mktemp("llama-cpp")
    with running(command, "/v1/models", folder) as server:
        yield server


@pytest.fixture(scope="session")
def transformers_serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OtherServer]:
    """`transformers serve` with the same weights as a Hugging Face folder."""
    needs("transformers", "torch", "accelerate", "gguf", "uvicorn", "fastapi", "rich")
    import torch
    import transformers

    from tunebench.server.inference import weights
    from tunebench.server.inference.models import ModelRegistry

    # Loading the model once leaves its converted folder in the cache.
    ModelRegistry({_MODEL: _MODEL}, torch.bfloat16).get(_MODEL)
    found = weights.find(_MODEL)
    folder = tmp_path_factory.mktemp("transformers")
    # It is asked for by the name it was started with, which a path on this machine should not be.
    (folder / _MODEL).symlink_to(
        weights.converted(found, "bfloat16", f"t{transformers.__version__}")
    )
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", _MODEL]
    with running([*command, "--device", "cpu"], "/health", folder) as server:
        yield server


@dataclass
class OtherProject:
    """A user's repository with one experiment whose provider is another's server."""

    pytester: pytest.Pytester
    server: OtherServer

    @property
    def toml(self) -> Path:
        return self.pytester.path / "benchmarks" / "films" / "experiment.toml"

    def record_and_replay(self, cells: int) -> list[dict[str, Any]]:
        """The cells' results, the same when recorded and when replayed without the server."""
        self._run("--record=missing").assert_outcomes(passed=cells)
        recorded = self._written.read_bytes()
        # Nothing listens at the address of the replay.
        text = self.toml.read_text()
        self.toml.write_text(text.replace(str(self.server.port), str(unused_port())))
        self._run().assert_outcomes(passed=cells)
        assert self._written.read_bytes() == recorded
        results: list[dict[str, Any]] = json.loads(recorded)["cells"]
        assert [result["n"] for result in results] == [2] * cells
        return results

    @property
    def _written(self) -> Path:
        return self.pytester.path / "out" / "results.json"

    def rows(self, cell: str) -> list[dict[str, Any]]:
        return rows(self.pytester.path / "cassettes" / "films" / f"{cell}.jsonl")

    def _run(self, *args: str) -> pytest.RunResult:
        return self.pytester.runpytest_subprocess("benchmarks", "--results", "out", *args)


@pytest.fixture
def project(
    pytester: pytest.Pytester, tmp_path_factory: pytest.TempPathFactory, monkeypatch
) -> Callable[..., OtherProject]:
    """Write a repository that asks a server in one way."""

    def project(server: OtherServer, *, table: str, rules: list[str]) -> OtherProject:
        data = tmp_path_factory.mktemp("data")
        write_films(data)
        monkeypatch.setenv("TFDS_DATA_DIR", str(data))
        made = OtherProject(pytester, server)
        made.toml.parent.mkdir(parents=True)
        made.toml.write_text(EXPERIMENT.format(table=table, rules=rules))
        (made.toml.parent / "test_accuracy.py").write_text(TEST)
        pytester.makeconftest('pytest_plugins = ["tunebench.plugin"]')
        return made

    return project
