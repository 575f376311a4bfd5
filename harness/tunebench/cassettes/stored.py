"""The part of an answer that a cassette stores, by the endpoint of its request.

An answer that cannot be used raises a `ValueError`, as in `tunebench.wire`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from tunebench.wire import (
    MARK,
    Asked,
    Unusable,
    Usage,
    composed,
    composed_embeddings,
    parsed,
    read_answers,
    read_checkpoints,
    read_created_job,
    read_embeddings,
    read_events,
    read_file,
    read_job,
    read_result,
    read_tokens,
    stored_choice,
    stored_embedding,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunebench.cassettes.fingerprint import Fingerprint
    from tunebench.wire import Job

ANSWERED = ("POST completions", "POST chat/completions")
EMBEDDINGS = "POST embeddings"
TOKENIZE = "POST tokenize"
# How an answer is put together from rows, by the endpoint. Such a request may hold several prompts.
COMPOSED: dict[str, Callable[..., bytes]] = {
    **dict.fromkeys(ANSWERED, composed),
    EMBEDDINGS: composed_embeddings,
}
UPLOAD, CREATION = "POST files", "POST fine_tuning/jobs"
STATE = re.compile(r"GET fine_tuning/jobs/[^/?]+")
_FILE_CONTENT = re.compile(r"GET files/[^/]+/content")
_LISTS = re.compile(r"GET fine_tuning/jobs/[^/?]+/(events|checkpoints)(\?.*)?")


class Stored(NamedTuple):
    """The stored part of an answer: a value for each prompt, and what they have in common."""

    answers: list[Any]
    usage: Usage = Usage()
    server: str = ""
    model: str = ""


def stored_rows(body: Any, asked: Fingerprint, prompts: int, known_as: str | None = None) -> Stored:
    """The stored part of an answer that has a part for each prompt."""
    if asked.endpoint == EMBEDDINGS:
        read = read_embeddings(body, asked.model, prompts, known_as)
        vectors = [stored_embedding(vector) for vector in read.vectors]
        return Stored(vectors, read.usage, read.server, read.model)
    return stored_answers(body, Asked.of(asked.endpoint, asked.fields, prompts, known_as))


def stored_answers(body: Any, asked: Asked) -> Stored:
    """The stored part of a model's answers to prompts."""
    read = read_answers(body, asked)
    choices = [stored_choice(one, chat=asked.chat) for one in read.answers]
    return Stored(choices, read.usage, read.server, read.model)


def stored_content(endpoint: str, content: bytes) -> Any:
    """The stored part of the content of an answer that is not a model's text."""
    if _FILE_CONTENT.fullmatch(endpoint):
        read_result(content)
        return content.decode()
    body = parsed(content)
    return {"tokens": read_tokens(body)} if endpoint == TOKENIZE else body


def job_at(endpoint: str, body: Any) -> Job:
    """The job in the answer to a request for its state, which must be the one in the path."""
    return read_job(body, unquote(endpoint.rpartition("/")[2]))


def stored_of_job(endpoint: str, body: Any, mark: str) -> Any:
    """The stored part of an answer about a file or a job."""
    if endpoint == UPLOAD:
        return read_file(body).stored()
    if endpoint == CREATION:
        return read_created_job(body).stored()
    if STATE.fullmatch(endpoint):
        job = job_at(endpoint, body)
        # Not every provider keeps the metadata that identify the job here.
        return {**job.stored(), "metadata": {MARK: mark, **job.metadata}}
    if found := _LISTS.fullmatch(endpoint):
        return (read_events if found[1] == "events" else read_checkpoints)(body).stored()
    return body


def check_stored(asked: Fingerprint, answer: Any) -> None:
    """Check that a stored answer is what would be stored of it."""
    again = answer
    if asked.endpoint in COMPOSED:
        field = "data" if asked.endpoint == EMBEDDINGS else "choices"
        (again,) = stored_rows({field: [answer]}, asked, 1).answers
    elif asked.endpoint == TOKENIZE:
        again = {"tokens": read_tokens(answer)}
    elif isinstance(answer, str):
        answer.encode()
    if again != answer:
        raise Unusable("its answer holds more than is read of one")
