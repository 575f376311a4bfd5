"""Large bodies, long texts, full queues and half requests cost the server and others little."""

import io
import json
import os
import re
import select
import socket
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import httpx2
import psutil
import pytest

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")

from tunebench.errors import DatasetError
from tunebench.server import bounded_json
from tunebench.server.http import connections
from tunebench.server.inference import queue
from tunebench.server.inference.completion import Work
from tunebench.server.inference.long_texts import beginning
from tunebench.server.inference.queue import Client, Worker
from tunebench.server.inference.sampling import SamplingParameters
from tunebench.server.tuning.examples import examples

from .crowd import Crowd

GOOD = {"model": "tiny-llama", "prompt": "a film ->", "max_tokens": 1}
JSON = {"content-type": "application/json"}


def refused(served, content, path="/completions"):
    answer = httpx2.post(f"{served.url}{path}", content=content, headers=JSON, timeout=120)
    error = answer.json()["error"]
    assert error["message"].endswith(".")
    assert len(error["message"]) < 300
    return answer.status_code, error


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"[" + b"1," * 510_000 + b"1]", "more than 500,000 values"),
        (b"[" + b"[]," * 20_001 + b"[]]", "more than 20,000 lists, objects and keys"),
        (b"[" + b"{}," * 20_001 + b"{}]", "more than 20,000 lists, objects and keys"),
        (
            b"{" + b",".join(b'"%d":1' % n for n in range(20_001)) + b"}",
            "more than 20,000 lists, objects and keys",
        ),
        (b"[" * 33 + b"]" * 33, "nested deeper than 32 levels"),
        (b"[" + b"9" * 1001 + b"]", "a number of more than 1,000 digits"),
    ],
    ids=["values", "lists", "objects", "keys", "depth", "digits"],
)
def test_json_beyond_a_limit_is_not_parsed(value, message):
    with pytest.raises(bounded_json.TooMuchError, match=message):
        bounded_json.loads(value)


@pytest.mark.parametrize(
    "text", ["[[{" * 20_000, '\\"[[{,:' * 20_000, "\\\\", '"', "\\", "é\u2028🙂"]
)
def test_what_is_inside_strings_is_not_counted(text):
    value = {"a": [text, text], text: text}
    for raw in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        assert bounded_json.loads(raw.encode()) == value


def test_a_body_of_too_many_values_is_refused(served):
    body = b'{"model": "tiny-llama", "prompt": [' + b"[]," * 30_000 + b"[]]}"
    status, error = refused(served, body)
    assert (status, error["type"]) == (400, "invalid_request_error")
    assert "20,000 lists" in error["message"]


@pytest.mark.parametrize("path", ["/completions", "/fine_tuning/jobs"])
def test_many_mistakes_are_one_sentence(served, path):
    unknown = {f"key {number}": 1 for number in range(5000)}
    status, error = refused(served, json.dumps({**GOOD, **unknown}).encode(), path)
    assert status == 400
    assert "wrong or unknown parameters" in error["message"]


@pytest.mark.parametrize("key", ["model", "x" * 500_000])
def test_an_error_does_not_repeat_a_long_name(served, key):
    status, error = refused(served, json.dumps({**GOOD, key: "y" * 500_000}).encode())
    assert status in (400, 404)
    assert len(error["param"]) <= 80


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("/completions", {"prompt": "film " * 100_000}),
        ("/completions", {"prompt": ["a", "x" * 500_000]}),
        ("/completions", {"prompt": " " * 500_000}),
        ("/chat/completions", {"messages": [{"role": "user", "content": "film " * 100_000}]}),
        ("/tokenize", {"prompt": "film " * 100_000}),
    ],
    ids=["text", "list", "spaces", "chat", "tokenize"],
)
def test_a_text_far_beyond_the_context_is_not_tokenized(served, monkeypatch, path, change):
    model = served.registry.get("tiny-llama")
    longest = 0

    class Watched:
        def __call__(self, text, **options):
            nonlocal longest
            longest = max(longest, len(text))
            return real(text, **options)

        def __getattr__(self, name):
            return getattr(real, name)

    real = model.tokenizer
    monkeypatch.setattr(model, "tokenizer", Watched())
    body = {"model": "tiny-llama", "max_tokens": 1, **change}
    if path == "/tokenize":
        del body["max_tokens"]
    status, error = refused(served, json.dumps(body).encode(), path)
    assert (status, error["code"]) == (400, "context_length_exceeded")
    assert "far more tokens than the 2048" in error["message"]
    assert 0 < longest < 200_000


@pytest.mark.parametrize("per_token", [1, 7, 40, 500, 100_000])
def test_the_beginning_of_a_text_grows_until_it_has_enough_tokens(per_token):
    text = "x" * 300_000

    def fills(part):
        return len(part) // per_token > 200

    found = beginning(text, 100, fills)
    assert text.startswith(found)
    assert found == text or fills(found[: len(found) // 2])


def test_a_line_of_a_training_file_is_bounded(monkeypatch):
    monkeypatch.setattr(bounded_json, "MAX_BYTES", 60)
    good = b'{"prompt": "a", "completion": "b"}\n'
    assert len(list(examples(io.BytesIO(good * 3)))) == 3
    long = good.replace(b"a", b"a" * 60)
    with pytest.raises(DatasetError, match="line 2: the line has more than 60 bytes"):
        list(examples(io.BytesIO(good + long + good)))


def stub(ids=1, max_tokens=1):
    model = SimpleNamespace(token_bytes=SimpleNamespace(ends_line=lambda _: False))
    return Work(model, (1,) * ids, SamplingParameters(max_tokens=max_tokens))


@pytest.fixture
def paused(monkeypatch):
    """A worker that computes nothing before `go`; `order` has the prompts as they were computed."""
    go, order = threading.Event(), []

    def compute(batch, go_on):
        for work in batch:
            for _ in range(work.parameters.max_tokens):
                assert go.wait(60)
                go_on()
            order.append(work)
            work.future.set_result(None)

    monkeypatch.setattr(queue, "compute", compute)
    worker = Worker(batch_tokens=1, deterministic=True)
    yield SimpleNamespace(worker=worker, go=go, order=order)
    go.set()
    assert worker.close(60)


def finish(paused, works):
    paused.go.set()
    for work in works:
        work.future.result(60)
    return paused.order


def test_a_small_request_does_not_wait_for_all_prompts_of_another_client(paused):
    many, one = [stub(5, 100) for _ in range(150)], stub()
    paused.worker.submit(many, Client("a", 1))
    paused.worker.submit([one], Client("a", 2))
    order = finish(paused, [*many, one])
    assert order.index(one) == 0


def test_many_connections_of_one_address_get_one_share(paused):
    many, one = [stub(5, 100) for _ in range(150)], stub(5, 100)
    for port, work in enumerate(many):
        paused.worker.submit([work], Client("a", port))
    paused.worker.submit([one], Client("b", 1))
    order = finish(paused, [*many, one])
    assert order.index(one) <= 2


def test_the_prompts_of_a_client_keep_their_order(paused):
    works = [stub(5 - n, 1 + n % 2) for n in range(5)]
    paused.worker.submit(works, Client("a", 1))
    assert finish(paused, works) == works


def test_a_long_answer_is_not_overtaken_without_end(paused):
    long = stub(1, 50)
    short = [stub() for _ in range(200)]
    paused.worker.submit([long], Client("a", 1))
    for port, work in enumerate(short):
        paused.worker.submit([work], Client("b", port))
    order = finish(paused, [long, *short])
    assert 0 < order.index(long) < 100


def test_a_full_queue_refuses_more_with_429_and_when_to_retry(served, monkeypatch):
    monkeypatch.setattr(queue, "MAX_WAITING_PROMPTS", 3)
    served.registry.get("tiny-llama")
    release = threading.Event()
    # What the thread computes at first keeps the rest waiting.
    served.worker.call(lambda: release.wait(60))
    answers = []

    def ask(count):
        body = {**GOOD, "prompt": ["a"] * count}
        answers.append(httpx2.post(f"{served.url}/completions", json=body, timeout=120))

    first = threading.Thread(target=ask, args=(3,))
    try:
        first.start()
        while len(served.worker._waiting) < 3:
            assert first.is_alive()
            time.sleep(0.01)
        ask(1)
        refusal = answers[0]
        assert refusal.status_code == 429
        assert int(refusal.headers["retry-after"]) > 0
        assert refusal.json()["error"]["code"] == "rate_limit_exceeded"
    finally:
        release.set()
        first.join(120)
    assert answers[1].status_code == 200
    ask(3)
    assert answers[2].status_code == 200


def test_answers_do_not_depend_on_what_interrupts_them(deterministic):
    long = {**GOOD, "max_tokens": 200, "logprobs": 5, "temperature": 1, "seed": 3}

    def ask(body):
        answer = httpx2.post(f"{deterministic.url}/completions", json=body, timeout=120)
        return answer.json()["choices"]

    alone = ask(long)
    got = []
    thread = threading.Thread(target=lambda: got.append(ask(long)))
    thread.start()
    short = {ask({**GOOD, "temperature": 0})[0]["text"] for _ in range(20)}
    thread.join(120)
    assert got == [alone]
    assert len(short) == 1


HALF = {
    "nothing": b"",
    "half the headers": b"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n",
    "half a body": b"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Content-Type: application/json\r\nContent-Length: 99\r\n\r\n{",
    "half a chunk": b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{",
    "half an upload": b"POST /v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9999\r\n"
    b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\nContent-Disp",
}


@pytest.mark.parametrize("sent", HALF.values(), ids=HALF)
def test_half_a_request_is_not_waited_for_without_end(served, monkeypatch, sent):
    monkeypatch.setattr(connections, "PATIENCE", 1.0)
    host, port = served.url.removeprefix("http://").removesuffix("/v1").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(sent)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"did not arrive within 1 seconds" in answer


def test_a_client_that_does_not_read_is_disconnected(served, monkeypatch):
    monkeypatch.setattr(connections, "PATIENCE", 1.0)
    host, port = served.url.removeprefix("http://").removesuffix("/v1").split(":")
    body = json.dumps({**GOOD, "prompt": ["a film " * 250] * 30, "echo": True, "logprobs": 5})
    head = "POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(60)
        connection.connect((host, int(port)))
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        # The first byte shows that the answer is being written; then nothing is read.
        assert connection.recv(1, socket.MSG_PEEK)
        wait_for_hangup(connection)


def wait_for_hangup(connection):
    poll = select.poll()
    poll.register(connection, select.POLLHUP | select.POLLERR)
    assert poll.poll(60_000)


UNREAD = b"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n"


def connected(served):
    host, port = served.url.removeprefix("http://").removesuffix("/v1").split(":")
    return socket.create_connection((host, int(port)), timeout=60)


def test_the_rest_of_a_refused_body_is_thrown_away_up_to_a_limit(served, monkeypatch):
    monkeypatch.setattr(connections, "_DRAIN_SECONDS", 600)
    with connected(served) as connection:
        connection.sendall(UNREAD % (1 << 40))
        # The two sockets' buffers hold some megabytes, too.
        with pytest.raises(ConnectionError):
            connection.sendall(b"x" * (256 << 20))


def test_a_refused_body_that_does_not_go_on_is_not_waited_for(served, monkeypatch):
    monkeypatch.setattr(connections, "_DRAIN_SECONDS", 0.1)
    monkeypatch.setattr(connections, "PATIENCE", 600.0)
    with connected(served) as connection:
        connection.sendall(UNREAD % (2 << 20) + b"x")
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_after_a_refused_body_that_ends_the_connection_goes_on(served):
    body = b"x" * ((1 << 20) + 1)
    with connected(served) as connection:
        for _ in range(3):
            connection.sendall(UNREAD % len(body) + body)
            answer = connection.makefile("rb")
            assert answer.readline().startswith(b"HTTP/1.1 413 ")
            head = iter(answer.readline, b"\r\n")
            [length] = [int(line[15:]) for line in head if line.startswith(b"content-length:")]
            assert b"1,048,576 bytes" in answer.read(length)


def test_too_many_connections_are_refused_and_say_when_to_come_again(served, monkeypatch):
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 0)
    monkeypatch.setattr(connections, "_MAX_REFUSED", 1000)
    with httpx2.Client() as client:
        answer = client.post(f"{served.url}/completions", json=GOOD)
        assert (answer.status_code, int(answer.headers["retry-after"])) == (503, 1)
        assert answer.json()["error"]["type"] == "server_error"
        monkeypatch.setattr(connections, "_MAX_REFUSED", 0)
        with pytest.raises(httpx2.TransportError):
            client.post(f"{served.url}/completions", json=GOOD)
        monkeypatch.setattr(connections, "MAX_CONNECTIONS", 512)
        assert client.post(f"{served.url}/completions", json=GOOD).status_code == 200


def test_a_slow_client_that_goes_on_is_waited_for(served, monkeypatch):
    monkeypatch.setattr(connections, "PATIENCE", 5.0)
    monkeypatch.setattr(connections, "_BYTES_PER_SECOND", 1)
    host, port = served.url.removeprefix("http://").removesuffix("/v1").split(":")
    body = json.dumps(GOOD).encode() + b" " * 50
    head = b"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body))
        for start in range(0, len(body), 10):
            connection.sendall(body[start : start + 10])
            time.sleep(0.7)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_fifty_clients_are_all_answered_and_the_memory_stays_the_same(tiny_folders):
    command = [sys.executable, "-m", "tunebench.server", "--port", "0", "--dtype", "float32"]
    command += ["--model", f"tiny={tiny_folders['tiny-llama']}"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            url = re.search(r"http://\S+", process.stdout.readline())[0]
            memory = psutil.Process(process.pid).memory_info
            with Crowd(url, "tiny", 50) as crowd:
                wait_for_answers(process, crowd, 100)
                warm = memory().rss
                wait_for_answers(process, crowd, 300)
                assert memory().rss <= 1.2 * warm
        finally:
            process.terminate()
    assert set(crowd.counts) <= {200, 429}


def wait_for_answers(process, crowd, count):
    while crowd.counts.total() < count:
        assert process.poll() is None
        time.sleep(0.05)
