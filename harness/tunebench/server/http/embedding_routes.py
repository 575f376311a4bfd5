"""The route of ``/v1/embeddings``. Texts are never logged."""

import asyncio
from collections.abc import Sequence
from functools import partial

import torch
from fastapi import APIRouter, Request
from fastapi.responses import Response

from tunebench.errors import DatasetError
from tunebench.server.http import prompts, responses
from tunebench.server.http.json_route import JsonRoute, client_of, in_thread, json_response
from tunebench.server.http.requests import EmbeddingRequest
from tunebench.server.http_errors import ApiError, check_served
from tunebench.server.inference.embeddings import EmbeddingModel, batches
from tunebench.server.inference.models import ModelRegistry
from tunebench.server.inference.queue import Worker


def embedding_routes(registry: ModelRegistry, worker: Worker) -> APIRouter:
    """The router; embeddings are computed in the worker's thread, between prompts."""
    router = APIRouter(route_class=JsonRoute)

    @router.post("/v1/embeddings")
    async def embeddings(body: EmbeddingRequest, request: Request) -> Response:
        check_served(body.model, registry.sources)
        try:
            model = await asyncio.wrap_future(worker.call(lambda: registry.embedder(body.model)))
        except DatasetError as error:
            raise ApiError(400, str(error), param="model") from error
        if body.dimensions not in (None, model.width):
            raise ApiError(
                400,
                f"The parameter dimensions is {body.dimensions}, but {model.name} makes vectors "
                f"of {model.width} numbers only; leave it out.",
                param="dimensions",
            )
        rows = await in_thread(_ids, model, body.input)
        vectors = await _embedded(worker, request, model, rows)
        fingerprint = responses.fingerprint(model, worker.deterministic)
        tokens = sum(map(len, rows))
        return await json_response(
            lambda: responses.embeddings_body(
                model.name, fingerprint, vectors, tokens, body.encoding_format or "float"
            )
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
        compute = partial(model.embed, part)
        call = worker.call(compute, client_of(request), sum(map(len, part)))
        vectors = await asyncio.wrap_future(call)
        found.update(zip(batch, vectors, strict=True))
    return [found[number] for number in range(len(rows))]
