"""The cassette in use where a request is made: each thread may have another one.

vcrpy patches the HTTP transports of the whole process for one cassette. While any cassette of ours
is in use, that one is a switch: it hands each request to the cassette of the caller's context.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from tunebench.cassettes.played import FileCassette, OwnCassette

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vcr.request import Request

_in_use: ContextVar[FileCassette] = ContextVar("cassette")
_changing = threading.Lock()
_patched = ExitStack()
_users = 0


class _Switch(OwnCassette):
    def can_play_response_for(self, request: Request) -> bool:
        cassette = _in_use.get(None)
        # Other traffic of the process, in a thread that uses no cassette, is passed on.
        return cassette is not None and bool(cassette.can_play_response_for(request))

    def play_response(self, request: Request) -> Any:
        return _in_use.get().play_response(request)

    def append(self, request: Request, response: dict[str, Any]) -> None:
        cassette = _in_use.get(None)
        if cassette is not None:
            cassette.append(request, response)


@contextmanager
def in_use(cassette: FileCassette) -> Iterator[None]:
    """Answer from a cassette what is requested in this context, and in copies of it."""
    global _users
    with _changing:
        if _users == 0:
            _patched.enter_context(_Switch.use(path=""))
        _users += 1
    token = _in_use.set(cassette)
    try:
        yield
    finally:
        _in_use.reset(token)
        with _changing:
            _users -= 1
            if _users == 0:
                _patched.close()
