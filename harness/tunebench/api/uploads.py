"""How much of an upload has left, seen from below the cassette.

While a cassette records, it reads a request's whole body before it is sent, so that counting what
is read of the file would tell nothing. The body that is then sent is counted here.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import httpx2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PIECE = 1 << 16

_sent: ContextVar[Callable[[int], None] | None] = ContextVar("sent", default=None)


@contextmanager
def told(sent: Callable[[int], None]) -> Iterator[None]:
    """Tell of the uploads made inside: called with the number of further bytes sent."""
    token = _sent.set(sent)
    try:
        yield
    finally:
        _sent.reset(token)


def meter_upload(request: httpx2.Request) -> None:
    """An httpx2 event hook: have the body of a multipart request counted if anyone listens."""
    if _sent.get() and request.headers.get("content-type", "").startswith("multipart/"):
        request.__class__ = _MeteredRequest


class _Pieces(httpx2.SyncByteStream):
    """Bytes that are handed out, and told of, in pieces."""

    def __init__(self, content: bytes, sent: Callable[[int], None]) -> None:
        self._content = content
        self._sent = sent

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._content), _PIECE):
            piece = self._content[start : start + _PIECE]
            yield piece
            self._sent(len(piece))


class _MeteredRequest(httpx2.Request):
    """A request whose body, once the cassette has put it back, is sent in pieces."""

    def __setattr__(self, name: str, value: Any) -> None:
        sent = _sent.get()
        if name == "stream" and sent is not None and isinstance(value, httpx2.ByteStream):
            value = _Pieces(b"".join(value), sent)
        super().__setattr__(name, value)
