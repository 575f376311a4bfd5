"""The front's side of answers: every request that needs a model goes to a replica."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import ray
from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from fastapi.routing import APIRoute
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException

from tunebench.server import bounded_json
from tunebench.server.cluster.calls import Call, Part
from tunebench.server.cluster.replica import Tuned
from tunebench.server.http.json_route import in_thread
from tunebench.server.http_errors import ApiError
from tunebench.server.tuning.fine_tuned import FineTunedModels

_TRIES = 3
_ALONE_SECONDS = 30
"""How long a request waits in a cluster without a replica, such as after the loss of nodes."""
_LOST = "lost the replica that computed it; send the request again"


class Answers:
    """Sends requests to replicas; again, if a replica is lost before the answer begins."""

    def __init__(self, application: str, handle: Any, models: FineTunedModels) -> None:
        self._application = application
        self._handle = handle
        self._models = models
        self._rows: dict[str, dict[str, Any]] = {}
        self._tuned = Tuned(0, None)
        self._adapters: dict[str, Any] = {}

    def router(self, local: Sequence[APIRouter]) -> APIRouter:
        """Routes with the paths and the description of the local server's."""
        forward = self._forward

        class Forwarded(APIRoute):
            def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
                return forward

        router = APIRouter(route_class=Forwarded)
        for route in (route for one in local for route in one.routes):
            if isinstance(route, APIRoute):
                router.add_api_route(route.path, route.endpoint, methods=list(route.methods or ()))
        return router

    async def _forward(self, request: Request) -> Response:
        call = Call.of(request, await request.body())
        name = await in_thread(_model_of, call.body)
        adapter = await in_thread(self._adapter, name)
        for _ in range(_TRIES):
            handle = self._handle.options(stream=True, multiplexed_model_id=name)
            parts = handle.answer.remote(call, name, self._tuned, adapter)
            try:
                return _response(await self._first(parts, request), parts)
            except (RayError, RayServeException) as error:
                parts.cancel()
                lost: BaseException = error
            except asyncio.CancelledError as error:
                # Of the call to the replica, unless it is this request that is ended.
                if (task := asyncio.current_task()) is None or task.cancelling():
                    raise
                lost = error
        raise ApiError(
            503, f"The cluster {_LOST} ({type(lost).__name__}).", headers={"retry-after": "5"}
        ) from lost

    def _adapter(self, name: str) -> list[Any]:
        """The reference to a model's adapter, which is read and sent once."""
        rows = self._models.rows
        if rows is not self._rows:
            self._rows, self._tuned = rows, Tuned(self._tuned.version + 1, ray.put(rows))
            self._adapters = {one: kept for one, kept in self._adapters.items() if one in rows}
        if name not in rows:
            return []
        if name not in self._adapters:
            self._adapters[name] = ray.put(
                _files(self._models.storage.folder / rows[name]["folder"])
            )
        return [self._adapters[name]]

    async def _first(self, parts: Any, request: Request) -> Part:
        """The first part of an answer, unless the client leaves before."""
        first = asyncio.ensure_future(anext(parts))
        look = time.monotonic() + _ALONE_SECONDS
        try:
            while not first.done():
                await asyncio.wait([first], timeout=0.5)
                if not first.done() and await request.is_disconnected():
                    raise ApiError(499, "The client has left.")
                if not first.done() and time.monotonic() > look:
                    look += _ALONE_SECONDS
                    await in_thread(self._check_replicas)
            part: Part = await first
            return part
        finally:
            if not first.done():
                # Ray ends the call with an error of its own, which nobody waits for.
                first.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
                first.cancel()
                parts.cancel()

    def _check_replicas(self) -> None:
        """Refuse to wait for a replica when none runs; a long queue is waited for."""
        found = serve.status().applications.get(self._application)
        deployments = found.deployments.values() if found else []
        if not any(one.replica_states.get("RUNNING") for one in deployments):
            message = "No replica runs on the cluster now; add nodes, or send the request later."
            raise ApiError(503, message, headers={"retry-after": "30"})


def _files(folder: Path) -> dict[str, bytes]:
    """What loading an adapter needs: not the optimizer's state, which is larger."""
    names = ("adapter_config.json", "adapter_model.safetensors")
    return {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}


def _model_of(body: bytes) -> str:
    """The model that a body names; a replica refuses the body if there is none."""
    try:
        value = bounded_json.loads(body)
    except ValueError:
        return ""
    name = value.get("model") if isinstance(value, dict) else None
    return name if isinstance(name, str) and len(name) < 1000 else ""


def _response(first: Part, parts: Any) -> Response:
    async def bodies() -> AsyncIterator[bytes]:
        ended = False
        try:
            yield first.body
            async for part in parts:
                yield part.body
            ended = True
        except (RayError, RayServeException):
            error = ApiError(503, f"The cluster {_LOST}.")
            yield b"data: " + bytes(error.response().body) + b"\n\n"
            ended = True
        finally:
            if not ended:
                parts.cancel()

    made = Response(first.body, first.status) if first.is_last else None
    response = made or StreamingResponse(bodies(), first.status)
    response.raw_headers = list(first.headers)
    return response
