import contextlib
import functools
import http.server
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tunebench.datasets import imdb


@pytest.fixture(scope="session")
def prepared_dir(shared_folder: Callable[..., Path]) -> Path:
    """A data folder in which imdb_reviews is prepared. Do not change it."""
    return shared_folder("imdb-reviews", lambda folder: imdb.load(data_dir=folder))


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def unreachable(no_proxies: None, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts that were looked up, none of which was found."""
    looked_up: list[str] = []

    def refuse(host: str, *_: object, **__: object) -> None:
        looked_up.append(host)
        raise OSError("Network is unreachable")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return looked_up


class Web:
    """A loopback server: what `pages` holds, by path (or, asked as a proxy, by whole address).

    A page is (status, announced length or None for the true one, body).
    """

    def __init__(self) -> None:
        self.pages: dict[str, tuple[int, int | None, bytes]] = {}
        self.asked: list[str] = []
        self.url = ""

    def put(self, path: str, body: bytes, *, status: int = 200, length: int | None = None) -> str:
        self.pages[path] = (status, length, body)
        return self.url + path


class _Handler(http.server.BaseHTTPRequestHandler):
    def __init__(self, web: Web, *args: object) -> None:
        self.web = web
        super().__init__(*args)

    def do_GET(self) -> None:
        self.web.asked.append(self.path)
        status, length, body = self.web.pages.get(self.path, (404, None, b"not here"))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def web(no_proxies: None) -> Iterator[Web]:
    web = Web()
    handler: Callable[..., _Handler] = functools.partial(_Handler, web)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        web.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield web
        server.shutdown()
        thread.join()
