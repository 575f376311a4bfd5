"""The ASGI application, and the routes that list the models."""

import time
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp

from tunebench.server.engine import Engine
from tunebench.server.http.envelope import Envelope
from tunebench.server.http.file_routes import file_routes
from tunebench.server.http.guards import ApiKeyGuard, BodyLimit
from tunebench.server.http.job_routes import job_routes
from tunebench.server.http.responses import version
from tunebench.server.http.sites import SiteGuard
from tunebench.server.http_errors import add_error_handlers, check_served
from tunebench.server.inference.models import ModelRegistry
from tunebench.server.tuning.job_queue import JobQueue


def create_app(
    registry: ModelRegistry,
    queue: JobQueue,
    *,
    api_key: str | None,
    max_body: int,
    max_file: int,
    host: str = "127.0.0.1",
    own_user_free: bool = False,
) -> ASGIApp:
    """The ASGI application; requests need the key, if there is one, except for ``/health``.

    With ``own_user_free`` those of the server's own user need none, where the system tells whose
    they are. Only for a host on loopback: another one is answered under any name, so that a page
    of another site in that user's browser could ask, too.
    """
    error = {"description": "OpenAI's error object"}
    app = FastAPI(
        title="tunebench",
        version=version(),
        docs_url=None,
        redoc_url=None,
        responses={"4XX": error, "5XX": error},
    )
    add_error_handlers(app)
    app.include_router(_list_routes(registry, queue.engine))
    for router in queue.engine.routers():
        app.include_router(router)
    app.include_router(file_routes(queue.storage, max_file))
    app.include_router(job_routes(queue))
    app.add_middleware(BodyLimit, limit=max_body, max_file=max_file)
    app.add_middleware(ApiKeyGuard, key=api_key, own_user_free=own_user_free)
    app.add_middleware(SiteGuard, host=host)
    return Envelope(app)


def _list_routes(registry: ModelRegistry, engine: Engine) -> APIRouter:
    router = APIRouter()
    started = int(time.time())

    def entry(name: str) -> dict[str, Any]:
        return {
            "id": name,
            "object": "model",
            "created": started,
            "owned_by": "tunebench",
            "weights": registry.weights_of(name),
        }

    @router.get("/health")
    async def health() -> dict[str, Any]:
        answer = {"status": "ok", "models": list(registry.sources)}
        return answer if engine.loaded is None else answer | {"loaded": list(engine.loaded)}

    @router.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [entry(name) for name in registry.sources]}

    @router.get("/v1/models/{name:path}")
    async def model(name: str) -> dict[str, Any]:
        check_served(name, registry.sources)
        return entry(name)

    return router
