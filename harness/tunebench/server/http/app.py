"""The routes: from a checked request to prompts in line, from answers to a body.

Texts of prompts are never logged.
"""

import asyncio
import importlib.metadata
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool

from tunebench.server.http import prompts, responses
from tunebench.server.http.fine_tuning import FineTuning
from tunebench.server.http.guards import ApiKeyGuard
from tunebench.server.http.requests import ChatRequest, CompletionRequest, TokenizeRequest
from tunebench.server.http.uploads import RequestLimit
from tunebench.server.http_errors import ApiError, add_error_handlers
from tunebench.server.inference.completion import Answer, Work
from tunebench.server.inference.models import LanguageModel, ModelRegistry
from tunebench.server.inference.queue import Worker
from tunebench.server.inference.sampling import SamplingParameters


@dataclass(frozen=True)
class Provider:
    """What the routes work with."""

    registry: ModelRegistry
    worker: Worker
    started: int

    async def model(self, name: str) -> LanguageModel:
        """The model of a name, loaded by the worker if need be; 404 if there is none."""
        self.check(name)
        if (loaded := self.registry.loaded.get(name)) is not None:
            return loaded
        return await asyncio.wrap_future(self.worker.call(lambda: self.registry.get(name)))

    def check(self, name: str) -> None:
        """404 for a name that isn't served."""
        if name not in self.registry.sources:
            raise ApiError(
                404,
                f"The model {name!r} is not served here; there are: "
                f"{', '.join(self.registry.sources)}.",
                param="model",
                code="model_not_found",
            )

    def fingerprint(self, model: LanguageModel) -> str:
        """What an answer's bits follow from, the machine apart."""
        mode = "deterministic" if self.worker.deterministic else "batched"
        return (
            f"tunebench-{_version()}_{model.sha256[:12]}_{model.dtype_name}"
            f"_torch-{torch.__version__}_{mode}"
        )


def create_app(
    registry: ModelRegistry,
    worker: Worker,
    *,
    api_key: str | None,
    max_body: int,
    fine_tuning: FineTuning | None = None,
) -> FastAPI:
    """The ASGI application.

    Args:
        registry: the models that are served.
        worker: where they are computed.
        api_key: demanded of every request but ``/health``; None demands none.
        max_body: bytes of a request's body, uploads apart.
        fine_tuning: files and jobs; None serves without them.
    """
    app = FastAPI(title="tunebench", version=_version(), docs_url=None, redoc_url=None)
    provider = Provider(registry, worker, int(time.time()))
    add_error_handlers(app)
    _add_model_routes(app, provider)
    _add_generation_routes(app, provider)
    if fine_tuning is not None:
        fine_tuning.add_routes(app)
    app.add_middleware(RequestLimit, limit=max_body)
    app.add_middleware(ApiKeyGuard, key=api_key)
    return app


def _version() -> str:
    try:
        return importlib.metadata.version("tunebench")
    except importlib.metadata.PackageNotFoundError:
        return "0"


def _add_model_routes(app: FastAPI, provider: Provider) -> None:
    registry = provider.registry

    def entry(name: str) -> dict[str, Any]:
        return {
            "id": name,
            "object": "model",
            "created": provider.started,
            "owned_by": "tunebench",
        }

    @app.get("/health")
    async def health() -> dict[str, Any]:
        return {"status": "ok", "models": list(registry.sources), "loaded": list(registry.loaded)}

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [entry(name) for name in registry.sources]}

    @app.get("/v1/models/{name:path}")
    async def model(name: str) -> dict[str, Any]:
        provider.check(name)
        return entry(name)

    @app.post("/tokenize")
    @app.post("/v1/tokenize")
    async def tokenize(body: TokenizeRequest) -> dict[str, Any]:
        model = await provider.model(body.model)
        if body.messages is not None:
            ids = await run_in_threadpool(
                prompts.chat_ids, model, body.messages, body.add_generation_prompt
            )
        else:
            ids = await run_in_threadpool(
                prompts.text_ids, model, body.prompt or "", special=body.add_special_tokens
            )
        return {"count": len(ids), "max_model_len": model.max_length, "tokens": ids}


def _add_generation_routes(app: FastAPI, provider: Provider) -> None:
    @app.post("/v1/completions")
    async def completions(body: CompletionRequest, request: Request) -> dict[str, Any]:
        model = await provider.model(body.model)
        parameters = prompts.completion_parameters(body)
        rows = await run_in_threadpool(prompts.prompt_ids, model, body.prompt)
        answers = await _answer(provider, request, model, rows, parameters)
        echoes = None
        if body.echo:
            pairs = zip(body.prompt, rows, strict=True)
            echoes = [prompts.echo(model, given, ids) for given, ids in pairs]
        return responses.completion_body(
            body.model,
            provider.fingerprint(model),
            model.token_bytes,
            rows,
            answers,
            echoes,
            body.logprobs is not None,
        )

    @app.post("/v1/chat/completions")
    async def chat(body: ChatRequest, request: Request) -> dict[str, Any]:
        model = await provider.model(body.model)
        ids = await run_in_threadpool(prompts.chat_ids, model, body.messages, True)
        parameters = prompts.chat_parameters(body, model.max_length - len(ids))
        [answer] = await _answer(provider, request, model, [ids], parameters)
        return responses.chat_body(
            body.model,
            provider.fingerprint(model),
            model.token_bytes,
            ids,
            answer,
            bool(body.logprobs),
        )


async def _answer(
    provider: Provider,
    request: Request,
    model: LanguageModel,
    rows: Sequence[Sequence[int]],
    parameters: SamplingParameters,
) -> list[Answer]:
    for token_id, _ in parameters.logit_bias:
        prompts.check_ids(model, [token_id], "logit_bias")
    for ids in rows:
        prompts.check_length(model, len(ids), parameters.max_tokens)
    futures = provider.worker.submit([Work(model, tuple(ids), parameters) for ids in rows])
    waiting = asyncio.gather(*map(asyncio.wrap_future, futures))
    try:
        while not waiting.done():
            await asyncio.wait([waiting], timeout=0.5)
            if not waiting.done() and await request.is_disconnected():
                raise ApiError(499, "The client has left.")
        return list(await waiting)
    finally:
        # Whoever has left, by himself or by a shutdown, is not computed for.
        waiting.cancel()
