"""The body of a response, and the events of its stream: what is streamed is the body's parts."""

import time
import uuid
from collections.abc import Iterator
from typing import Any

from tunebench.server.http.response_requests import ResponseRequest
from tunebench.server.http.tool_calls import Call, Piece

Event = dict[str, Any]


def _id(kind: str) -> str:
    return f"{kind}_{uuid.uuid4().hex}"


class ResponseEvents:
    """Makes a response of the pieces of an answer.

    Attributes:
        body: the response so far.
    """

    def __init__(self, request: ResponseRequest, model: str) -> None:
        chosen = request.tool_choice
        self.body: dict[str, Any] = {
            "id": _id("resp"),
            "object": "response",
            "created_at": time.time(),
            "status": "in_progress",
            "error": None,
            "incomplete_details": None,
            "instructions": request.instructions,
            "max_output_tokens": request.max_output_tokens,
            "metadata": request.metadata or {},
            "model": model,
            "output": [],
            "parallel_tool_calls": request.parallel_tool_calls is not False,
            "previous_response_id": None,
            "store": False,
            "temperature": 1.0 if request.temperature is None else request.temperature,
            "text": {"format": _format(request)},
            "tool_choice": chosen if isinstance(chosen, str) else _dumped(chosen) or "auto",
            "tools": [_dumped(tool) for tool in request.tools or []],
            "top_p": 1.0 if request.top_p is None else request.top_p,
            "truncation": "disabled",
            "usage": None,
            "user": request.user,
        }
        self._number = 0
        self._open: dict[str, Any] | None = None

    def begin(self) -> Iterator[Event]:
        """The events before the first piece."""
        yield self._event("created", response=self._snapshot())
        yield self._event("in_progress", response=self._snapshot())

    def add(self, piece: Piece, logprobs: list[dict[str, Any]]) -> Iterator[Event]:
        """The events of a piece of the answer; a text has its tokens' log-probabilities."""
        if piece.text or logprobs:
            yield from self._add_text(piece.text, logprobs)
        for call in piece.calls:
            yield from self._add_call(call)

    def end(self, complete: bool, read: int, made: int) -> Iterator[Event]:
        """The last events: whether the answer is complete, and its numbers of tokens."""
        if not self.body["output"]:
            yield from self._open_text()
        status = "completed" if complete else "incomplete"
        yield from self._close(status)
        self.body["status"] = status
        if not complete:
            self.body["incomplete_details"] = {"reason": "max_output_tokens"}
        self.body["usage"] = {
            "input_tokens": read,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": made,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": read + made,
        }
        yield self._event(status, response=self._snapshot())

    def _add_text(self, text: str, logprobs: list[dict[str, Any]]) -> Iterator[Event]:
        if self._open is None:
            yield from self._open_text()
        assert self._open is not None
        part = self._open["content"][0]
        part["text"] += text
        part["logprobs"] += logprobs
        yield self._part_event("output_text.delta", delta=text, logprobs=logprobs)

    def _open_text(self) -> Iterator[Event]:
        yield self._open_item(
            {"id": _id("msg"), "type": "message", "role": "assistant", "content": []}
        )
        assert self._open is not None
        part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        yield self._part_event("content_part.added", part={**part, "logprobs": []})
        self._open["content"].append(part)

    def _add_call(self, call: Call) -> Iterator[Event]:
        if call.name is not None:
            yield from self._close("completed")
            kind = {"id": _id("fc"), "type": "function_call", "call_id": _id("call")}
            yield self._open_item({**kind, "name": call.name, "arguments": ""})
        assert self._open is not None
        if call.arguments:
            self._open["arguments"] += call.arguments
            yield self._item_event("function_call_arguments.delta", delta=call.arguments)

    def _open_item(self, item: dict[str, Any]) -> Event:
        self._open = {**item, "status": "in_progress"}
        self.body["output"].append(self._open)
        copy = {**self._open, "content": []} if "content" in self._open else dict(self._open)
        return self._event("output_item.added", output_index=self._place, item=copy)

    def _close(self, status: str) -> Iterator[Event]:
        item = self._open
        if item is None:
            return
        if item["type"] == "message":
            [part] = item["content"]
            done = {"text": part["text"], "logprobs": part["logprobs"]}
            yield self._part_event("output_text.done", **done)
            yield self._part_event("content_part.done", part=part)
        else:
            kind = "function_call_arguments.done"
            yield self._item_event(kind, name=item["name"], arguments=item["arguments"])
        item["status"] = status
        yield self._event("output_item.done", output_index=self._place, item=item)
        self._open = None

    @property
    def _place(self) -> int:
        return len(self.body["output"]) - 1

    def _snapshot(self) -> dict[str, Any]:
        return {**self.body, "output": list(self.body["output"])}

    def _item_event(self, kind: str, **fields: Any) -> Event:
        assert self._open is not None
        return self._event(kind, item_id=self._open["id"], output_index=self._place, **fields)

    def _part_event(self, kind: str, **fields: Any) -> Event:
        return self._item_event(kind, content_index=0, **fields)

    def _event(self, kind: str, **fields: Any) -> Event:
        self._number += 1
        return {"type": f"response.{kind}", "sequence_number": self._number - 1, **fields}


def _format(request: ResponseRequest) -> dict[str, Any]:
    return (_dumped(request.text.format) if request.text else None) or {"type": "text"}


def _dumped(value: Any) -> dict[str, Any] | None:
    dumped: dict[str, Any] | None = value and value.model_dump(by_alias=True, exclude_none=True)
    return dumped
