"""Requests of many prompts: sent in parts, some at once, and answered in their order."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from tunebench.api.prompts import estimated_tokens
from tunebench.api.refusals import is_refused, is_too_long
from tunebench.errors import RequestError
from tunebench.wire import Answers, Embeddings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from tunebench.api.pacing import Pacer

Reply = TypeVar("Reply", Answers, Embeddings)

# Requests that wait for a free connection, as a multiple of the connections.
_SUBMITTED = 8


class Hooks(TypedDict, total=False):
    """What is called while requests are sent.

    Attributes:
        done: with the number of prompts answered, after each answered request.
        say: with a line where the pacer makes requests wait for some seconds or more.
        check: before each request, and while it waits; what it raises ends the sending.
    """

    done: Callable[[int], None]
    say: Callable[[str], None]
    check: Callable[[], None]


def _nothing(*_: object) -> None:
    pass


def in_batches(
    prompts: Sequence[Any],
    size: int,
    send: Callable[[Sequence[Any], int], Reply],
    parameters: Mapping[str, Any],
    hooks: Hooks,
    *,
    concurrency: int,
    pacer: Pacer | None,
) -> Iterator[Reply]:
    """Send prompts in requests of some each; the replies are in the order of the prompts.

    Args:
        prompts: texts or conversations; taken by slices, as they are sent.
        size: how many a request holds.
        send: sends some prompts, of which the first has the given position.
        parameters: further fields of the requests, for the estimate of their tokens.
        hooks: what is called on the way.
        concurrency: how many requests may be under way at once.
        pacer: makes them wait; None to send at once.

    Raises:
        RequestError: a request failed for good. Its position is that of the prompt at fault, if
            that is known.
    """
    done, check = hooks.get("done", _nothing), hooks.get("check", _nothing)
    say = hooks.get("say", _nothing)
    failures: list[BaseException] = []

    def go_on() -> None:
        if failures:
            raise failures[0]
        check()

    def ask(start: int) -> Reply:
        go_on()
        part = prompts[start : start + size]
        one = partial(_sent, send, part, start)
        try:
            if pacer is None:
                reply = one()
            else:
                reply = pacer.ask(one, estimated_tokens(part, parameters), go_on, say)
        except BaseException as error:
            failures.append(error)
            raise
        done(len(part))
        return reply

    starts = range(0, len(prompts), size)
    if concurrency == 1 or len(starts) == 1:
        yield from map(ask, starts)
        return
    with ThreadPoolExecutor(concurrency) as pool:
        waiting: deque[Future[Reply]] = deque()
        try:
            for start in starts:
                # The context says which cassette is in use.
                waiting.append(pool.submit(copy_context().run, ask, start))
                if len(waiting) > _SUBMITTED * concurrency:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BaseException as error:
            failures.append(error)  # after an interrupt of this thread, the others stop waiting
            pool.shutdown(cancel_futures=True)
            raise


def _sent(send: Callable[[Sequence[Any], int], Reply], part: Sequence[Any], start: int) -> Reply:
    """Send a request; the error of a refusal has the position of the prompt at fault, if known."""
    try:
        return send(part, start)
    except RequestError as error:
        if len(part) == 1 and is_refused(error):
            error.prompt = start
        elif len(part) > 1 and is_too_long(error):
            # The one at fault, likely the longest, is refused again when it is alone.
            for i in sorted(range(len(part)), key=lambda i: -estimated_tokens([part[i]], {})):
                _sent(send, part[i : i + 1], start + i)
        raise
