"""The clients that are tried, each in an environment of its own.

`python tests/interop/clients/environments.py` makes all of them, or those that are named, in
`$TUNEBENCH_CLIENTS` or the folder `clients` of the user's cache. Only these are run by the tests.
"""

import json
import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunebench.local_models import cache_folder

FEATURES = {
    "models": "models",
    "completions": "completions",
    "lists": "lists of prompts",
    "logprobs": "log-probabilities",
    "chat": "chat",
    "stream": "streamed chat",
    "chat_logprobs": "log-probabilities of a chat",
    "json_schema": "JSON schema",
    "tools": "tools",
    "responses": "responses",
    "embeddings": "embeddings",
    "fine_tuning": "fine-tuning",
    "tokenizer": "tokenizer",
}
"""What is tried, with its heading in the table."""

SCRIPTS = Path(__file__).with_name("scripts")


@dataclass(frozen=True)
class Client:
    """A client, the script that uses it as its users do, and the features that it has.

    Attributes:
        environment: the name of its folder, which clients of the same packages share.
        variant: what the script is told, where it is that of several clients.
        alone: whether it wants a server of one model.
    """

    name: str
    script: str
    packages: tuple[str, ...]
    features: tuple[str, ...]
    environment: str
    variant: str = ""
    alone: bool = False

    @property
    def folder(self) -> Path:
        """Of its environment."""
        root = os.environ.get("TUNEBENCH_CLIENTS")
        return (Path(root) if root else cache_folder() / "clients") / self.environment

    @property
    def is_there(self) -> bool:
        """Whether the environment was made, with the packages that are wanted now."""
        note = self._note
        return note.is_file() and json.loads(note.read_text()) == list(self.packages)

    @property
    def _note(self) -> Path:
        return self.folder / "made.json"

    @property
    def _is_node(self) -> bool:
        return self.script.endswith(".mjs")

    def make(self) -> None:
        """Install the packages; CalledProcessError where that fails."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        if self._is_node:
            command = ["npm", "install", "--no-audit", "--no-fund", "--silent", *self.packages]
            subprocess.run(command, cwd=self.folder, check=True)
        elif uv := shutil.which("uv"):
            subprocess.run([uv, "venv", "-q", "-p", sys.executable, self.folder], check=True)
            command = [uv, "pip", "install", "-q", "-p", str(self.folder), *self.packages]
            subprocess.run(command, check=True)
        else:
            venv.create(self.folder, with_pip=True)
            command = [self.folder / "bin" / "python", "-m", "pip", "install", "-q"]
            subprocess.run([*command, *self.packages], check=True)
        self._note.write_text(json.dumps(self.packages))

    def command(self) -> list[str]:
        """Runs the script, which wants the names of features as further arguments."""
        if not self._is_node:
            return [str(self.folder / "bin" / "python"), str(SCRIPTS / self.script)]
        # Node looks for packages beside the script.
        for name in ("asked.json", "answering.mjs", self.script):
            shutil.copy(SCRIPTS / name, self.folder)
        return ["node", str(self.folder / self.script)]


def _client(
    name: str, script: str, packages: str, features: str, environment: str = "", **others: Any
) -> Client:
    known = tuple(one for one in FEATURES if one in features.split())
    assert len(known) == len(features.split()), features
    return Client(name, script, tuple(packages.split()), known, environment or name, **others)


_GENERATION = (
    "completions lists logprobs chat stream chat_logprobs json_schema tools responses embeddings"
)
_OPENAI = f"models {_GENERATION} fine_tuning"

CLIENTS = [
    _client("openai-python", "ask_openai.py", "openai", _OPENAI),
    _client("openai-node", "ask_openai.mjs", "openai zod", _OPENAI),
    _client(
        "ai",
        "ask_ai.mjs",
        "ai @ai-sdk/openai @ai-sdk/openai-compatible zod",
        "completions chat stream json_schema tools responses embeddings",
    ),
    _client(
        "litellm",
        "ask_litellm.py",
        "litellm",
        _GENERATION,
    ),
    _client(
        "langchain-openai",
        "ask_langchain.py",
        "langchain-openai",
        _GENERATION,
    ),
    _client(
        "llama-index OpenAILike",
        "ask_llama_index.py",
        "llama-index-llms-openai-like",
        "completions chat stream chat_logprobs json_schema tools",
        "llama-index",
    ),
    _client("llm", "ask_llm.py", "llm", "completions chat stream json_schema responses"),
    _client("instructor", "ask_instructor.py", "instructor", "json_schema tools"),
    _client(
        "dspy",
        "ask_dspy.py",
        "dspy numpy",
        "completions chat chat_logprobs json_schema responses embeddings fine_tuning",
    ),
    _client(
        "lm-eval",
        "ask_lm_eval.py",
        "lm-eval[api]",
        "completions lists logprobs chat tokenizer",
        alone=True,
    ),
    _client(
        "inspect_ai, openai/",
        "ask_inspect_ai.py",
        "inspect-ai openai",
        "chat chat_logprobs json_schema tools responses",
        "inspect-ai",
        variant="openai/",
    ),
    _client(
        "inspect_ai, openai-api/",
        "ask_inspect_ai.py",
        "inspect-ai openai",
        "completions chat chat_logprobs json_schema tools responses",
        "inspect-ai",
        variant="openai-api/local/",
    ),
    _client(
        "promptfoo",
        "ask_promptfoo.mjs",
        "promptfoo",
        "completions chat chat_logprobs json_schema tools responses embeddings",
    ),
    # The pinned release first: a bare torch would bring a CUDA build of several gigabytes.
    _client("guidellm", "ask_guidellm.py", "torch==2.13.0 guidellm", "completions chat"),
]
"""The clients, in the order of the table."""


def main(names: list[str]) -> int:
    """Make the environments of the clients with these names, or of all; 1 if one failed."""
    failed = []
    for client in CLIENTS:
        if (not names or client.name in names) and not client.is_there:
            print(f"{client.name}: {client.folder}", flush=True)
            try:
                client.make()
            except (OSError, subprocess.CalledProcessError) as error:
                failed.append(client.name)
                print(f"{client.name}: {error}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
