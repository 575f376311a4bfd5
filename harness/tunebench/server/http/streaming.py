"""Answers as server-sent events, while they are computed. The chunks join to the whole answer."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import Any

from fastapi import Request
from fastapi.responses import StreamingResponse

from tunebench.server.http import responses
from tunebench.server.http.json_route import client_of
from tunebench.server.http.requests import StreamOptions
from tunebench.server.http.responses import Echo
from tunebench.server.http.tool_calls import CallReader
from tunebench.server.http_errors import ApiError, internal_error
from tunebench.server.inference.completion import Answer, Work
from tunebench.server.inference.queue import Worker
from tunebench.server.inference.token_bytes import TokenBytes

MakeChoice = Callable[[int, int, bool, Answer], dict[str, Any]]
"""Makes the choice in an event: of a prompt's number, that of its completion, whether it is the
choice's first event, and the chunk."""


Events = AsyncGenerator[dict[str, Any], None]

Chunk = tuple[int, int, Answer]
"""The numbers of a prompt and of one of its completions, and the chunk."""


def completion_choice(
    token_bytes: TokenBytes, echoes: Sequence[Echo] | None, with_logprobs: bool
) -> MakeChoice:
    """Choices as those of ``/v1/completions``; the first event holds the echo."""

    def make(prompt: int, _: int, first: bool, chunk: Answer) -> dict[str, Any]:
        echo = [echoes[prompt]] if echoes else None
        [made] = responses.completion_choices(token_bytes, [chunk], echo, with_logprobs)
        # The echo counts in the places of later tokens, but its text is sent once.
        return made if first else {**made, "text": chunk.completions[0].text}

    return make


def chat_choice(token_bytes: TokenBytes, with_logprobs: bool, with_calls: bool) -> MakeChoice:
    """Choices as those of ``/v1/chat/completions``, with a ``delta`` in place of the message."""
    readers: dict[int, CallReader] = {}

    def make(_: int, number: int, first: bool, chunk: Answer) -> dict[str, Any]:
        [made] = responses.chat_choices(token_bytes, chunk, with_logprobs)
        message = made.pop("message")
        if not with_calls:
            return {**made, "delta": message if first else {"content": message["content"]}}
        reader = readers.setdefault(number, CallReader())
        last = made["finish_reason"] is not None
        piece = reader.read(message["content"], last)
        delta = {**message, "content": None} if first else {}
        if piece.text or (last and not reader.count):
            delta["content"] = piece.text
        if piece.calls:
            calls = [{"index": call.number, **responses.called(call)} for call in piece.calls]
            delta["tool_calls"] = calls
        reason = responses.finish_reason(chunk.completions[0], reader)
        return {**made, "delta": delta, "finish_reason": reason}

    return make


async def stream(request: Request, events: Events) -> StreamingResponse:
    """The response to a request for a stream, once the first of its `events_of` is there.

    An error until then has its own status; a later one is an event. When the client leaves, what
    is not computed yet is cancelled.
    """
    first = await anext(events)

    async def written() -> AsyncIterator[str]:
        try:
            yield _written(first)
            async for event in events:
                yield _written(event)
        except Exception as error:
            refused = error if isinstance(error, ApiError) else internal_error(request, error)
            yield _written(refused.body())
        else:
            if "type" not in first:
                yield "data: [DONE]\n\n"
        finally:
            await events.aclose()

    headers = {"Cache-Control": "no-cache"}
    return StreamingResponse(written(), headers=headers, media_type="text/event-stream")


async def events_of(
    worker: Worker,
    request: Request,
    works: Sequence[Work],
    start: dict[str, Any],
    make_choice: MakeChoice,
    options: StreamOptions,
) -> Events:
    """The events of a stream, as JSON objects.

    Args:
        worker: computes the prompts.
        request: the client's.
        works: the prompts, with the same parameters.
        start: what all events have in common.
        make_choice: of one event.
        options: which events hold the number of tokens.
    """
    with_usage = options.include_usage
    in_each = with_usage and options.continuous_usage_stats
    common = {**start, "usage": None} if with_usage else start
    read = sum(len(work.ids) for work in works)
    made: dict[int, int] = {}
    async with contextlib.aclosing(chunks_of(worker, request, works)) as chunks:
        async for prompt, number, chunk in chunks:
            index = prompt * works[0].parameters.n + number
            choice = make_choice(prompt, number, index not in made, chunk)
            made[index] = chunk.completions[0].token_count
            if in_each:
                common["usage"] = responses.token_counts(read, made.values())
            yield {**common, "choices": [{**choice, "index": index}]}
    if with_usage:
        answers = [work.future.result() for work in works]
        usage = responses.usage([work.ids for work in works], answers)
        yield {**start, "choices": [], "usage": usage}


async def chunks_of(
    worker: Worker, request: Request, works: Sequence[Work]
) -> AsyncGenerator[Chunk, None]:
    """The chunks of prompts as they are computed; afterwards each has its answer.

    When it is closed, what is not computed yet is cancelled.
    """
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[Chunk | None] = asyncio.Queue()

    def listener(prompt: int) -> Callable[[int, Answer], None]:
        def put(number: int, chunk: Answer) -> None:
            loop.call_soon_threadsafe(chunks.put_nowait, (prompt, number, chunk))

        return put

    for prompt, work in enumerate(works):
        work.on_chunk = listener(prompt)
    futures = worker.submit(works, client_of(request))
    whole = asyncio.gather(*map(asyncio.wrap_future, futures))
    whole.add_done_callback(lambda _: chunks.put_nowait(None))
    try:
        while (item := await _next(chunks, request)) is not None:
            yield item
        await whole
    finally:
        whole.cancel()
        for future in futures:
            future.cancel()


async def _next(chunks: asyncio.Queue[Chunk | None], request: Request) -> Chunk | None:
    while True:
        try:
            return await asyncio.wait_for(chunks.get(), timeout=0.5)
        except TimeoutError:
            if await request.is_disconnected():
                raise ApiError(499, "The client has left.") from None


def _written(event: dict[str, Any]) -> str:
    named = f"event: {event['type']}\n" if "type" in event else ""
    return f"{named}data: {json.dumps(event)}\n\n"
