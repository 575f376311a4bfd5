"""What every answer has in common: its id, and that HEAD is GET without the body."""

import re
import uuid

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_NAME = b"x-request-id"
_ID = re.compile(rb"[!-~]{1,200}")


class Envelope:
    """Gives every answer an ``x-request-id``, the client's own if it sent one, and allows HEAD.

    Stands around the whole application: answers to unexpected errors are made outside of the
    middleware that an application holds.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(_NAME, b"")
        name = given if _ID.fullmatch(given) else f"req-{uuid.uuid4().hex}".encode()

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (_NAME, name)]}
            await send(message)

        if scope["method"] == "HEAD":
            # The web server knows that it is HEAD, and sends the headers only.
            scope = {**scope, "method": "GET"}
        await self.app(scope, receive, named)
