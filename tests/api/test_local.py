import contextlib
import socket
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tunebench.api import local
from tunebench.api.local import LocalProvider
from tunebench.errors import RecordingError

# Stands in for the interpreter that would run the local provider: the command line is the same.
START = """\
import http.server, sys, time

with open({log!r}, "a") as log:
    print(*sys.argv[1:], file=log)
port = int(sys.argv[sys.argv.index("--port") + 1])
{before}

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


@pytest.fixture
def provider() -> Iterator[LocalProvider]:
    provider = LocalProvider()
    yield provider
    provider.stop()


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put a script in the place of the local provider; gives the log of its starts."""

    def command(before: str = "") -> Path:
        log, script, shell = (tmp_path / name for name in ("starts.log", "start.py", "python"))
        script.write_text(START.format(log=str(log), before=before))
        shell.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{script}" "$@"\n')
        shell.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(shell))
        return log

    return command


def answers(port: int) -> bool:
    with contextlib.suppress(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port)).close()
        return True
    return False


def test_an_address_on_another_machine_is_refused(provider, command) -> None:
    log = command()
    with pytest.raises(RecordingError, match=r"'http://example\.org/v1' names another"):
        provider.ensure("http://example.org/v1", ["m"])
    assert not log.exists()


def test_a_provider_that_runs_already_is_used_and_left_running(
    loopback, said, provider, command
) -> None:
    log = command()
    loopback.answer = lambda _: said({"status": "ok"})
    assert not provider.ensure(loopback.url, ["m"])
    provider.stop()
    assert [asked.path for asked in loopback.asked] == ["/health"]
    assert not log.exists()
    provider.ensure(loopback.url, ["m"])


def test_a_proxy_of_the_environment_is_not_used_for_this_machine(
    loopback, said, provider, command, unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = command("sys.exit(1)")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{unused_port}")
    loopback.answer = lambda _: said({"status": "ok"})
    provider.ensure(loopback.url, ["m"])
    assert not log.exists()


def test_it_is_started_waited_for_and_stopped(provider, command, unused_port: int) -> None:
    log = command()
    assert provider.ensure(f"http://127.0.0.1:{unused_port}/v1", ["small", "some/model"])
    assert answers(unused_port)
    assert log.read_text().split() == [
        *("-m", "tunebench.server", "--deterministic", "--stop-with-stdin"),
        *("--host", "127.0.0.1", "--port", str(unused_port)),
        *("--model", "small", "--model", "some/model=some/model"),
    ]
    provider.stop()
    assert not answers(unused_port)


def test_simultaneous_requests_start_it_once_and_wait(provider, command, unused_port: int) -> None:
    log = command("time.sleep(0.3)")
    healthy: list[bool] = []

    def ensure() -> None:
        provider.ensure(f"http://127.0.0.1:{unused_port}/v1", ["m"])
        healthy.append(answers(unused_port))

    threads = [threading.Thread(target=ensure) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert healthy == [True] * 4
    assert len(log.read_text().splitlines()) == 1


def test_it_is_started_again_after_it_ended(provider, command, unused_port: int) -> None:
    log = command()
    for _ in range(2):
        provider.ensure(f"http://127.0.0.1:{unused_port}/v1", ["m"])
        provider.stop()
    assert len(log.read_text().splitlines()) == 2


def test_the_error_quotes_the_last_line_of_one_that_exits(
    provider, command, unused_port: int
) -> None:
    command("print('loading'); sys.exit('there is no model m; known: small')")
    with pytest.raises(RecordingError) as raised:
        provider.ensure(f"http://127.0.0.1:{unused_port}/v1", ["m"])
    assert str(raised.value) == (
        "the local provider ended with status 1: there is no model m; known: small."
    )


def test_one_that_exits_without_output_is_an_error(provider, command, unused_port: int) -> None:
    command("sys.exit(3)")
    with pytest.raises(RecordingError, match="ended with status 3: it said nothing"):
        provider.ensure(f"http://127.0.0.1:{unused_port}/v1", ["m"])


def test_one_that_never_answers_is_stopped(
    provider, command, unused_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = tmp_path / "pid"
    # Its time is over as soon as it has started.
    clock = types.SimpleNamespace(
        monotonic=lambda: 1e9 if pid.exists() and pid.read_text() else 0.0, sleep=time.sleep
    )
    monkeypatch.setattr(local, "time", clock)
    command(f"import os; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(600)")
    with pytest.raises(RecordingError, match=f"at http://127.0.0.1:{unused_port}/health"):
        provider.ensure(f"http://127.0.0.1:{unused_port}/v1", ["m"])
    assert not Path(f"/proc/{pid.read_text()}").exists()


def test_another_server_at_the_address_is_not_a_provider(provider, command) -> None:
    command("sys.exit('address in use')")
    with socket.create_server(("127.0.0.1", 0)) as other:

        def greet() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = other.accept()
                    connection.recv(1000)
                    connection.sendall(b"220 mail.example.org ready\r\n")
                    connection.close()

        threading.Thread(target=greet, daemon=True).start()
        with pytest.raises(RecordingError, match="address in use"):
            provider.ensure(f"http://127.0.0.1:{other.getsockname()[1]}/v1", ["m"])


def test_starting_imports_neither_server_nor_model_code() -> None:
    seen = subprocess.run(
        [sys.executable, "-c", "import tunebench.api.local, sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    ).stdout.split()
    assert not {"torch", "transformers", "fastapi", "tunebench.server"} & set(seen)
