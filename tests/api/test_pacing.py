import functools
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tunebench.api import Client, Pacer, pacing
from tunebench.cassettes import CassetteFile, use_cassette
from tunebench.errors import RequestError

from .limited import Limited

PROMPTS = [f"prompt {i}" for i in range(60)]


@pytest.fixture
def connect(loopback, clock) -> Iterator[Callable[..., Client]]:
    """A client of one prompt a request, paced as the options say."""
    clients = []

    def connect(concurrency: int, *, retries: int = 2, **limits: Any) -> Client:
        pacer = Pacer(concurrency, repeats=retries > 0, **limits)
        options = {"prompts_per_request": 1, "concurrency": concurrency, "retries": retries}
        clients.append(Client(loopback.url, "sk-any", pacer=pacer, **options))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


def texts(replies) -> list[str]:
    return [answer.text for reply in replies for answer in reply.answers]


@pytest.fixture
def limited(loopback, said, clock) -> Callable[..., Limited]:
    """Let the provider enforce a limit."""
    return functools.partial(Limited, loopback, said, clock)


@pytest.fixture
def timed(connect, clock) -> Callable[..., tuple[list[str], float]]:
    """The answers to prompts, asked in some threads within limits, and how long they took."""

    def timed(threads: int, prompts: list[str] = PROMPTS, **limits: Any) -> tuple[list[str], float]:
        started = clock()
        replies = clock.complete(connect(threads, **limits), prompts, threads)
        return texts(replies), clock() - started

    return timed


def test_within_a_limit_that_the_provider_tells_little_is_refused(loopback, limited, timed) -> None:
    server = limited(tells=True)
    got, seconds = timed(16)
    assert got == [loopback.text_of(prompt) for prompt in PROMPTS]
    assert len(server.refused_at) <= len(PROMPTS) / 5
    fastest = (len(PROMPTS) - server.burst) / server.per_second
    assert fastest <= seconds <= 2 * fastest


def test_a_limit_that_shows_in_refusals_alone_is_kept_to_as_well(loopback, limited, timed) -> None:
    server = limited()
    got, seconds = timed(16)
    assert got == [loopback.text_of(prompt) for prompt in PROMPTS]
    assert 0 < len(server.refused_at) <= len(PROMPTS) / 2
    fastest = (len(PROMPTS) - server.burst) / server.per_second
    assert fastest <= seconds <= 2 * fastest


def test_a_refusal_without_a_word_of_when_is_waited_out(loopback, limited, timed) -> None:
    server = limited(burst=5, per_second=10, hint="")
    got, _ = timed(8, PROMPTS[:20])
    assert got == [loopback.text_of(prompt) for prompt in PROMPTS[:20]]
    assert 0 < len(server.refused_at) <= 20


def test_a_declared_limit_of_requests_is_never_exceeded(loopback, limited, timed) -> None:
    server = limited(burst=2, per_second=20, seconds=0.1)
    got, seconds = timed(8, PROMPTS[:30], requests_per_minute=60 * 20)
    assert got == [loopback.text_of(prompt) for prompt in PROMPTS[:30]]
    assert server.refused_at == []
    assert seconds == pytest.approx(29 / 20 + 0.1)


def test_a_declared_limit_of_tokens_counts_what_the_answers_took(loopback, timed) -> None:
    # An answer takes 11 tokens by the provider's count, and 4 by the estimate before it.
    got, seconds = timed(1, PROMPTS[:12], tokens_per_minute=60 * 110)
    assert got == [loopback.text_of(prompt) for prompt in PROMPTS[:12]]
    assert seconds == pytest.approx(11 * 11 / 110)


def test_one_refusal_holds_all_requests_back(loopback, timed, clock, said) -> None:
    arrived: list[float] = []
    lock = threading.Lock()

    def refuse_the_twentieth(asked):
        with lock:
            arrived.append(clock())
            if len(arrived) == 20:
                return said({}, 429, {"retry-after": "0.5"})
        clock.sleep(0.02)
        return loopback.complete(asked)

    loopback.answer = refuse_the_twentieth
    got, _ = timed(8)
    assert got == [loopback.text_of(prompt) for prompt in PROMPTS]
    # What left at that moment arrives at that moment; then there is silence.
    refused = arrived[19]
    assert [at for at in arrived if refused < at < refused + 0.5] == []
    assert len(arrived) == len(PROMPTS) + 1


def test_requests_under_way_begin_at_two_and_grow_to_the_ceiling(loopback, timed, clock) -> None:
    at_once: list[int] = []

    def slowly(asked):
        at_once.append(loopback._at_once)
        clock.sleep(0.03)
        return loopback.complete(asked)

    loopback.answer = slowly
    timed(6)
    assert max(at_once[:2]) <= 2
    assert max(at_once[:4]) <= 4
    assert loopback.most_at_once == 6


def test_a_refusal_halves_the_requests_under_way(loopback, timed, clock, said) -> None:
    seen: list[tuple[float, int]] = []
    lock = threading.Lock()

    def refuse_the_thirtieth(asked):
        with lock:
            seen.append((clock(), loopback._at_once))
            if len(seen) == 30:
                return said({}, 503, {"retry-after-ms": "300"})
        clock.sleep(0.03)
        return loopback.complete(asked)

    loopback.answer = refuse_the_thirtieth
    timed(8)
    assert max(at_once for _, at_once in seen[:30]) == 8
    after = [at_once for at, at_once in seen if at > seen[29][0]]
    assert max(after[:6]) <= 4
    assert max(after) > 4


def test_a_refusal_is_never_recorded_and_what_is_recorded_is_not_asked_again(
    loopback, limited, timed, tmp_path: Path
) -> None:
    server = limited()
    file = CassetteFile(tmp_path / "c.jsonl", experiment="e", recording="c")
    file.start_recording()
    with use_cassette(file, before_send=lambda: None, items={}, hint="") as cassette:
        first, _ = timed(16)
        lacking = cassette.lacking("POST completions", {"model": "m", "max_tokens": 1}, PROMPTS)
    rows = list(file.rows())
    file.close()
    assert server.refused_at
    assert lacking == []
    assert len(rows) == len(PROMPTS)
    assert first == [loopback.text_of(prompt) for prompt in PROMPTS]


@pytest.mark.parametrize(
    ("headers", "body", "retries", "asked"),
    [
        ({"retry-after-ms": "1"}, {"message": "busy"}, 2, 8),
        ({"retry-after-ms": "1"}, {"message": "busy"}, 0, 1),
        ({"retry-after": "86400"}, {"message": "come back tomorrow"}, 2, 1),
        ({"retry-after-ms": "1"}, {"message": "pay", "code": "insufficient_quota"}, 2, 1),
        ({"retry-after-ms": "1"}, {"message": "pay", "type": "insufficient_quota"}, 2, 1),
        ({}, {"message": "pay", "error": {"code": "billing_hard_limit_reached"}}, 2, 1),
    ],
    ids=["refused for good", "retries = 0", "tomorrow", "code", "type", "inner code"],
)
def test_what_waiting_does_not_help_is_a_sentence(
    loopback, connect, said, headers: dict[str, str], body: Any, retries: int, asked: int
) -> None:
    loopback.answer = lambda _: said({"error": body}, 429, headers)
    with pytest.raises(RequestError, match=rf"the provider answered 429 \({body['message']}\)"):
        connect(1, retries=retries).complete("m", PROMPTS, {})
    assert len(loopback.asked) == asked


@pytest.mark.parametrize("status", [429, 500])
@pytest.mark.parametrize("name", ["code", "type"])
def test_where_no_money_is_left_nothing_else_is_repeated_either(
    loopback, connect, said, status: int, name: str
) -> None:
    loopback.answer = lambda _: said({"error": {name: "insufficient_quota"}}, status)
    with pytest.raises(RequestError, match="the account's quota is used up"):
        connect(1).call("the upload", lambda api: api.get("/files", cast_to=bytes))
    assert len(loopback.asked) == 1


def test_other_failures_are_repeated_as_before(loopback, connect, said) -> None:
    def fail_once(asked):
        return loopback.complete(asked) if len(loopback.asked) > 1 else said({}, 500)

    loopback.answer = fail_once
    assert texts(connect(1).complete("m", PROMPTS[:1], {})) == [loopback.text_of(PROMPTS[0])]
    assert len(loopback.asked) == 2


def test_a_failure_is_told_at_once_though_an_earlier_prompt_still_waits(
    loopback, connect, said, monkeypatch: pytest.MonkeyPatch
) -> None:
    both_left, waiting = threading.Event(), threading.Event()
    naps: list[float] = []

    class Condition(threading.Condition):
        def wait(self, timeout: float) -> bool:
            naps.append(timeout)
            waiting.set()
            return super().wait(timeout)

    def refuse_or_fail(asked):
        if asked.fields["prompt"] == PROMPTS[0]:
            assert both_left.wait(120)
            return said({"error": {"message": "later"}}, 429, {"retry-after": "60"})
        both_left.set()
        assert waiting.wait(120)
        return said({"error": {"message": "no such model"}}, 404)

    loopback.answer = refuse_or_fail
    monkeypatch.setattr(pacing, "threading", types.SimpleNamespace(Condition=Condition))
    with pytest.raises(RequestError, match="404 \\(no such model\\)"):
        connect(2).complete("m", PROMPTS, {})
    assert max(naps) <= 1  # it looks for a failure at least every second
    assert len(loopback.asked) == 2
