"""Upload progress, counted below the cassette.

While a cassette records, it reads a request's whole body before it is sent, so reads of the file
show no progress. The bytes that are then sent are counted here.
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
def metered(sent: Callable[[int], None]) -> Iterator[None]:
    """Count the uploads made inside: `sent` is called with the number of further bytes sent."""
    token = _sent.set(sent)
    try:
        yield
    finally:
        _sent.reset(token)


def meter_upload(request: httpx2.Request) -> None:
    """An httpx2 event hook: count the body of a multipart request inside `metered`."""
    if _sent.get() and request.headers.get("content-type", "").startswith("multipart/"):
        request.__class__ = _MeteredRequest


class _Pieces(httpx2.SyncByteStream):
    """Bytes that are sent, and counted, in pieces."""

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
