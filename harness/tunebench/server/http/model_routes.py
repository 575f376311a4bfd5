"""The routes that need a model. Texts of prompts are never logged."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from tunebench.server.http import prompts, responses, streaming
from tunebench.server.http.embedding_routes import embedding_routes
from tunebench.server.http.generation import answer, find_model, works_of
from tunebench.server.http.grammars import answer_grammar
from tunebench.server.http.json_route import JsonRoute, in_thread, json_response
from tunebench.server.http.requests import ChatRequest, CompletionRequest, StreamOptions
from tunebench.server.http.response_routes import response_routes
from tunebench.server.http.responses import Echo
from tunebench.server.http.tokenizer_routes import tokenizer_routes
from tunebench.server.http.tools import chat_calling
from tunebench.server.inference.completion import Work
from tunebench.server.inference.language_model import LanguageModel
from tunebench.server.inference.models import ModelRegistry
from tunebench.server.inference.queue import Worker


def model_routes(registry: ModelRegistry, worker: Worker) -> list[APIRouter]:
    """The routers of completions and chats, responses, tokenizers and embeddings."""
    return [
        _generation_routes(registry, worker),
        response_routes(registry, worker),
        tokenizer_routes(registry, worker),
        embedding_routes(registry, worker),
    ]


def _generation_routes(registry: ModelRegistry, worker: Worker) -> APIRouter:
    router = APIRouter(route_class=JsonRoute)

    def body_of(kind: str, model: LanguageModel, *parts: Any) -> dict[str, Any]:
        fingerprint = responses.fingerprint(model, worker.deterministic)
        return responses.body(kind, model.name, fingerprint, *parts)

    async def stream(
        kind: str,
        model: LanguageModel,
        body: CompletionRequest | ChatRequest,
        request: Request,
        works: Sequence[Work],
        make_choice: streaming.MakeChoice,
    ) -> Response:
        start = body_of(kind, model, [], [], [])
        del start["usage"]
        options = body.stream_options or StreamOptions()
        events = streaming.events_of(worker, request, works, start, make_choice, options)
        return await streaming.stream(request, events)

    @router.post("/v1/completions")
    async def completions(body: CompletionRequest, request: Request) -> Response:
        model = await find_model(registry, worker, body.model)

        def works() -> list[Work]:
            parameters = prompts.completion_parameters(body)
            return works_of(model, prompts.prompt_ids(model, body.prompt), parameters)

        def echoes_of(asked: Sequence[Work]) -> list[Echo] | None:
            if not body.echo:
                return None
            pairs = zip(body.prompt, asked, strict=True)
            return [prompts.echo(model, given, work.ids) for given, work in pairs]

        asked = await in_thread(works)
        if body.stream:
            echoes = await in_thread(echoes_of, asked)
            make = streaming.completion_choice(model.token_bytes, echoes, body.logprobs is not None)
            return await stream("text_completion", model, body, request, asked, make)
        answers = await answer(worker, request, asked)

        def made() -> dict[str, Any]:
            choices = responses.completion_choices(
                model.token_bytes, answers, echoes_of(asked), body.logprobs is not None
            )
            return body_of("text_completion", model, [work.ids for work in asked], answers, choices)

        return await json_response(made)

    @router.post("/v1/chat/completions")
    async def chat(body: ChatRequest, request: Request) -> Response:
        model = await find_model(registry, worker, body.model)
        parallel = body.parallel_tool_calls is not False
        calling = chat_calling(body.tools or [], body.tool_choice, parallel)

        def works() -> list[Work]:
            ids = prompts.chat_ids(model, body.messages, calling=calling)
            parameters = prompts.chat_parameters(body, model.max_length - len(ids))
            form = body.response_format
            grammar = answer_grammar(
                model,
                form.wanted() if form else None,
                "response_format.json_schema.schema",
                calling,
            )
            return works_of(model, [ids], parameters, grammar)

        asked = await in_thread(works)
        if body.stream:
            make = streaming.chat_choice(
                model.token_bytes, bool(body.logprobs), calling is not None
            )
            return await stream("chat.completion.chunk", model, body, request, asked, make)
        answers = await answer(worker, request, asked)

        def made() -> dict[str, Any]:
            choices = responses.chat_choices(
                model.token_bytes, answers[0], bool(body.logprobs), calling is not None
            )
            return body_of("chat.completion", model, [asked[0].ids], answers, choices)

        return await json_response(made)

    return router
