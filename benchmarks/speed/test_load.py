"""The local provider under load: 200 clients, and what a client can do to make it slow for others.

`test_200_clients` prints the requests, those that were refused with 429, all errors, and the
server's memory after the warm-up and at the end. Each case of `test_abuse` prints the longest
answer of `/health` before and during one kind of abuse; the clients, and the one that asks after
the health, are processes of their own. `TUNEBENCH_LOAD_SECONDS` (60) is how long the clients ask
after a warm-up of a quarter of it; `TUNEBENCH_LOAD_MODEL` (smollm2-135m) is what they ask, as
`tunebench serve --model` takes it. About five minutes on two cores.
"""

import collections
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")

MODEL = os.environ.get("TUNEBENCH_LOAD_MODEL", "smollm2-135m")
NAME = MODEL.partition("=")[0]
CLIENTS = 200
SECONDS = float(os.environ.get("TUNEBENCH_LOAD_SECONDS", "60"))
ABUSE_SECONDS = 8
ABUSERS = 4
CROWD = Path(__file__).parents[2] / "tests" / "server" / "crowd.py"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The process, and its API root."""
    command = [sys.executable, "-m", "tunebench.server", "--port", "0", "--model", MODEL]
    command += ["--data-dir", str(tmp_path_factory.mktemp("data"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process, re.search(r"http://\S+", process.stdout.readline())[0]
        finally:
            process.terminate()


@contextlib.contextmanager
def crowd(*arguments):
    """A process of `crowd.py`; what it has found at the end is put into the dictionary."""
    found = {}
    with subprocess.Popen(
        [sys.executable, str(CROWD), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield found
        found.update(json.loads(process.communicate()[0]))


@pytest.fixture
def show(capsys, record_property):
    def show(**figures):
        for name, value in figures.items():
            record_property(name, value)
        with capsys.disabled():
            print(f"\n  {', '.join(f'{name}: {value}' for name, value in figures.items())}")

    return show


def test_200_clients(server, show):
    process, url = server
    memory = psutil.Process(process.pid).memory_info
    with crowd("health", url) as health:
        # Each client has an answer, and the model is loaded, when this crowd has left.
        with crowd("clients", url, NAME, str(CLIENTS)) as warming:
            time.sleep(SECONDS / 4)
        warm = peak = memory().rss
        with crowd("clients", url, NAME, str(CLIENTS)) as counts:
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                time.sleep(0.2)
                peak = max(peak, memory().rss)
        last = memory().rss
    found = collections.Counter(warming) + collections.Counter(counts)
    errors = {name: count for name, count in found.items() if name not in ("200", "429")}
    show(
        requests=sum(counts.values()),
        refused_with_429=counts.get("429", 0),
        errors=errors,
        memory_warm_mb=warm >> 20,
        memory_peak_mb=peak >> 20,
        memory_end_mb=last >> 20,
        health=health,
    )
    assert not errors
    assert max(peak, last) <= 1.2 * warm


def post(path, content, kind="application/json"):
    def abuse(address):
        with contextlib.closing(socket.create_connection(address, timeout=600)) as connection:
            head = f"POST {path} HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\n"
            head += f"Content-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n"
            with contextlib.suppress(ConnectionError):
                connection.sendall(head.encode() + content)
            return connection.recv(65_536)

    return abuse


def completion(path="/v1/completions", **body):
    body = {"model": NAME, "max_tokens": 1, **body}
    return post(path, json.dumps(body, separators=(",", ":")).encode())


def half_sent(address):
    """A hundred requests, each without its end."""
    head = f"POST /v1/completions HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 4000000\r\n\r\n{"
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            one = stack.enter_context(socket.create_connection(address, timeout=600))
            one.sendall(head.encode())
        time.sleep(1)
    return b"HTTP/1.1 0 "


def unread_streams(address):
    """Streams of long answers that nobody reads."""
    body = {"model": NAME, "prompt": "a film", "max_tokens": 500, "stream": True, "logprobs": 20}
    content = json.dumps({**body, "n": 8}).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            one = stack.enter_context(socket.socket())
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.settimeout(600)
            one.connect(address)
            one.sendall(head.encode() + content)
        time.sleep(3)
    return b"HTTP/1.1 0 "


def headers(lines):
    def abuse(address):
        head = f"GET /v1/models HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\n"
        with contextlib.closing(socket.create_connection(address, timeout=600)) as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(f"{head}{lines}\r\n".encode())
            return connection.recv(65_536)

    return abuse


PARTS = b"".join(
    b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' for _ in range(70_000)
)
MESSAGES = [{"role": "user", "content": "a"} for _ in range(6_600)]
ABUSES = {
    "4 MB of token ids": completion(prompt=[7] * 499_000),
    "4 MB of lists": completion(prompt=[[7] * 20] * 19_000),
    "deep JSON": post("/v1/completions", b"[" * (4 << 20)),
    "many parts of a form": post(
        "/v1/files", PARTS + b"--b--\r\n", "multipart/form-data; boundary=b"
    ),
    "a prompt of 4 MB": completion(prompt="a film " * 590_000),
    "a chat of 4 MB": completion(
        "/v1/chat/completions", messages=[{"role": "user", "content": "a film " * 590_000}]
    ),
    "many messages": completion("/v1/chat/completions", messages=MESSAGES),
    "10,000 messages": completion("/v1/chat/completions", messages=MESSAGES[:1] * 10_000),
    "stops": completion(prompt="a", stop=["ab"] * 400_000),
    "four long stops": completion(prompt="a", stop=["ab" * 500_000] * 4),
    "biases": completion(prompt="a", logit_bias={str(token): 1 for token in range(19_000)}),
    "half-sent requests": half_sent,
    "unread streams": unread_streams,
    "many headers": headers("a: b\r\n" * 2_500),
    "1 MB of headers": headers("a: b\r\n" * 170_000),
}


@pytest.mark.parametrize("abuse", ABUSES.values(), ids=ABUSES)
def test_abuse(server, show, abuse):
    process, url = server
    address = urlsplit(url).hostname, urlsplit(url).port
    statuses, end = [], time.monotonic() + ABUSE_SECONDS

    def go_on():
        while time.monotonic() < end:
            statuses.append(int((abuse(address) or b"x 0").split(b" ")[1]))

    with crowd("health", url) as before:
        time.sleep(2)
    end = time.monotonic() + ABUSE_SECONDS
    with crowd("health", url) as during:
        threads = [threading.Thread(target=go_on) for _ in range(ABUSERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found = {status: statuses.count(status) for status in sorted(set(statuses))}
    show(before=before, during=during, statuses=found)
    assert process.poll() is None
    assert 500 not in found
