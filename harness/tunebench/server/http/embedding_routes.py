"""The route of ``/v1/embeddings``. Texts are never logged."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from tunebench.errors import DatasetError
from tunebench.server.http import prompts, responses
from tunebench.server.http.requests import EmbeddingRequest
from tunebench.server.http_errors import ApiError, check_served
from tunebench.server.inference.embeddings import EmbeddingModel, batches
from tunebench.server.inference.models import ModelRegistry
from tunebench.server.inference.queue import Worker


def embedding_routes(registry: ModelRegistry, worker: Worker) -> APIRouter:
    """The router; embeddings are computed in the worker's thread, between prompts."""
    router = APIRouter()

    @router.post("/v1/embeddings")
    async def embeddings(body: EmbeddingRequest, request: Request) -> dict[str, Any]:
        check_served(body.model, registry.sources)
        try:
            model = await asyncio.wrap_future(worker.call(lambda: registry.embedder(body.model)))
        except DatasetError as error:
            raise ApiError(400, str(error), param="model") from error
        rows = await run_in_threadpool(_ids, model, body.input)
        vectors = await _embedded(worker, request, model, rows)
        fingerprint = responses.fingerprint(model, worker.deterministic)
        tokens = sum(map(len, rows))
        return responses.embeddings_body(
            model.name, fingerprint, vectors, tokens, body.encoding_format
        )

    return router


def _ids(model: EmbeddingModel, given: list[str] | list[list[int]]) -> list[list[int]]:
    texts = [one for one in given if isinstance(one, str)]
    if texts:
        return model.ids(texts)
    rows = [one for one in given if isinstance(one, list)]
    for row in rows:
        prompts.check_ids(model, row, "input")
        if len(row) > model.max_length:
            raise ApiError(
                400,
                f"The input has {len(row)} token ids, more than the {model.max_length} of "
                f"{model.name}; send fewer, or the text, which is cut off there.",
                param="input",
                code="context_length_exceeded",
            )
    return rows


async def _embedded(
    worker: Worker, request: Request, model: EmbeddingModel, rows: Sequence[Sequence[int]]
) -> list[torch.Tensor]:
    """The embedding of each row, in their order."""
    found: dict[int, torch.Tensor] = {}
    for batch in batches(rows, 0 if worker.deterministic else worker.batch_tokens):
        if await request.is_disconnected():
            raise ApiError(499, "The client has left.")
        part = [rows[number] for number in batch]
        vectors = await asyncio.wrap_future(worker.call(partial(model.embed, part)))
        found.update(zip(batch, vectors, strict=True))
    return [found[number] for number in range(len(rows))]
