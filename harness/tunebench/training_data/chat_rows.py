"""Records of the chat format: checked and taken as they stand."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from tunebench.errors import DatasetError
from tunebench.training_data.rows import utf8

if TYPE_CHECKING:
    from pathlib import Path

    from tunebench.training_data.rows import Rows

_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_LINE_ENDS = str.maketrans({"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def append_chat(path: Path, row: dict[str, Any], line: str, number: int, rows: Rows) -> None:
    """Check a chat record and add its line as it stands.

    Args:
        path: the file, for messages.
        row: the record.
        line: its JSON.
        number: its line number.
        rows: where it is added; all rows of a file are chat records or none is.

    Raises:
        DatasetError: the record is not of the chat format, or other records are not.
    """
    what = _fault(row, mixed=rows.chat is None and len(rows) > 0)
    if what:
        raise DatasetError(f"{path}, line {number}: {what}.")
    if rows.chat is None:
        rows.chat = []
    *before, answer = row["messages"]
    context = {**row, "messages": before}
    digest = hashlib.blake2b(json.dumps(context, sort_keys=True).encode(), digest_size=16)
    content = answer.get("content")
    said = content if isinstance(content, str) else json.dumps(answer, sort_keys=True)
    rows.append(digest.digest(), utf8(said, number), number)
    # The line's own characters stay; only the line ends that JSON leaves bare are escaped.
    rows.chat.append(utf8(line.strip().translate(_LINE_ENDS), number) + b"\n")


def _fault(row: dict[str, Any], *, mixed: bool) -> str | None:
    """What is wrong with a record and what to do, or None."""
    if mixed or "messages" not in row:
        return "some records have 'messages' and some have none: give all of them the same keys"
    messages = row["messages"]
    if not isinstance(messages, list) or len(messages) < 2:
        return "'messages' must be a list of two messages or more: add the question or the answer"
    for position, message in enumerate(messages, 1):
        if not isinstance(message, dict):
            return f'message {position} is no object: write {{"role": "…", "content": "…"}}'
        if message.get("role") not in _ROLES:
            return (
                f"message {position} has the role {message.get('role')!r}: use {', '.join(_ROLES)}"
            )
        content = message.get("content")
        acts = message.get("tool_calls") or message.get("function_call")
        if not (isinstance(content, (str, list)) and content) and not acts:
            return f"message {position} says nothing: give it a 'content'"
    if messages[-1]["role"] != "assistant":
        return "the last message is not the assistant's: end with the answer to be learnt"
    return None
