"""Many clients of a server at once, and one that only asks whether it is well.

A process of its own where time counts: ``python crowd.py clients|health URL …`` prints JSON.
"""

import collections
import contextlib
import http.client
import itertools
import json
import statistics
import sys
import threading
import time
from urllib.parse import urlsplit

_TIMEOUT = 600.0  # seconds; waiting in the queue is not an error
_PAUSE = 0.05  # between two questions after the server's health


def _bodies(model):
    """What a client asks in turn: the path, and the body."""
    short = {"model": model, "max_tokens": 2, "temperature": 0}
    words = [
        " ".join(["film", "good", "end"][n % 3] for n in range(count)) for count in (3, 40, 90)
    ]
    chat = [{"role": "user", "content": words[1]}]
    return [
        ("/completions", {**short, "prompt": words[0], "logprobs": 5}),
        ("/completions", {**short, "prompt": words, "max_tokens": 1}),
        ("/completions", {**short, "prompt": words[2], "stream": True}),
        ("/chat/completions", {**short, "messages": chat}),
        ("/tokenize", {"model": model, "prompt": words[2]}),
        ("/completions", {**short, "prompt": words[0], "n": 3, "temperature": 1, "seed": 1}),
    ]


def _ask(connection, root, path, body):
    """The status of an answer that is whole, and the seconds to wait if the server says so."""
    head = {"Content-Type": "application/json"}
    connection.request("POST", f"{root}{path}", json.dumps(body), head)
    answer = connection.getresponse()
    content = answer.read()
    if answer.status not in (200, 429):
        raise RuntimeError(f"{answer.status} {content[:300]!r}")
    if answer.status == 200 and body.get("stream"):
        assert content.endswith(b"data: [DONE]\n\n"), content[-300:]
    else:
        json.loads(content)
    return answer.status, float(answer.headers.get("retry-after", 0))


class Crowd:
    """Clients that ask one thing after the other until they are stopped.

    Attributes:
        counts: how many answers had a status; what went wrong is counted by its name.
    """

    def __init__(self, url, model, clients):
        self.counts = collections.Counter()
        self._url = urlsplit(url)
        self._bodies = _bodies(model)
        self._stopped = threading.Event()
        self._counting = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(clients)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _run(self, number):
        # A third of them opens a connection for each request, as simple clients do.
        lasting = number % 3 > 0
        connection = http.client.HTTPConnection(self._url.netloc, timeout=_TIMEOUT)
        for path, body in itertools.islice(itertools.cycle(self._bodies), number, None):
            if self._stopped.is_set():
                break
            try:
                status, wait = _ask(connection, self._url.path, path, body)
            except Exception as error:
                status, wait = f"{type(error).__name__}: {error}", 0.0
            with self._counting:
                self.counts[status] += 1
            if not lasting or not isinstance(status, int):
                connection.close()
            self._stopped.wait(min(wait, 1.0))
        connection.close()


def health(url, stopped):
    """Ask over and over on new connections; the answers, and the seconds of the longest one."""
    seconds, address = [], urlsplit(url).netloc
    while not stopped.wait(_PAUSE):
        started = time.perf_counter()
        with contextlib.closing(
            http.client.HTTPConnection(address, timeout=_TIMEOUT)
        ) as connection:
            connection.request("GET", "/health")
            answer = connection.getresponse()
            answer.read()
        assert answer.status == 200, answer.status
        seconds.append(time.perf_counter() - started)
    return {
        "answers": len(seconds),
        "median_ms": round(statistics.median(seconds) * 1e3, 1),
        "longest_ms": round(max(seconds) * 1e3, 1),
    }


def main(kind, url, *arguments):
    """Go on until standard input closes."""
    stopped = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stopped.set()), daemon=True).start()
    if kind == "health":
        print(json.dumps(health(url, stopped)))
        return
    model, clients = arguments
    with Crowd(url, model, int(clients)) as crowd:
        stopped.wait()
    print(json.dumps(crowd.counts))


if __name__ == "__main__":
    main(*sys.argv[1:])
