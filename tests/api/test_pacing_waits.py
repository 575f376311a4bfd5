"""What is told of long waits, and how long a provider that refuses everything is waited for."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tunebench.api import Client, Pacer
from tunebench.errors import RequestError

PROMPTS = [f"prompt {i}" for i in range(6)]


@pytest.fixture
def told(loopback, clock) -> Iterator[Callable[..., list[str]]]:
    """Ask for the prompts, one after the other, within limits; what is told meanwhile."""

    def told(**limits: Any) -> list[str]:
        lines: list[str] = []
        options = {"prompts_per_request": 1, "pacer": Pacer(**limits)}
        with Client(loopback.url, "sk-any", retries=2, **options) as client:
            client.complete("m", PROMPTS, {"max_tokens": 1}, say=lines.append)
        return lines

    return told


@pytest.fixture
def refuse(loopback, said) -> Callable[..., None]:
    """Refuse requests by their number."""

    def refuse(*numbers: int, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}

        def answer(asked: Any) -> Any:
            if len(loopback.asked) in numbers:
                return said({"error": {"message": "later"}}, 429, named)
            return loopback.complete(asked)

        loopback.answer = answer

    return refuse


def test_a_wait_that_the_provider_asks_for_is_told(refuse, told, clock) -> None:
    refuse(2, retry_after="32")
    assert told() == ["the provider asks to wait 32 s"]
    assert clock.now == pytest.approx(32)


def test_each_wait_is_told_and_a_short_one_is_not(refuse, told) -> None:
    refuse(2, 3, retry_after="32")
    assert told() == ["the provider asks to wait 32 s"] * 2
    refuse(8, retry_after="4")
    assert told() == []


def test_a_limit_that_is_used_up_is_told(loopback, said, told) -> None:
    def answer(asked: Any) -> Any:
        done = loopback.complete(asked)
        left = {"remaining-tokens": "0", "limit-tokens": "9000", "reset-tokens": "45s"}
        if len(loopback.asked) == 1:
            done.headers = {f"x-ratelimit-{name}": value for name, value in left.items()}
        return done

    loopback.answer = answer
    assert told() == ["the provider's limit of tokens is used up; it is renewed in 45 s"]


def test_a_declared_limit_is_told_once(told, clock) -> None:
    assert told(requests_per_minute=4) == [
        "requests_per_minute is kept; the next request leaves in 15 s"
    ]
    assert clock.now == pytest.approx(15 * 5)


def test_requests_that_wait_together_are_told_of_once(loopback, said, clock) -> None:
    def refuse_the_second(asked: Any) -> Any:
        number = len(loopback.asked)
        clock.sleep(0.01)
        if number == 2:
            return said({}, 429, {"retry-after": "32"})
        return loopback.complete(asked)

    loopback.answer = refuse_the_second
    lines: list[str] = []
    options = {"prompts_per_request": 1, "concurrency": 4, "pacer": Pacer(4)}
    with Client(loopback.url, "sk-any", **options) as client:
        clock.complete(client, PROMPTS, 4, say=lines.append)
    assert lines == ["the provider asks to wait 32 s"]


def test_a_provider_that_refuses_everything_is_given_up_after_a_minute(refuse, told, clock) -> None:
    refuse(*range(1, 100))
    with pytest.raises(RequestError, match=r"the provider answered 429 \(later\)"):
        told()
    assert 55 <= clock.now <= 70
