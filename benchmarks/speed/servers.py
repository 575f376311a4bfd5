"""Servers that `local_provider.py` measures: ours, and those of others that are installed."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai

AT_ONCE = 8
START_SECONDS = 300
CORES = os.cpu_count() or 1
MODEL = "smollm2-135m"
LLAMA, SERVE = "llama-cpp-python", "transformers serve"
PYTHON = {
    LLAMA: os.environ.get("TUNEBENCH_LLAMA_CPP_PYTHON", sys.executable),
    SERVE: os.environ.get("TUNEBENCH_TRANSFORMERS_PYTHON", sys.executable),
}


class Servers:
    """Running servers by name, and how each is asked."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self.clients: dict[str, openai.OpenAI] = {}
        self.versions: dict[str, str] = {}

    def start(self, name: str, command: list[str], ready: str, **env: str) -> None:
        """Start a server and wait until it answers."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        log = self._folder / f"{len(self.clients)}.log"
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            cwd=self._folder,
            env={**os.environ, "HF_HUB_OFFLINE": "1", **env},
            stdout=log.open("wb"),
            stderr=subprocess.STDOUT,
        )
        self._stack.callback(process.wait)
        self._stack.callback(process.terminate)
        deadline = time.monotonic() + START_SECONDS
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        while True:
            with contextlib.suppress(OSError), direct.open(f"http://127.0.0.1:{port}{ready}"):
                break
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"{name} does not start: {log.read_text()[-2000:]}")
            time.sleep(0.2)
        self.clients[name] = self._stack.enter_context(
            openai.OpenAI(
                base_url=f"http://127.0.0.1:{port}/v1", api_key="-", max_retries=0, timeout=600
            )
        )

    def start_ours(self, name: str, *options: str, **env: str) -> None:
        command = [sys.executable, "-m", "tunebench.server", "--model", MODEL]
        data = {"TUNEBENCH_DATA_DIR": str(self._folder / "data")}
        self.start(name, [*command, "--dtype", "bfloat16", *options], "/health", **data, **env)

    def start_others(self) -> None:
        """Those of the other servers that are installed."""
        import torch
        import transformers

        from tunebench.server.inference import weights
        from tunebench.server.inference.models import ModelRegistry

        found = weights.find(MODEL)
        if version := self._installed(LLAMA, "llama_cpp", "llama_cpp.server"):
            command = [PYTHON[LLAMA], "-m", "llama_cpp.server", "--model", str(found.path)]
            command += ["--model_alias", MODEL, "--n_ctx", "2048"]
            command += ["--n_threads", str(CORES), "--n_threads_batch", str(CORES)]
            self.start(LLAMA, command, "/v1/models")
            self.versions[LLAMA] = version
        if version := self._installed(SERVE, "transformers", "accelerate, uvicorn, fastapi, rich"):
            # Loading the model once leaves its folder in the cache.
            ModelRegistry({MODEL: MODEL}, torch.bfloat16).get(MODEL)
            library = f"t{transformers.__version__}"
            link = self._folder / MODEL
            link.symlink_to(weights.converted(found, "bfloat16", library))
            command = [PYTHON[SERVE], "-m", "transformers.cli.transformers", "serve", MODEL]
            self.start(SERVE, [*command, "--device", "cpu"], "/health")
            self.versions[SERVE] = version

    def _installed(self, name: str, module: str, others: str) -> str | None:
        code = f"import {module}, {others}; print({module}.__version__)"
        done = subprocess.run([PYTHON[name], "-c", code], capture_output=True, text=True)
        if done.returncode:
            print(f"{name} is not installed and is left out.", file=sys.stderr)
            return None
        return done.stdout.split()[-1]

    def ask(self, name: str, prompts: list[str], tokens: int) -> int:
        """Ask each prompt in a request of its own, eight at once; the number of new tokens."""

        def one(prompt: str) -> int:
            answer = self.clients[name].completions.create(
                model=MODEL, prompt=prompt, max_tokens=tokens, temperature=0
            )
            return answer.usage.completion_tokens if answer.usage else tokens

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return sum(pool.map(one, prompts))
