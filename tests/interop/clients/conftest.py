"""A server of tunebench's own, and what other people's clients got from it."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ...server.conftest import make_model, make_tokenizer
from ...weights import need_weights
from ..conftest import OtherServer, running
from .environments import CLIENTS, FEATURES, SCRIPTS, Client

ASKED: dict[str, Any] = json.loads((SCRIPTS / "asked.json").read_text())
RESULTS = Path(__file__).with_name("results.json")
_SECONDS = 600  # for all features of a client
_ran: dict[str, dict[str, str]] = {}
_versions: dict[str, str] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-clients",
        action="store_true",
        help="write what the clients of this run could do to tests/interop/clients/results.json",
    )


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that answers, and is trained, in a moment."""
    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = make_tokenizer(bos=False)
    tokenizer.save_pretrained(folder)
    make_model("llama", len(tokenizer)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def server_of(
    tiny: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Client], OtherServer]]:
    """Start the server that a client is for; there are two, one with a single model."""
    started: dict[bool, OtherServer] = {}
    need_weights(ASKED["embedder"])
    with contextlib.ExitStack() as stack:

        def server_of(client: Client) -> OtherServer:
            if client.alone not in started:
                folder = tmp_path_factory.mktemp("served")
                command = [sys.executable, "-m", "tunebench.server", "--deterministic"]
                command += ["--dtype", "float32", "--data-dir", str(folder / "data")]
                command += ["--model", f"{ASKED['model']}={tiny}"]
                if not client.alone:
                    command += ["--model", ASKED["embedder"]]
                server = stack.enter_context(running(command, "/health", folder))
                started[client.alone] = server
            return started[client.alone]

        yield server_of


@pytest.fixture(scope="session")
def answers_of(
    server_of: Callable[[Client], OtherServer], tiny: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Client], dict[str, dict[str, Any]]]:
    """What a client's script printed for each feature; it runs once."""
    known: dict[str, dict[str, dict[str, Any]]] = {}

    def answers_of(client: Client) -> dict[str, dict[str, Any]]:
        if client.name not in known:
            folder = tmp_path_factory.mktemp("client")
            known[client.name] = _run(client, server_of(client).url, tiny, folder)
        return known[client.name]

    return answers_of


def _run(client: Client, url: str, tiny: Path, folder: Path) -> dict[str, dict[str, Any]]:
    # Neither the user's keys and settings nor a hub: only the server is there to be asked.
    kept = {key: value for key, value in os.environ.items() if not key.endswith("_API_KEY")}
    for key in ("PYTHONPATH", "PYTHONHOME", "http_proxy", "https_proxy", "all_proxy"):
        kept.pop(key, None), kept.pop(key.upper(), None)
    env = {
        **kept,
        "HOME": str(folder),
        "OPENAI_BASE_URL": url,
        "OPENAI_API_KEY": "any",
        "CLIENT_VARIANT": client.variant,
        "TOKENIZER": str(tiny),
        "HF_HUB_OFFLINE": "1",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        [*client.command(), *client.features],
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    version, *lines = map(json.loads, done.stdout.splitlines())
    _versions[client.name] = version["version"]
    return {line["feature"]: line for line in lines}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    if report.when == "call" and (case := getattr(item, "callspec", None)):
        client, feature = case.params["client"], case.params["feature"]
        _ran.setdefault(client.name, {})[feature] = "PASS" if report.passed else "FAIL"
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Take the clients that ran with all features into the results; other rows stay."""
    if not session.config.getoption("--write-clients", default=False):
        return
    old = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    rows = {row["client"]: row for row in old}
    for client in CLIENTS:
        outcomes = _ran.get(client.name, {})
        if set(outcomes) == set(client.features) and client.name in _versions:
            features = {text: outcomes.get(one, "—") for one, text in FEATURES.items()}
            version = _versions[client.name]
            rows[client.name] = {"client": client.name, "version": version, "features": features}
    written = [rows[client.name] for client in CLIENTS if client.name in rows]
    RESULTS.write_text(json.dumps(written, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
