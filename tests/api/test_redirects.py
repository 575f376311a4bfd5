"""Redirects: followed within one origin and with the same request only; never to anybody else."""

import json
from pathlib import Path
from typing import Any

import pytest

from tunebench.api import Client
from tunebench.cassettes import CassetteFile, use_cassette
from tunebench.errors import RequestError

PROMPTS = ["first prompt", "second prompt"]


@pytest.fixture
def sent_on(loopback, said):
    """A provider that redirects what is sent to its usual path."""

    def sent_on(status: int, location: str) -> None:
        def answer(asked: Any) -> Any:
            if asked.path in ("/v1/completions", "/v1/models"):
                return said(b"", status, {"Location": location})
            return loopback.complete(asked)

        loopback.answer = answer

    return sent_on


def texts(replies: Any) -> list[str]:
    return [answer.text for reply in replies for answer in reply.answers]


WAYS = [
    "/v1/completions/",
    "completions/",
    "../v2/chat-free/completions",
    "/elsewhere?key=value#part",
    "{root}/v1/completions/",
    "{upper}/v1/%63ompletions/",
    "//{host}/v1/completions/",
]


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("location", WAYS)
def test_the_same_request_is_sent_on_within_one_origin(
    loopback, connect, sent_on, status: int, location: str
) -> None:
    host = loopback.root.removeprefix("http://")
    sent_on(status, location.format(root=loopback.root, upper=f"HTTP://{host}", host=host))
    assert texts(connect().complete("m", PROMPTS, {})) == list(map(loopback.text_of, PROMPTS))
    first, second = loopback.asked
    assert (first.path, second.path != first.path) == ("/v1/completions", True)
    assert first.body == second.body
    assert second.headers["authorization"] == "Bearer sk-any"


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("location", WAYS)
def test_what_was_answered_elsewhere_is_found_again_where_it_was_asked(
    loopback, sent_on, tmp_path: Path, status: int, location: str
) -> None:
    host = loopback.root.removeprefix("http://")
    sent_on(status, location.format(root=loopback.root, upper=f"HTTP://{host}", host=host))
    file = CassetteFile(tmp_path / "c.jsonl", experiment="e", recording="c")
    for record in (True, False):
        if record:
            file.start_recording()
        with (
            Client(loopback.url, "sk-any", prompts_per_request=1) as client,
            use_cassette(
                file, before_send=(lambda: None) if record else None, items={}, hint=""
            ) as cassette,
        ):
            replies = client.complete("m", PROMPTS, {})
            assert cassette.lacking("POST completions", {"model": "m"}, PROMPTS) == []
        assert texts(replies) == list(map(loopback.text_of, PROMPTS))
    assert len(file) == 2
    assert {stored.request.endpoint for stored in file.rows()} == {"POST completions"}
    file.close()
    assert len(loopback.asked) == 4


def refused_with(client: Client, where: str) -> str:
    with pytest.raises(RequestError) as raised:
        client.complete("m", PROMPTS, {})
    said = str(raised.value)
    assert f": the provider redirects to {where}" in said
    assert said.endswith(
        ", which is not followed; if that is the right address, make it the provider's base_url."
    )
    return said


@pytest.mark.parametrize("status", [301, 302, 303])
@pytest.mark.parametrize("location", ["/v1/completions/", "https://example.org/v1/completions"])
def test_a_redirect_that_loses_what_is_asked_is_not_followed(
    loopback, connect, sent_on, status: int, location: str
) -> None:
    sent_on(status, location)
    refused_with(connect(retries=2), location)
    assert len(loopback.asked) == 1


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize(
    "location",
    [
        "{other}/v1/completions",
        "//{otherhost}/v1/completions",
        "https://{host}/v1/completions",
        "http://localhost:{port}/v1/completions",
        "http://127.0.0.1./v1/completions",
        "http://user@{otherhost}/v1/completions",
        "http://{host}@{otherhost}/v1/completions",
        "http:/v1/completions",  # httpx2 takes its host from here, and the port of http
        "https:///v1/completions",
        "ftp://{host}/v1/completions",
        "{other}/v1\\\\@{host}/completions",
    ],
)
def test_nothing_is_sent_to_another_origin(
    start_loopback, loopback, connect, sent_on, status: int, location: str
) -> None:
    other = start_loopback()
    host, other_host = (one.root.removeprefix("http://") for one in (loopback, other))
    port = host.rpartition(":")[2]
    sent_on(status, location.format(other=other.root, otherhost=other_host, host=host, port=port))
    refused_with(connect(retries=2), "")
    assert [asked.path for asked in loopback.asked] == ["/v1/completions"]
    assert other.asked == []


@pytest.mark.parametrize(
    "location",
    ["http://[", "http://a:b:c/", "\x7f", "http://exa mple/", "http:v1", "http://:x", "?\x1b"],
)
def test_an_address_that_is_none_is_a_sentence(loopback, connect, sent_on, location: str) -> None:
    sent_on(307, location)
    with pytest.raises(RequestError, match=f"{loopback.url}[:,].*(redirects to|location header)"):
        connect().complete("m", PROMPTS, {})
    assert len(loopback.asked) == 1


def test_a_redirect_without_an_address_is_an_answer(loopback, connect, said) -> None:
    loopback.answer = lambda _: said({"error": {"message": "moved"}}, 307)
    with pytest.raises(RequestError, match=r"the provider answered 307 \(moved\)"):
        connect().complete("m", PROMPTS, {})


@pytest.mark.parametrize("location", ["/v1/completions", "/v1/completions/again"])
def test_a_circle_of_redirects_ends(loopback, connect, said, location: str) -> None:
    loopback.answer = lambda _: said(b"", 308, {"Location": location})
    with pytest.raises(RequestError) as raised:
        connect().complete("m", PROMPTS, {})
    assert str(raised.value).endswith(
        "the provider redirects from one address to the next and never answers; check that "
        "the address is the API root."
    )
    assert len(loopback.asked) == 6


def test_a_key_in_an_address_is_not_shown(loopback, connect, sent_on, monkeypatch) -> None:

    monkeypatch.setattr("tunebench.errors.text._secrets", {"sk-made-up-key"})
    sent_on(307, "https://example.org/?key=sk-made-up-key")
    assert "?key=***" in refused_with(connect(key="sk-made-up-key"), "https://example.org/")


def test_the_next_request_is_not_taken_for_one_that_was_sent_on(
    loopback, said, tmp_path: Path
) -> None:
    """A login page sends everybody back to the address that was asked."""
    file = CassetteFile(tmp_path / "c.jsonl", experiment="e", recording="c")
    file.start_recording()
    with (
        Client(loopback.url, "sk-any") as client,
        use_cassette(file, before_send=lambda: None, items={}, hint="") as cassette,
    ):
        for status in (302, 308):
            loopback.answer = lambda _: said(b"", status, {"Location": "/v1/completions"})  # noqa: B023
            with pytest.raises(RequestError, match="redirects"):
                client.complete("m", PROMPTS[:1], {})
            loopback.answer = loopback.complete
            client.complete("m", PROMPTS[1:], {"seed": status})
        assert cassette.lacking("POST completions", {"model": "m"}, PROMPTS) == PROMPTS
    assert [stored.row.answer["text"] for stored in file.rows()] == [
        loopback.text_of(PROMPTS[1])
    ] * 2
    assert json.loads(loopback.asked[-1].body)["seed"] == 308
    file.close()
