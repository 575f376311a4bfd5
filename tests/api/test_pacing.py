import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.api import Client, Pacer, RequestError
from harness.cassettes import CassetteFile, use_cassette

from .limited import Limited

PROMPTS = [f"prompt {i}" for i in range(60)]


@pytest.fixture
def connect(loopback) -> Iterator[Callable[..., Client]]:
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


def timed(client: Client, prompts: list[str] = PROMPTS) -> tuple[list[str], float]:
    started = time.monotonic()
    replies = client.complete("m", prompts, {"max_tokens": 1})
    return texts(replies), time.monotonic() - started


def test_within_a_limit_that_the_provider_tells_little_is_refused(loopback, connect, said) -> None:
    server = Limited(loopback, said, tells=True)
    got, seconds = timed(connect(16))
    assert got == [loopback.text_of(prompt) for prompt in PROMPTS]
    assert len(server.refused_at) <= len(PROMPTS) / 5
    fastest = (len(PROMPTS) - server.burst) / server.per_second
    assert 0.9 * fastest <= seconds <= 4 * fastest + 1


def test_a_limit_that_shows_in_refusals_alone_is_kept_to_as_well(loopback, connect, said) -> None:
    server = Limited(loopback, said)
    got, seconds = timed(connect(16))
    assert got == [loopback.text_of(prompt) for prompt in PROMPTS]
    assert 0 < len(server.refused_at) <= len(PROMPTS) / 2
    fastest = (len(PROMPTS) - server.burst) / server.per_second
    assert 0.9 * fastest <= seconds <= 5 * fastest + 1


def test_a_refusal_without_a_word_of_when_is_waited_out(loopback, connect, said) -> None:
    server = Limited(loopback, said, burst=5, per_second=10, hint="")
    got, _ = timed(connect(8), PROMPTS[:20])
    assert got == [loopback.text_of(prompt) for prompt in PROMPTS[:20]]
    assert 0 < len(server.refused_at) <= 20


def test_a_declared_limit_of_requests_is_never_exceeded(loopback, connect, said) -> None:
    # A provider that lets two come at once forgives what the network delays.
    server = Limited(loopback, said, burst=2, per_second=20, seconds=0.1)
    got, seconds = timed(connect(8, requests_per_minute=60 * 20), PROMPTS[:30])
    assert got == [loopback.text_of(prompt) for prompt in PROMPTS[:30]]
    assert server.refused_at == []
    assert 29 / 20 <= seconds <= 2 * 29 / 20 + 1


def test_a_declared_limit_of_tokens_counts_what_the_answers_took(loopback, connect) -> None:
    # An answer takes 11 tokens by the provider's count, and 4 by the estimate before it.
    got, seconds = timed(connect(1, tokens_per_minute=60 * 110), PROMPTS[:12])
    assert got == [loopback.text_of(prompt) for prompt in PROMPTS[:12]]
    assert 11 * 11 / 110 <= seconds <= 3 * 11 * 11 / 110 + 1


def test_one_refusal_holds_all_requests_back(loopback, connect, said) -> None:
    arrived: list[float] = []
    refused: list[float] = []
    lock = threading.Lock()

    def refuse_the_twentieth(asked):
        with lock:
            arrived.append(time.monotonic())
            if len(arrived) == 20:
                refused.append(arrived[-1])
                return said({}, 429, {"retry-after": "0.5"})
        time.sleep(0.02)
        return loopback.complete(asked)

    loopback.answer = refuse_the_twentieth
    got, _ = timed(connect(8))
    assert got == [loopback.text_of(prompt) for prompt in PROMPTS]
    # What was about to leave at that moment may still arrive; then there is silence.
    silent = [at for at in arrived if refused[0] + 0.1 < at < refused[0] + 0.45]
    assert silent == []
    assert len(arrived) == len(PROMPTS) + 1


def test_requests_under_way_begin_at_two_and_grow_to_the_ceiling(loopback, connect) -> None:
    at_once: list[int] = []

    def slowly(asked):
        at_once.append(loopback._at_once)
        time.sleep(0.03)
        return loopback.complete(asked)

    loopback.answer = slowly
    timed(connect(6))
    assert max(at_once[:2]) <= 2
    assert max(at_once[:4]) <= 4
    assert loopback.most_at_once == 6


def test_a_refusal_halves_the_requests_under_way(loopback, connect, said) -> None:
    seen: list[tuple[float, int]] = []
    lock = threading.Lock()

    def refuse_the_thirtieth(asked):
        with lock:
            seen.append((time.monotonic(), loopback._at_once))
            if len(seen) == 30:
                return said({}, 503, {"retry-after-ms": "300"})
        time.sleep(0.03)
        return loopback.complete(asked)

    loopback.answer = refuse_the_thirtieth
    timed(connect(8))
    assert max(at_once for _, at_once in seen[:30]) == 8
    after = [at_once for at, at_once in seen if at > seen[29][0] + 0.25]
    assert max(after[:6]) <= 4
    assert max(after) > 4


def test_a_refusal_is_never_recorded_and_what_is_recorded_waits_for_no_limit(
    loopback, connect, said, tmp_path: Path
) -> None:
    server = Limited(loopback, said)
    file = CassetteFile(tmp_path / "c.jsonl", experiment="e", recording="c")
    file.start_recording()
    with use_cassette(file, before_send=lambda: None, items={}, hint=""):
        first, _ = timed(connect(16))
        again, seconds = timed(connect(16, requests_per_minute=1))
    rows = list(file.rows())
    file.close()
    assert server.refused_at
    assert [row["status"] for row in rows] == [200] * len(PROMPTS)
    assert first == again == [loopback.text_of(prompt) for prompt in PROMPTS]
    assert seconds < 10  # and not an hour


@pytest.mark.parametrize(
    ("headers", "body", "retries", "asked"),
    [
        ({"retry-after-ms": "1"}, {"message": "busy"}, 2, 8),
        ({"retry-after-ms": "1"}, {"message": "busy"}, 0, 1),
        ({"retry-after": "86400"}, {"message": "come back tomorrow"}, 2, 1),
        ({"retry-after-ms": "1"}, {"message": "pay", "code": "insufficient_quota"}, 2, 1),
    ],
    ids=["refused for good", "retries = 0", "tomorrow", "no money left"],
)
def test_what_waiting_does_not_mend_is_a_sentence(
    loopback, connect, said, headers: dict[str, str], body: Any, retries: int, asked: int
) -> None:
    loopback.answer = lambda _: said({"error": body}, 429, headers)
    with pytest.raises(RequestError, match=rf"the provider answered 429 \({body['message']}\)"):
        connect(1, retries=retries).complete("m", PROMPTS, {})
    assert len(loopback.asked) == asked


def test_other_failures_are_repeated_as_before(loopback, connect, said) -> None:
    def fail_once(asked):
        return loopback.complete(asked) if len(loopback.asked) > 1 else said({}, 500)

    loopback.answer = fail_once
    assert texts(connect(1).complete("m", PROMPTS[:1], {})) == [loopback.text_of(PROMPTS[0])]
    assert len(loopback.asked) == 2


def test_a_failure_is_told_at_once_though_an_earlier_prompt_still_waits(
    loopback, connect, said
) -> None:
    both_left = threading.Event()

    def refuse_or_fail(asked):
        if asked.fields["prompt"] == PROMPTS[0]:
            assert both_left.wait(30)
            return said({"error": {"message": "later"}}, 429, {"retry-after": "60"})
        both_left.set()
        time.sleep(0.2)
        return said({"error": {"message": "no such model"}}, 404)

    loopback.answer = refuse_or_fail
    started = time.monotonic()
    with pytest.raises(RequestError, match="404 \\(no such model\\)"):
        connect(2).complete("m", PROMPTS, {})
    assert time.monotonic() - started < 10
    assert len(loopback.asked) == 2
