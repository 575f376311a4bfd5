"""Routes whose JSON body is bounded, parsed and validated outside the event loop."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import anyio.to_thread
from anyio import CapacityLimiter
from fastapi import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json
from starlette.types import Receive, Scope

from tunebench.server import bounded_json
from tunebench.server.http_errors import ApiError, explain
from tunebench.server.inference.queue import Client

T = TypeVar("T")

# To list every one of many errors takes pydantic longer than all the rest.
_MAX_ERRORS = 1000

# Each thread that computes makes the event loop wait for Python's lock.
_threads = CapacityLimiter(4)


async def in_thread(function: Callable[..., T], *args: Any) -> T:
    """What a function returns that is too slow for the event loop; few run at once."""
    return await anyio.to_thread.run_sync(function, *args, limiter=_threads)


async def json_response(make: Callable[[], dict[str, Any]]) -> Response:
    """The answer with a body that is made, and written as JSON, outside the event loop."""

    def written() -> bytes:
        return to_json(make(), inf_nan_mode="null")

    return Response(await in_thread(written), media_type="application/json")


def client_of(request: Request) -> Client:
    """Whose turn in the worker's queue it is."""
    return Client(*request.client) if request.client else Client("", 0)


class JsonRoute(APIRoute):
    """A route of FastAPI's; of the body's model it gets a finished instance."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of a request."""
        handle = super().get_route_handler()
        model = self.body_field.field_info.annotation if self.body_field else None

        async def handler(request: Request) -> Response:
            return await handle(_JsonRequest(request.scope, request.receive, model))

        return handler


class _JsonRequest(Request):
    def __init__(self, scope: Scope, receive: Receive, model: Any) -> None:
        super().__init__(scope, receive)
        self._model = model

    async def json(self) -> BaseModel:
        """The body as an instance of the route's model, which FastAPI takes as it is."""
        return await in_thread(_validated, self._model, await self.body())


def _validated(model: type[BaseModel], body: bytes) -> BaseModel:
    try:
        value = bounded_json.loads(body)
    except bounded_json.TooMuchError as error:
        raise ApiError(400, f"The body {error}; send fewer or simpler prompts.") from error
    except ValueError as error:
        raise ApiError(400, "The body is not valid JSON.") from error
    try:
        return model.model_validate(value)
    except ValidationError as error:
        if (count := error.error_count()) > _MAX_ERRORS:
            message = f"The body holds {count:,} wrong or unknown parameters; leave them out."
            raise ApiError(400, message) from error
        raise explain(dict(error.errors(include_url=False)[0])) from error
