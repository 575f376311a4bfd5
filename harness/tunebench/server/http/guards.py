"""What a request must pass before anything reads it: the API key and the size of its body."""

import secrets

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tunebench.server.http_errors import error_response


class ApiKeyGuard:
    """Refuses requests without the key, ``/health`` excepted. The comparison takes equally long.

    Attributes:
        key: None lets everybody in.
    """

    def __init__(self, app: ASGIApp, key: str | None) -> None:
        self.app = app
        self.key = key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on or answer it with 401."""
        if scope["type"] != "http" or self.key is None or scope["path"] == "/health":
            await self.app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"authorization", b"")
        if secrets.compare_digest(given, b"Bearer " + self.key.encode()):
            await self.app(scope, receive, send)
            return
        message = (
            "The API key is wrong; give the one that the server was started with."
            if given
            else "This server wants an API key; send it as `Authorization: Bearer KEY`."
        )
        response = error_response(
            401, message, code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"}
        )
        await response(scope, receive, send)


class BodyLimit:
    """Refuses bodies over a limit, by their announced length or while they come in.

    Attributes:
        limit: bytes.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with 413."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        too_long = f"The body is over {self.limit:,} bytes; send fewer prompts at once."
        announced = dict(scope["headers"]).get(b"content-length", b"")
        if announced.isdigit() and int(announced) > self.limit:
            await error_response(413, too_long)(scope, receive, send)
            return
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.limit:
                raise HTTPException(413, too_long)
            return message

        await self.app(scope, limited, send)
