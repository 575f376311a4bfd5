"""The API key: made once, for this user only, and needed by all but the user's own programs."""

import http.client
import os
import re
import socket
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from tunebench.errors import ConfigurationError
from tunebench.local_models import client_key, server_key

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")

from tunebench.server.http import own_user

from .conftest import serving
from .test_serve_command import run

KEY = "a key of some length"
LINUX = sys.platform == "linux" and own_user._can_tell()
needs_linux = pytest.mark.skipif(not LINUX, reason="only Linux tells whose a connection is")


def request(connection, port, authorization=None):
    """The status of a request for the models on a connection."""
    client = http.client.HTTPConnection("localhost", port)
    client.sock = connection
    headers = {} if authorization is None else {"Authorization": authorization}
    client.request("GET", "/v1/models", headers=headers)
    answer = client.getresponse()
    answer.read()
    return answer.status


@pytest.fixture(scope="module")
def keyed(tiny_folders):
    with serving(tiny_folders, api_key=KEY, own_user_free=True) as provider:
        yield provider


@pytest.fixture
def connection(keyed):
    """A connection to the server, and its port."""
    port = int(keyed.url.removesuffix("/v1").rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=120) as made:
        yield made, port


@needs_linux
def test_the_own_user_needs_no_key(connection):
    for authorization in (None, "Bearer none", f"bearer {KEY}"):
        assert request(*connection, authorization) == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's connection")
@needs_linux
def test_another_user_needs_the_key(keyed):
    port = int(keyed.url.removesuffix("/v1").rpartition(":")[2])
    with socket.socket() as foreign:
        os.fchown(foreign.fileno(), 65534, 65534)
        foreign.settimeout(120)
        foreign.connect(("127.0.0.1", port))
        assert request(foreign, port) == 401
        assert request(foreign, port, "Bearer none") == 401
        assert request(foreign, port, f"BEARER {KEY}") == 200


def test_everybody_needs_the_key_where_the_system_does_not_tell(keyed, monkeypatch):
    monkeypatch.setattr(own_user, "_can_tell", lambda: False)
    answer = httpx2.get(f"{keyed.url}/models")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert "--data-dir" in answer.json()["error"]["message"]
    assert httpx2.get(keyed.url.replace("/v1", "/health")).status_code == 200
    right = {"Authorization": f"Bearer {KEY}"}
    assert httpx2.get(f"{keyed.url}/models", headers=right).status_code == 200


@needs_linux
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["4", "6"])
def test_only_a_living_connection_of_the_own_user_is_its_own(family, monkeypatch):
    class Transport:
        def get_extra_info(self, name):
            return getattr(accepted, f"get{name}")()

    address = "::1" if family == socket.AF_INET6 else "127.0.0.1"
    with socket.create_server((address, 0), family=family) as listener:
        client = socket.create_connection(listener.getsockname()[:2])
        accepted = listener.accept()[0]
        with accepted:
            assert own_user.is_own_user(Transport())
            with monkeypatch.context() as patch:
                patch.setattr(os, "geteuid", lambda: 12345)
                assert not own_user.is_own_user(Transport())
            # The kernel shows a socket without a process as root's.
            client.close()
            assert not own_user.is_own_user(Transport())


@pytest.fixture
def started(tiny_folders, tmp_path):
    """Start the command with a data folder of its own; the process and the lines it prints."""
    processes = []

    def start(lines, *options):
        command = [sys.executable, "-m", "tunebench.server", "--port", "0", *options]
        command += ["--model", f"tiny={tiny_folders['tiny-llama']}"]
        process = subprocess.Popen(
            [*command, "--data-dir", str(tmp_path / "a b")], stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        return [process.stdout.readline() for _ in range(lines)]

    yield start
    for process in processes:
        process.terminate()
        process.communicate(timeout=120)


def test_the_command_makes_a_key_and_says_where_it_is_and_how_it_is_sent(started, tmp_path):
    path = tmp_path / "a b" / "api-key"
    ready, about = started(2)
    assert about == (
        f"key: {path}; other users and containers send it, as with OPENAI_API_KEY=$(cat '{path}')\n"
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["api-key"]
    url = re.search(r"http://\S+", ready)[0]
    shown = subprocess.run(
        ["sh", "-c", f"{about.partition('with ')[2].strip()}; echo $OPENAI_API_KEY"],
        capture_output=True,
        text=True,
    )
    right = {"Authorization": f"Bearer {shown.stdout.strip()}"}
    assert httpx2.get(f"{url}/models", headers=right).status_code == 200
    assert httpx2.get(f"{url}/models").status_code == (200 if LINUX else 401)
    assert server_key(path.parent) == shown.stdout.strip()


@pytest.mark.parametrize(
    ("host", "own"),
    [
        *((host, True) for host in ("127.0.0.1", "::1", "localhost.", "127.0.0.2")),
        *((host, False) for host in ("0.0.0.0", "::", "192.168.7.7", "example.org")),
    ],
)
def test_the_own_user_needs_the_key_where_any_name_leads_to_the_server(host, own):
    """There a page of another site, in this user's browser, is not told from a program."""
    from tunebench.server.command import _is_loopback

    assert _is_loopback(host) == own


def test_a_key_that_is_given_is_needed_by_the_own_user_too(started, tmp_path):
    [ready] = started(1, "--api-key", KEY)
    url = re.search(r"http://\S+", ready)[0]
    for key, status in [("none", 401), (KEY, 200)]:
        headers = {"Authorization": f"Bearer {key}"}
        assert httpx2.get(f"{url}/models", headers=headers).status_code == status
    told = httpx2.get(f"{url}/models").json()["error"]["message"]
    assert "the one that it was started with" in told
    assert not (tmp_path / "a b" / "api-key").exists()


def test_programs_that_start_at_the_same_moment_have_one_key(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(server_key, [tmp_path / "new" / "data"] * 8))
    assert len(keys) == 1
    assert len(keys.pop()) >= 32
    assert os.listdir(tmp_path / "new" / "data") == ["api-key"]


@pytest.mark.parametrize("content", [b"", b"short\n", "ü".encode() * 20, b"two lines\n" * 3])
def test_a_file_that_holds_no_key_is_an_error_in_one_line(tmp_path, content):
    (tmp_path / "api-key").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"api-key: the local server's key must be a line"):
        server_key(tmp_path)
    ended = run("--port", "0", "--model", "x", "--data-dir", str(tmp_path)) if not content else None
    assert ended is None or (ended.returncode, ended.stderr.count("\n")) == (2, 1)


def test_clients_take_the_key_of_this_machine_only(tmp_path, monkeypatch):
    monkeypatch.setenv("TUNEBENCH_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("TUNEBENCH_API_KEY", raising=False)
    assert client_key("http://provider.example:8017/v1") is None
    assert not (tmp_path / "data").exists()
    assert client_key("http://localhost:8017/v1") == server_key(tmp_path / "data")
    monkeypatch.setenv("TUNEBENCH_API_KEY", KEY)
    assert client_key("http://127.0.0.1:1/v1") == KEY
    assert client_key("http://provider.example/v1") is None


def test_clients_make_no_key_in_a_folder_that_others_can_use(tmp_path, monkeypatch):
    monkeypatch.setenv("TUNEBENCH_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("TUNEBENCH_API_KEY", raising=False)
    tmp_path.chmod(0o755)
    assert client_key("http://127.0.0.1:8017/v1") is None
    assert not list(tmp_path.iterdir())
