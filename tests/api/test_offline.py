"""A replay looks at nothing of the machine's network set-up, and needs no key."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tunebench.api import Client
from tunebench.cassettes import CassetteFile, blocked_network, use_cassette
from tunebench.errors import CassetteMissError

PROMPTS = ["first prompt", "second prompt"]
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
SETUPS = [
    dict.fromkeys(PROXIES, "socks5://127.0.0.1:9"),
    dict.fromkeys(PROXIES, "ftp://127.0.0.1:9"),
    dict.fromkeys(PROXIES, "no address at all"),
    {"SSL_CERT_FILE": "/nowhere/cert.pem", "SSL_CERT_DIR": "/nowhere"},
    {"SSL_CERT_FILE": __file__, "REQUESTS_CA_BUNDLE": __file__, "CURL_CA_BUNDLE": __file__},
    {"SSLKEYLOGFILE": "/nowhere/keys.log"},
]


@pytest.fixture
def recorded(loopback, tmp_path: Path) -> Path:
    path = tmp_path / "c.jsonl"
    file = CassetteFile(path, experiment="e", recording="c")
    file.start_recording()
    with (
        Client(loopback.url, "sk-any") as client,
        use_cassette(file, before_send=lambda: None, items={}, hint=""),
    ):
        client.complete("m", PROMPTS, {})
    file.close()
    return path


@pytest.mark.parametrize("setup", SETUPS)
@pytest.mark.parametrize("url", ["https://api.example.org/v1", "http://api.example.org/v1"])
def test_a_replay_uses_no_proxy_no_certificate_and_no_key_log(
    loopback, recorded: Path, monkeypatch: pytest.MonkeyPatch, url: str, setup: dict[str, str]
) -> None:
    for name, value in setup.items():
        monkeypatch.setenv(name, value)
        monkeypatch.setenv(name.lower(), value)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    file = CassetteFile(recorded, experiment="e", recording="c")
    with (
        blocked_network("c"),
        Client(url, "replay", offline=True) as client,
        use_cassette(file, before_send=None, items={}, hint="record it"),
    ):
        replies = client.complete("m", PROMPTS, {})
        with pytest.raises(CassetteMissError):
            client.complete("m", ["a third prompt"], {})
    file.close()
    texts = [answer.text for reply in replies for answer in reply.answers]
    assert texts == list(map(loopback.text_of, PROMPTS))


def test_a_key_log_is_not_even_begun(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "keys.log"
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    Client("https://api.example.org/v1", "replay", offline=True).close()
    assert not log.exists()


@pytest.mark.parametrize("setup", SETUPS)
def test_a_server_on_this_machine_is_reached_past_any_proxy(
    loopback, monkeypatch: pytest.MonkeyPatch, setup: dict[str, str]
) -> None:
    for name, value in setup.items():
        monkeypatch.setenv(name, value)
        monkeypatch.setenv(name.lower(), value)
    with Client(loopback.url, "sk-any") as client:
        assert len(client.complete("m", PROMPTS, {})) == 1
    assert len(loopback.asked) == 1


def test_a_library_that_makes_tls_contexts_as_it_is_imported_opens_no_key_log(tmp_path: Path):
    for name in ("__init__", "client"):
        path = tmp_path / "aiohttp" / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            "import ssl\nssl.create_default_context()\nclass ClientSession:\n    _request = None\n"
        )
    code = "import tunebench.cassettes, aiohttp.client, os; print(os.environ['SSLKEYLOGFILE'])"
    path = os.pathsep.join([str(tmp_path), *sys.path])
    environment = {**os.environ, "SSLKEYLOGFILE": "/nowhere/keys.log", "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert done.stdout == "/nowhere/keys.log\n", done.stderr
