"""Prompts and completions, or chat records, of a user's file.

Every value must be a text: which text a number or a list should become (``1``, ``1.0``, ``true``?)
is for the author to decide. An empty value, null and NaN are the empty text, which the preparation
drops. Nothing else is empty: ``NA`` and ``None`` in a table are texts.
"""

from __future__ import annotations

import hashlib
import json
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from tunebench.errors import DatasetError
from tunebench.tables import Table, not_json
from tunebench.training_data.rows import Rows
from tunebench.training_data.training_files import without_line_ends

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tunebench.tables import Record

_ROLES = ("system", "developer", "user", "assistant", "tool", "function")


def read_rows(path: Path, *, encoding: str = "utf-8", delimiter: str | None = None) -> Rows:
    """Read a file by its ending: .jsonl, .json, .csv, .tsv, .txt or .xlsx.

    The encoding is for all but .xlsx; without a delimiter it is found in the first line.

    Raises:
        DatasetError: the file cannot be read, is empty or holds something else.
    """
    table = Table(path, ("prompt", "completion"), lambda *_: "name it so", fold=True)
    ending = table.check_ending(".jsonl", ".json", ".csv", ".tsv", ".txt", ".xlsx")
    chat: list[str] | None = None
    converted = []
    if ending == ".txt":
        converted.append("a text file becomes JSONL, each line a completion")
        for number, line in enumerate(table.lines(encoding, None), 1):
            table.append(number, ("", line.removesuffix("\n")))
    elif ending in (".jsonl", ".json"):
        records: Iterator[Record] = table.json_lines(encoding)
        if ending == ".json":
            records, note = _json_records(table, encoding)
            converted.append(note)
        first = list(islice(records, 1))
        is_chat = any("messages" in record for _, record, _ in first)
        checked = _of_one_kind(table, chain(first, records), is_chat)
        if is_chat:
            chat = list(_chat_lines(table, checked))
        else:
            table.add_records(checked)
    else:
        converted.append(f"the {'first sheet' if ending == '.xlsx' else 'table'} becomes JSONL")
        table.read(encoding=encoding, delimiter=delimiter)
    if not table.places:
        raise DatasetError("the file holds no rows", where=path, hint="give one that does")
    converted += [f"the column {name!r} becomes {to!r}" for name, to in table.renamed.items()]
    if set(table.names) - {*table.columns, *table.renamed}:
        converted.append("columns other than 'prompt' and 'completion' are left out")
    prompts, completions = map(list, table.texts)
    return Rows(prompts, completions, list(table.places), table.unit, chat, converted)


def _json_records(table: Table, encoding: str) -> tuple[Iterator[Record], str]:
    """The records of a .json file, and why it has to be written again."""
    try:
        document = json.loads("".join(table.lines(encoding, "\n")))
    except (ValueError, RecursionError) as error:
        if getattr(error, "msg", "") == "Extra data":
            return table.json_lines(encoding), "the file holds JSONL and is given that ending"
        where = f"{table.path}, line {getattr(error, 'lineno', 1)}"
        raise not_json(error, where, "fix it") from None
    if isinstance(document, dict) and all(isinstance(c, dict) for c in document.values()):
        # As data frames are written: an object for each column, its values by row name.
        names = dict.fromkeys(name for column in document.values() for name in column)
        document = [{c: values.get(n) for c, values in document.items()} for n in names]
    elif isinstance(document, dict):
        document = [document]
    if not isinstance(document, list):
        raise DatasetError("this must be a list of records", where=table.path, hint="write one")
    table.unit = "record"
    records = (
        (place, table.checked_object(record, place), json.dumps(record, ensure_ascii=False))
        for place, record in enumerate(document, 1)
    )
    return records, "JSON becomes JSONL"


def _of_one_kind(table: Table, records: Iterable[Record], is_chat: bool) -> Iterator[Record]:
    for place, record, line in records:
        if ("messages" in record) != is_chat:
            problem = "some records have 'messages' and some have not"
            hint = "give all of them the same keys"
            raise DatasetError(problem, where=table.at(place), hint=hint)
        yield place, record, line


def _chat_lines(table: Table, records: Iterable[Record]) -> Iterator[str]:
    """Check chat records, add them to the table and give their lines."""
    for place, record, line in records:
        if fault := _chat_fault(record["messages"]):
            raise DatasetError(fault[0], where=table.at(place), hint=fault[1])
        *before, answer = record["messages"]
        context = json.dumps({**record, "messages": before}, sort_keys=True)
        content = answer.get("content")
        if not isinstance(content, str):
            content = json.dumps(answer, sort_keys=True)
        digest = hashlib.blake2b(context.encode(), digest_size=16)
        table.append(place, (digest.hexdigest(), content))
        yield without_line_ends(line.strip()) + "\n"


def _chat_fault(messages: Any) -> tuple[str, str] | None:
    """A problem of the messages of a record and its hint, or None."""
    if not isinstance(messages, list) or len(messages) < 2:
        return "'messages' must be a list of two or more", "add the question or the answer"
    for position, message in enumerate(messages, 1):
        name = f"message {position}"
        if not isinstance(message, dict):
            return f"{name} is not an object", 'write {"role": "…", "content": "…"}'
        if message.get("role") not in _ROLES:
            return f"{name} has the role {message.get('role')!r}", f"use {', '.join(_ROLES)}"
        content = message.get("content")
        acts = message.get("tool_calls") or message.get("function_call")
        if not (isinstance(content, (str, list)) and content) and not acts:
            return f"{name} is empty", "give it a 'content'"
    if messages[-1]["role"] != "assistant":
        return "the last message is not the assistant's", "end with the answer to be learnt"
    return None
