"""The cassette in use where a request is made: each thread may have another one.

vcrpy patches the HTTP transports of the whole process for one cassette. While any cassette of ours
is in use, that one is a switch: it hands each request to the cassette of the caller's context.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from tunebench.cassettes.played import FileCassette, OwnCassette
from tunebench.cassettes.recorder import RecordedCassette

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from vcr.request import Request

    from tunebench.cassettes.store import CassetteFile

_in_use: ContextVar[FileCassette] = ContextVar("cassette")
_changing = threading.Lock()
_patched = ExitStack()
_users = 0


class _Switch(OwnCassette):
    def can_play_response_for(self, request: Request) -> bool:
        cassette = _in_use.get(None)
        # Other traffic of the process, in a thread that uses no cassette, is passed on.
        return cassette is not None and bool(cassette.can_play_response_for(request))

    def play_response(self, request: Request) -> Any:
        return _in_use.get().play_response(request)

    def append(self, request: Request, response: dict[str, Any]) -> None:
        cassette = _in_use.get(None)
        if cassette is not None:
            cassette.append(request, response)


@contextmanager
def use_cassette(
    file: CassetteFile,
    *,
    before_send: Callable[[], None] | None,
    items: Mapping[str, str],
    hint: str,
    texts: Iterable[str] = (),
    answers_as: Mapping[str, str] | None = None,
    places: Mapping[str, str] | None = None,
    kind: type[RecordedCassette] = RecordedCassette,
) -> Iterator[RecordedCassette]:
    """Answer the requests made inside, by this thread, from a cassette's file.

    Other threads may use other cassettes at the same time.

    Args:
        file: the open file, opened for recording if anything may be sent.
        before_send: if given, a request that the file cannot answer is sent to the provider after
            calling this, and its answer is appended; if None, such a request is an error and
            nothing leaves the machine.
        items: item id by prompt SHA-256, to store with an answer and to name in a miss.
        hint: how to record what is missing, for the hint of a miss.
        texts: the data set's texts in the prompts, which no stored answer may repeat; those under
            40 characters may stand in any answer and are not looked for. They are gone through
            for each answer that is as long.
        answers_as: the names that models are known to answer with, by the names in requests.
        places: where items are in the user's file, by item id, to name in a miss.
        kind: of traffic.
    """
    cassette = kind.load(
        path=str(file.path),
        file=file,
        before_send=before_send,
        items=items,
        texts=texts,
        hint=hint,
        answers_as=answers_as,
        places=places,
    )
    with _answering(cassette):
        yield cassette


@contextmanager
def _answering(cassette: FileCassette) -> Iterator[None]:
    """Answer from a cassette what is requested in this context, and in copies of it."""
    global _users
    with _changing:
        if _users == 0:
            _patched.enter_context(_Switch.use(path=""))
        _users += 1
    token = _in_use.set(cassette)
    try:
        yield
    finally:
        _in_use.reset(token)
        with _changing:
            _users -= 1
            if _users == 0:
                _patched.close()
