"""Checks of a request before it is read: the API key and the size of its body."""

import secrets

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tunebench.local_models import KEY_FILE
from tunebench.server.http_errors import ApiError

FORM_BYTES = 1 << 16
"""What a multipart form may hold beside its file."""


class ApiKeyGuard:
    """Refuses requests without the key, except for `/health`; compares in constant time.

    Attributes:
        key: None needs no key.
        own_user_free: whether the server's own user, who can read the key, needs none.
    """

    def __init__(self, app: ASGIApp, key: str | None, *, own_user_free: bool) -> None:
        self.app = app
        self.key = key
        self.own_user_free = own_user_free

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with 401."""
        if scope["type"] != "http" or self.key is None or scope["path"] == "/health":
            await self.app(scope, receive, send)
            return
        if self.own_user_free and scope["state"]["own_user"]:
            await self.app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"authorization", b"")
        scheme, _, key = given.partition(b" ")
        right = secrets.compare_digest(key.strip(), self.key.encode())
        if right and scheme.lower() == b"bearer":
            await self.app(scope, receive, send)
            return
        message = (
            "The API key is wrong; send the one that the server was started with, or that is in "
            f"the file {KEY_FILE} of its --data-dir."
            if given
            else "This server needs an API key: the one that it was started with, or that is in "
            f"the file {KEY_FILE} of its --data-dir; send it as `Authorization: Bearer KEY`."
        )
        headers = {"WWW-Authenticate": "Bearer"}
        error = ApiError(401, message, code="invalid_api_key", headers=headers)
        await error.response()(scope, receive, send)


class BodyLimit:
    """Refuses a body that is too large, by its announced length or while it arrives.

    Attributes:
        limit: bytes of a body.
        max_file: bytes of an uploaded file, for which there is a limit of its own.
    """

    def __init__(self, app: ASGIApp, limit: int, max_file: int) -> None:
        self.app = app
        self.limit = limit
        self.max_file = max_file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with 413."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["path"].rstrip("/") == "/v1/files":
            limit, error = self.max_file + FORM_BYTES, file_too_large(self.max_file)
        else:
            limit = self.limit
            error = ApiError(413, f"The body is over {limit:,} bytes; send fewer prompts at once.")
        announced = dict(scope["headers"]).get(b"content-length", b"")
        if announced.isdigit() and int(announced) > limit:
            await error.response()(scope, receive, send)
            return
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise error
            return message

        await self.app(scope, limited, send)


def file_too_large(limit: int) -> ApiError:
    """The refusal of an uploaded file."""
    return ApiError(
        413,
        f"The file is over {limit:,} bytes; split it, or start the server with a larger "
        "--max-file.",
        param="file",
    )
