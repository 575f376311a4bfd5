"""Calls of functions as a model reads and writes them.

The form is that of the Hermes and Qwen models: JSON with a name and arguments between two marks. A
chat template that has it is used; for another model the functions are described in a system text.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tunebench.server import bounded_json
from tunebench.server.http.messages import Message
from tunebench.server.http.tools import Calling

CALL_BEGIN = "<tool_call>"
CALL_END = "}\n</tool_call>"
_HEAD = '\n{"name": '
_ARGUMENTS = ', "arguments": '


def call_head(name: str) -> str:
    """What is between the mark of a call and its arguments."""
    return f"{_HEAD}{json.dumps(name)}{_ARGUMENTS}"


def turns(
    tokenizer: Any, messages: Sequence[Message], calling: Calling | None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]] | None]:
    """The messages, and the tools, as the model's chat template takes them."""
    tools = [one.described() for one in calling.functions] if calling else None
    if _reads_calls(tokenizer.chat_template):
        return [_native(message) for message in messages], tools
    plain: list[dict[str, Any]] = []
    for message in messages:
        turn = _plain(message)
        # Many templates want the user and the assistant to take turns.
        if plain and plain[-1].get("role") == turn["role"] == "user" and _is_result(plain[-1]):
            plain[-1]["content"] += "\n" + turn["content"]
        else:
            plain.append(turn)
    return _with_tools(plain, tools) if tools else plain, None


def _reads_calls(template: Any) -> bool:
    return isinstance(template, str) and "tools" in template and CALL_BEGIN in template


def _native(message: Message) -> dict[str, Any]:
    turn: dict[str, Any] = message.turn()
    if message.tool_calls:
        turn["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {
                    "name": call.function.name,
                    "arguments": _parsed(call.function.arguments),
                },
            }
            for call in message.tool_calls
        ]
    return turn


def _plain(message: Message) -> dict[str, Any]:
    turn: dict[str, Any] = message.turn()
    if message.role == "tool":
        result = f"<tool_response>\n{turn['content']}\n</tool_response>"
        return {"role": "user", "content": result}
    calls = [
        CALL_BEGIN + call_head(call.function.name) + call.function.arguments + CALL_END
        for call in message.tool_calls or []
    ]
    if calls:
        turn["content"] = "\n".join([turn["content"], *calls] if turn["content"] else calls)
    return turn


def _is_result(turn: dict[str, Any]) -> bool:
    return str(turn["content"]).startswith("<tool_response>")


def _parsed(arguments: str) -> Any:
    """Arguments as templates take them; those of a call that was cut off stay a text."""
    try:
        return bounded_json.loads(arguments.encode())
    except ValueError:
        return arguments


def _with_tools(
    messages: list[dict[str, Any]], tools: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    listed = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools)
    text = (
        f"You can call these functions:\n<tools>\n{listed}\n</tools>\n"
        f"To call one, write its name and its arguments as JSON:\n{CALL_BEGIN}{_HEAD}"
        f'"NAME"{_ARGUMENTS}{{…}}{CALL_END}'
    )
    first = messages[0]
    if first["role"] in ("system", "developer"):
        return [{**first, "content": f"{first['content']}\n\n{text}"}, *messages[1:]]
    return [{"role": "system", "content": text}, *messages]


@dataclass
class Call:
    """A call, or what is new in one.

    Attributes:
        number: its place among the calls of the answer.
        name: None where it has been read already.
    """

    number: int
    name: str | None
    arguments: str = ""


@dataclass
class Piece:
    """What is new in an answer: text, and calls."""

    text: str = ""
    calls: list[Call] = field(default_factory=list)


class CallReader:
    """Reads an answer that follows the grammar of calls, as it grows.

    Attributes:
        count: calls that have begun.
    """

    def __init__(self) -> None:
        self.count = 0
        self._held = ""
        self._state = "text"
        self._arguments = ""

    def read(self, added: str, last: bool) -> Piece:
        """What is new after a chunk of the answer's text; no more comes after the last."""
        self._held += added
        piece = Piece()
        while self._step(piece, last):
            pass
        return piece

    @property
    def called(self) -> bool:
        """Whether there are calls, and all of them are whole."""
        return self.count > 0 and self._state == "text"

    def _step(self, piece: Piece, last: bool) -> bool:
        """Go over one mark; whether there was one."""
        if self._state == "text":
            before, found = self._cut(CALL_BEGIN, keep=not last)
            if not self.count:  # between two calls there is a line end only
                piece.text += before
            if found:
                self._state = "head"
            return found
        if self._state == "head":
            before, found = self._cut(_ARGUMENTS)
            if found:
                name = json.loads(before.removeprefix(_HEAD))
                piece.calls.append(Call(self.count, name))
                self.count += 1
                self._state, self._arguments = "arguments", ""
            return found
        before, found = self._cut(CALL_END)
        if last and not found and not _is_json(self._arguments + before):
            before += self._held  # a bracket of the arguments, not the beginning of the mark
        self._arguments += before
        if before:
            if not piece.calls or piece.calls[-1].number != self.count - 1:
                piece.calls.append(Call(self.count - 1, None))
            piece.calls[-1].arguments += before
        if found:
            self._state = "text"
        return found

    def _cut(self, mark: str, *, keep: bool = True) -> tuple[str, bool]:
        """Take the text before a mark; ``keep`` what may be the beginning of one."""
        before, found, after = self._held.partition(mark)
        if found:
            self._held = after
            return before, True
        if mark == _ARGUMENTS:
            return "", False
        lengths = range(min(len(mark) - 1, len(before)), 0, -1) if keep else ()
        held = next((n for n in lengths if before.endswith(mark[:n])), 0)
        self._held = before[len(before) - held :]
        return before[: len(before) - held], False


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
