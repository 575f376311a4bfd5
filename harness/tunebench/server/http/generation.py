"""What the routes of completions, chats and responses have in common."""

import asyncio
from collections.abc import Sequence

from fastapi import Request

from tunebench.errors import DatasetError
from tunebench.server.http import prompts
from tunebench.server.http.json_route import client_of
from tunebench.server.http_errors import ApiError, check_served
from tunebench.server.inference.completion import Answer, Work
from tunebench.server.inference.constraints import Grammar
from tunebench.server.inference.language_model import LanguageModel
from tunebench.server.inference.models import ModelRegistry
from tunebench.server.inference.queue import Worker
from tunebench.server.inference.sampling import SamplingParameters


async def find_model(registry: ModelRegistry, worker: Worker, name: str) -> LanguageModel:
    """A model of text, loaded in the worker's thread if it is not yet; 404 for an unknown one."""
    check_served(name, registry.sources)
    if isinstance(loaded := registry.loaded.get(name), LanguageModel):
        return loaded
    try:
        return await asyncio.wrap_future(worker.call(lambda: registry.get(name)))
    except DatasetError as error:
        raise ApiError(400, str(error), param="model") from error


def works_of(
    model: LanguageModel,
    rows: Sequence[Sequence[int]],
    parameters: SamplingParameters,
    grammar: Grammar | None = None,
) -> list[Work]:
    """The prompts of a request; 400 if the model cannot answer them."""
    for token_id, _ in parameters.logit_bias:
        prompts.check_ids(model, [token_id], "logit_bias")
    for ids in rows:
        prompts.check_length(model, len(ids), parameters.max_tokens)
    constraint = grammar.start if grammar else None
    return [Work(model, tuple(ids), parameters, constraint=constraint) for ids in rows]


async def answer(worker: Worker, request: Request, works: Sequence[Work]) -> list[Answer]:
    """The answers to prompts, which are cancelled when the client leaves."""
    futures = worker.submit(works, client_of(request))
    waiting = asyncio.gather(*map(asyncio.wrap_future, futures))
    # Else asyncio logs that nobody took the error of a client that has left.
    waiting.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        while not waiting.done():
            await asyncio.wait([waiting], timeout=0.5)
            if not waiting.done() and await request.is_disconnected():
                raise ApiError(499, "The client has left.")
        return list(await waiting)
    finally:
        # After a disconnect or a shutdown nothing more is computed for the client.
        waiting.cancel()
