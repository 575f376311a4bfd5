"""Requests on their way to a replica and back: the front's side sends, the replica's side answers.

A replica runs the same routes as the local server, as an ASGI application in its own process.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, MutableMapping
from dataclasses import dataclass
from typing import Any, Self

from fastapi import Request
from starlette.types import ASGIApp

_STAY = (b"authorization", b"cookie")  # a key is checked in front, and goes no further


@dataclass(frozen=True)
class Call:
    """A request of a client, without its key."""

    method: str
    path: str
    query: bytes
    headers: list[tuple[bytes, bytes]]
    client: tuple[str, int] | None
    body: bytes

    @classmethod
    def of(cls, request: Request, body: bytes) -> Self:
        """The call of a request."""
        scope = request.scope
        headers = [pair for pair in scope["headers"] if pair[0].lower() not in _STAY]
        client = scope.get("client")
        return cls(
            scope["method"],
            scope["path"],
            scope["query_string"],
            headers,
            tuple(client) if client else None,
            body,
        )

    def scope(self) -> dict[str, Any]:
        """The ASGI scope."""
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "scheme": "http",
            "method": self.method,
            "path": self.path,
            "raw_path": self.path.encode(),
            "root_path": "",
            "query_string": self.query,
            "headers": self.headers,
            "client": self.client,
            "server": None,
            "state": {},
        }


@dataclass(frozen=True)
class Part:
    """A part of an answer; the first one has a status."""

    body: bytes
    is_last: bool
    status: int = 0
    headers: tuple[tuple[bytes, bytes], ...] = ()


async def answered(app: ASGIApp, call: Call) -> AsyncGenerator[Part, None]:
    """The parts of an application's answer; closing it is a disconnect for the application."""
    sent: asyncio.Queue[MutableMapping[str, Any] | None] = asyncio.Queue()
    left = asyncio.Event()
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": call.body, "more_body": False}
        await left.wait()
        return {"type": "http.disconnect"}

    async def run() -> None:
        try:
            await app(call.scope(), receive, sent.put)
        finally:
            sent.put_nowait(None)

    task = asyncio.create_task(run())
    head: dict[str, Any] = {}
    try:
        while (message := await sent.get()) is not None:
            if message["type"] == "http.response.start":
                head = {"status": message["status"], "headers": tuple(message["headers"])}
                continue
            more = message.get("more_body", False)
            yield Part(message.get("body", b""), not more, **head)
            head = {}
            if not more:
                return
    finally:
        left.set()
        task.cancel()
        # An unexpected error is answered with 500 and raised again, for a server's log.
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task
