"""The route of ``/v1/responses``. Texts are never logged."""

import contextlib
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from tunebench.server.http import prompts, streaming
from tunebench.server.http.generation import answer, find_model, works_of
from tunebench.server.http.grammars import answer_grammar
from tunebench.server.http.json_route import JsonRoute, in_thread, json_response
from tunebench.server.http.response_events import ResponseEvents
from tunebench.server.http.response_requests import ResponseRequest
from tunebench.server.http.responses import chat_logprob
from tunebench.server.http.tool_calls import CallReader, Piece
from tunebench.server.http.tools import Calling, response_calling
from tunebench.server.inference.completion import Completion, Work
from tunebench.server.inference.language_model import LanguageModel
from tunebench.server.inference.models import ModelRegistry
from tunebench.server.inference.queue import Worker


def response_routes(registry: ModelRegistry, worker: Worker) -> APIRouter:
    """The router; a response is made as a chat's answer, and not stored."""
    router = APIRouter(route_class=JsonRoute)

    @router.post("/v1/responses")
    async def responses(body: ResponseRequest, request: Request) -> Response:
        model = await find_model(registry, worker, body.model)
        parallel = body.parallel_tool_calls is not False
        calling = response_calling(body.tools or [], body.tool_choice, parallel)
        work = await in_thread(_work, model, body, calling)
        reader = CallReader() if calling else None
        events = ResponseEvents(body, model.name)
        if body.stream:
            return await streaming.stream(request, _events(worker, request, work, reader, events))
        [answered] = await answer(worker, request, [work])
        [completion] = answered.completions
        for _ in events.add(_piece(reader, completion), _logprobs(model, completion, reader)):
            pass
        for _ in events.end(
            completion.finish_reason == "stop", len(work.ids), completion.token_count
        ):
            pass
        return await json_response(lambda: events.body)

    return router


def _work(model: LanguageModel, body: ResponseRequest, calling: Calling | None) -> Work:
    ids = prompts.chat_ids(model, body.messages(), calling=calling, param="input")
    parameters = prompts.response_parameters(body, model.max_length - len(ids))
    grammar = answer_grammar(model, body.wanted(), "text.format.schema", calling)
    [work] = works_of(model, [ids], parameters, grammar)
    return work


def _piece(reader: CallReader | None, completion: Completion) -> Piece:
    if reader is None:
        return Piece(completion.text)
    return reader.read(completion.text, last=completion.finish_reason is not None)


def _logprobs(
    model: LanguageModel, completion: Completion, reader: CallReader | None
) -> list[dict[str, Any]]:
    """Of a text; an answer that may hold calls has none, since its tokens belong to both."""
    tokens = () if reader else completion.tokens
    return [chat_logprob(model.token_bytes, token) for token in tokens]


async def _events(
    worker: Worker, request: Request, work: Work, reader: CallReader | None, events: ResponseEvents
) -> streaming.Events:
    begun = False
    async with contextlib.aclosing(streaming.chunks_of(worker, request, [work])) as chunks:
        async for _, _, chunk in chunks:
            # Only now, so that an error until then has its own status.
            if not begun:
                for event in events.begin():
                    yield event
            begun = True
            [made] = chunk.completions
            for event in events.add(_piece(reader, made), _logprobs(work.model, made, reader)):
                yield event
    [completion] = work.future.result().completions
    complete = completion.finish_reason == "stop"
    for event in events.end(complete, len(work.ids), completion.token_count):
        yield event
