"""The ASGI application, and the routes of models and completions.

Texts of prompts are never logged.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from starlette.concurrency import run_in_threadpool

from tunebench.errors import DatasetError
from tunebench.server.http import prompts, responses
from tunebench.server.http.embedding_routes import embedding_routes
from tunebench.server.http.file_routes import file_routes
from tunebench.server.http.guards import ApiKeyGuard, BodyLimit
from tunebench.server.http.job_routes import job_routes
from tunebench.server.http.requests import ChatRequest, CompletionRequest, TokenizeRequest
from tunebench.server.http_errors import ApiError, add_error_handlers, check_served
from tunebench.server.inference.completion import Answer, Work
from tunebench.server.inference.models import LanguageModel, ModelRegistry
from tunebench.server.inference.queue import Worker
from tunebench.server.inference.sampling import SamplingParameters
from tunebench.server.tuning.job_queue import JobQueue


def create_app(
    registry: ModelRegistry,
    worker: Worker,
    queue: JobQueue,
    *,
    api_key: str | None,
    max_body: int,
    max_file: int,
) -> FastAPI:
    """The ASGI application; requests need the key, if there is one, except for ``/health``."""
    app = FastAPI(title="tunebench", version=responses.version(), docs_url=None, redoc_url=None)
    add_error_handlers(app)
    app.include_router(_model_routes(registry))
    app.include_router(_generation_routes(registry, worker))
    app.include_router(embedding_routes(registry, worker))
    app.include_router(file_routes(queue.storage, max_file))
    app.include_router(job_routes(queue))
    app.add_middleware(BodyLimit, limit=max_body, max_file=max_file)
    app.add_middleware(ApiKeyGuard, key=api_key)
    return app


def _model_routes(registry: ModelRegistry) -> APIRouter:
    router = APIRouter()
    started = int(time.time())

    def entry(name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": started, "owned_by": "tunebench"}

    @router.get("/health")
    async def health() -> dict[str, Any]:
        return {"status": "ok", "models": list(registry.sources), "loaded": list(registry.loaded)}

    @router.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [entry(name) for name in registry.sources]}

    @router.get("/v1/models/{name:path}")
    async def model(name: str) -> dict[str, Any]:
        check_served(name, registry.sources)
        return entry(name)

    return router


def _generation_routes(registry: ModelRegistry, worker: Worker) -> APIRouter:
    router = APIRouter()

    async def find_model(name: str) -> LanguageModel:
        check_served(name, registry.sources)
        if isinstance(loaded := registry.loaded.get(name), LanguageModel):
            return loaded
        try:
            return await asyncio.wrap_future(worker.call(lambda: registry.get(name)))
        except DatasetError as error:
            raise ApiError(400, str(error), param="model") from error

    def body_of(kind: str, model: LanguageModel, *parts: Any) -> dict[str, Any]:
        fingerprint = responses.fingerprint(model, worker.deterministic)
        return responses.body(kind, model.name, fingerprint, *parts)

    @router.post("/tokenize")
    @router.post("/v1/tokenize")
    async def tokenize(body: TokenizeRequest) -> dict[str, Any]:
        model = await find_model(body.model)
        ids = await run_in_threadpool(prompts.tokenized, model, body)
        return {"count": len(ids), "max_model_len": model.max_length, "tokens": ids}

    @router.post("/v1/completions")
    async def completions(body: CompletionRequest, request: Request) -> dict[str, Any]:
        model = await find_model(body.model)
        parameters = prompts.completion_parameters(body)
        rows = await run_in_threadpool(prompts.prompt_ids, model, body.prompt)
        answers = await _answer(worker, request, model, rows, parameters)
        echoes = None
        if body.echo:
            pairs = zip(body.prompt, rows, strict=True)
            echoes = [prompts.echo(model, given, ids) for given, ids in pairs]
        choices = responses.completion_choices(
            model.token_bytes, answers, echoes, body.logprobs is not None
        )
        return body_of("text_completion", model, rows, answers, choices)

    @router.post("/v1/chat/completions")
    async def chat(body: ChatRequest, request: Request) -> dict[str, Any]:
        model = await find_model(body.model)
        ids = await run_in_threadpool(prompts.chat_ids, model, body.messages)
        parameters = prompts.chat_parameters(body, model.max_length - len(ids))
        answers = await _answer(worker, request, model, [ids], parameters)
        choices = responses.chat_choices(model.token_bytes, answers[0], bool(body.logprobs))
        return body_of("chat.completion", model, [ids], answers, choices)

    return router


async def _answer(
    worker: Worker,
    request: Request,
    model: LanguageModel,
    rows: Sequence[Sequence[int]],
    parameters: SamplingParameters,
) -> list[Answer]:
    for token_id, _ in parameters.logit_bias:
        prompts.check_ids(model, [token_id], "logit_bias")
    for ids in rows:
        prompts.check_length(model, len(ids), parameters.max_tokens)
    futures = worker.submit([Work(model, tuple(ids), parameters) for ids in rows])
    waiting = asyncio.gather(*map(asyncio.wrap_future, futures))
    try:
        while not waiting.done():
            await asyncio.wait([waiting], timeout=0.5)
            if not waiting.done() and await request.is_disconnected():
                raise ApiError(499, "The client has left.")
        return list(await waiting)
    finally:
        # After a disconnect or a shutdown nothing more is computed for the client.
        waiting.cancel()
