"""Cassettes of format 1, in which a row was a whole request: converted into format 2.

A row began with its key and ended with the body of the answer::

    {"cassette": 1, "experiment": "imdb", "recording": "smollm2-135m-1shot"}
    {"key":"...","endpoint":"POST completions","model":"...","items":[...],"parameters":{...},
     "prompt_sha256":[...],"status":200,"latency_ms":...,"recorded_at":"...","server":"","body":{}}
"""

from __future__ import annotations

import json
import re
from binascii import unhexlify
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from tunebench.cassettes.fingerprint import digest_of, text_sha256
from tunebench.cassettes.lines import RequestLine, Row, request_of, row_of, rows_for
from tunebench.cassettes.stored import ANSWERED, CREATION, STATE, TOKENIZE, stored_of_job
from tunebench.errors import CassetteError, hidden, without_secrets
from tunebench.wire import (
    MARK,
    Answer,
    Asked,
    Unusable,
    Usage,
    parsed,
    read_answers,
    read_tokens,
    stored_choice,
    within,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_FIELDS: dict[str, Any] = {
    "key": str, "endpoint": str, "model": str, "items": list, "parameters": dict,
    "prompt_sha256": list, "status": int, "latency_ms": (int, float), "recorded_at": str,
    "server": str, "body": object,
}  # fmt: skip
_SEARCH = re.compile(r"GET fine_tuning/jobs(\?.*)?")


@dataclass(frozen=True)
class Converted:
    """A request of format 1 in rows of format 2.

    Attributes:
        number: of its line.
        line: the fields that its rows have in common.
        answers: the answers that were read, by prompt; empty where they were not a model's.
    """

    number: int
    line: RequestLine
    rows: list[Row]
    answers: dict[str, Answer]


def first_format_header(path: Path) -> dict[str, Any] | None:
    """The header of a cassette of format 1; None for any other file.

    Raises:
        CassetteError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            header = json.loads(file.readline())
    except OSError as error:
        raise CassetteError(
            f"the cassette cannot be read ({error.strerror})",
            where=path,
            hint="put a file there that can",
        ) from error
    except (ValueError, RecursionError):
        return None
    is_first = isinstance(header, dict) and header.get("cassette") == 1
    return header if is_first and {"experiment", "recording"} <= header.keys() else None


def converted(path: Path, fields: Mapping[str, Any]) -> Iterator[Converted]:
    """The rows of a cassette of format 1, request by request, without those that have no use now.

    `fields` are those of the model's requests that format 1 did not store: its `parameters`.

    Raises:
        CassetteError: a line is damaged, or holds an answer that cannot be used.
    """
    turns: dict[str, int] = {}
    mark = ""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if number == 1 or not line.endswith(b"\n"):  # a torn last line is dropped
                continue
            try:
                old = _row(line)
            except ValueError:
                raise _no_row(path, number) from None
            if _SEARCH.fullmatch(old["endpoint"]):
                # Not stored any more: it identifies the job that follows.
                mark = _mark_of(old["endpoint"]) or mark
                continue
            try:
                one = _converted(number, old, fields, turns, mark)
                _check(one)
            except Unusable as problem:
                raise CassetteError(
                    str(problem),
                    where=f"{path}, line {number}",
                    hint="take the line out and record it again",
                ) from None
            except ValueError:
                raise _no_row(path, number) from None
            yield one


def _no_row(path: Path, number: int) -> CassetteError:
    return CassetteError(
        "this is not a row of a cassette",
        where=f"{path}, line {number}",
        hint="restore the file from version control, or delete it and record again",
    )


def _row(line: bytes) -> dict[str, Any]:
    old = parsed(line)
    if not isinstance(old, dict) or list(old) != list(_FIELDS):
        raise ValueError
    if not all(isinstance(old[name], kind) for name, kind in _FIELDS.items()):
        raise ValueError
    for sha256 in old["prompt_sha256"]:
        if not isinstance(sha256, str) or len(unhexlify(sha256)) != 32:
            raise ValueError
    return old


def _check(one: Converted) -> None:
    """Read the converted rows as the new file will be read.

    Raises:
        ValueError: they could not be written, or not be read.
    """
    request_of(_written({"request": one.line.id, **one.line.fields}))
    for row in one.rows:
        row_of(_written(row._asdict()))


def _written(fields: dict[str, Any]) -> Any:
    return json.loads(json.dumps(fields, allow_nan=False))


def _converted(
    number: int, old: dict[str, Any], more: Mapping[str, Any], turns: dict[str, int], mark: str
) -> Converted:
    endpoint, body, parameters = old["endpoint"], old["body"], dict(old["parameters"])
    prompts: list[str] = old["prompt_sha256"] or [text_sha256("")]
    usage, server, answered_by = Usage(), "", ""
    read: dict[str, Answer] = {}
    model = {"model": old["model"]} if old["model"] else {}
    if endpoint in ANSWERED:
        fields = {**more, **model, **parameters}
        name = within(body, "model")
        known_as = name if isinstance(name, str) else None
        asked = Asked.of(endpoint, fields, len(prompts), known_as)
        whole = read_answers(body, asked)
        usage, server, answered_by = whole.usage, whole.server, whole.model
        answers: list[Any] = [stored_choice(one, chat=asked.chat) for one in whole.answers]
        read = dict(zip(prompts, whole.answers, strict=True))
    elif endpoint == TOKENIZE:
        fields = {**model, **parameters}
        answers = [{"tokens": read_tokens(body)}]
    else:
        fields = {**model, **parameters}
        answers = [stored_of_job(endpoint, body, mark)]
        if STATE.fullmatch(endpoint):
            turn = turns[endpoint] = turns.get(endpoint, -1) + 1
            prompts = [text_sha256(str(turn))]
        elif endpoint == CREATION:
            parameters.setdefault("metadata", {MARK: mark})
    line = RequestLine(
        digest_of(endpoint, fields),
        endpoint,
        old["model"],
        parameters,
        hidden(server),
        hidden(answered_by),
    )
    items = old["items"] if len(old["items"]) == len(prompts) else [None] * len(prompts)
    rows = rows_for(
        line,
        prompts,
        [without_secrets(answer) for answer in answers],
        items,
        recorded_at=old["recorded_at"],
        latency_ms=old["latency_ms"],
        usage=(usage.prompt_tokens, usage.completion_tokens),
    )
    return Converted(number, line, rows, read)


def _mark_of(endpoint: str) -> str:
    query = parse_qs(endpoint.partition("?")[2])
    return next(iter(query.get(f"metadata[{MARK}]", [])), "")
