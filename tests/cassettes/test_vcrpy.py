"""What is overridden of vcrpy still stands there, is still asked, and answers as vcrpy does."""

import json
import urllib.request
from itertools import takewhile
from pathlib import Path
from typing import Any

import httpx2
import pytest
import vcr
from vcr.cassette import Cassette

from tunebench.api import Client
from tunebench.cassettes import RecordedCassette

from .reviews import PROMPTS, TEXTS, texts

OURS = {
    *("_answered_by", "_asked", "_body", "_found", "_miss", "_play", "_played_rows", "_read"),
    *(
        "_store",
        "_stored",
        "lacking",
        "lacking_of",
        "recalled",
        "spare",
        "sync",
        "totals",
        "unplayed",
    ),
}
MEMBERS = set().union(
    *map(vars, takewhile(lambda kind: kind is not Cassette, RecordedCassette.mro()))
)


@pytest.mark.parametrize(
    "member",
    sorted(
        {name for name in MEMBERS if not name.startswith("__")} - OURS | {"__len__", "__contains__"}
    ),
)
def test_what_is_overridden_still_stands_in_vcrpy(member: str) -> None:
    assert hasattr(Cassette, member)


@pytest.mark.parametrize("member", sorted(OURS))
def test_what_is_our_own_hides_nothing_of_vcrpy(member: str) -> None:
    assert not hasattr(Cassette, member)


def test_vcrpy_still_asks_a_cassette_what_is_overridden(loopback, tmp_path: Path) -> None:
    calls: list[str] = []

    class Spy(Cassette):
        def can_play_response_for(self, request: Any) -> bool:
            calls.append("can_play_response_for")
            assert isinstance(request.body, bytes)
            assert (request.method, request.uri) == ("POST", f"{loopback.url}/completions")
            return super().can_play_response_for(request)

        def append(self, request: Any, response: dict[str, Any]) -> None:
            calls.append("append")
            assert response["status"]["code"] == 200
            assert response["headers"]["content-type"] == ["application/json"]
            assert isinstance(response["body"]["string"], bytes)
            super().append(request, response)

        def play_response(self, request: Any) -> Any:
            calls.append("play_response")
            return super().play_response(request)

        def _load(self) -> None:
            calls.append("_load")
            super()._load()

        def _save(self, force: bool = False) -> None:
            calls.append("_save")
            super()._save(force)

    for _ in range(2):
        with Spy.use(path=str(tmp_path / "spy.yaml")), Client(loopback.url, "sk") as client:
            client.complete("m", TEXTS[:1], {})
    assert calls == [
        *("_load", "can_play_response_for", "append", "_save"),
        *("_load", "append", "can_play_response_for", "play_response", "_save"),  # stock loads so
    ]


def test_vcrpys_own_questions_are_answered(recording, replaying) -> None:
    with recording(PROMPTS) as (client, _):
        client.complete("m", TEXTS, {})
    with replaying(PROMPTS) as (client, cassette):
        client.complete("m", TEXTS[:20], {})
        assert isinstance(cassette, RecordedCassette)
        assert len(cassette.requests) == len(cassette.responses) == len(cassette) == 45
        assert cassette.requests[0].endpoint == "POST completions"
        assert cassette.responses[0].keys() == {"text", "finish_reason"}
        assert str(cassette) == "<Cassette containing 45 recorded response(s)>"
        assert cassette.write_protected
        assert cassette.find_requests_with_most_matches(None) == []
        asked = [TEXTS[0]], [f"{TEXTS[0]} and more"]
        requests = [
            vcr.request.Request("POST", f"{client.base_url}/completions", body, {})
            for body in (json.dumps({"model": "m", "prompt": prompt}).encode() for prompt in asked)
        ]
        assert [request in cassette for request in requests] == [True, False]


def test_without_a_cassette_nothing_is_patched(replaying) -> None:
    before = httpx2.HTTPTransport.handle_request
    with replaying(PROMPTS):
        assert httpx2.HTTPTransport.handle_request is not before
    assert httpx2.HTTPTransport.handle_request is before


class Stock:
    """What vcrpy itself says of one recorded and replayed interaction."""

    def __init__(self, url: str, path: Path) -> None:
        self.url = url
        self.path = path

    def ask(self, client: httpx2.Client) -> httpx2.Response:
        body = {"model": "m", "prompt": TEXTS[:2], "max_tokens": 1}
        return client.post(f"{self.url}/completions", json=body)

    def twice(self) -> list[httpx2.Response]:
        answers = []
        for _ in range(2):
            with vcr.use_cassette(str(self.path), record_mode="once"), httpx2.Client() as client:
                answers.append(self.ask(client))
        return answers


def test_an_interaction_is_recorded_and_replayed_where_stock_vcrpy_does(
    start_loopback, recording, replaying, tmp_path: Path
) -> None:
    stock, ours = start_loopback(), start_loopback()
    asking = Stock(stock.url, tmp_path / "stock.yaml")
    by_stock = asking.twice()
    by_us = []
    asking.url = ours.url
    for opened in (recording, replaying):
        with opened({}), httpx2.Client() as client:
            by_us.append(asking.ask(client))
    assert len(stock.asked) == len(ours.asked) == 1
    assert {answer.status_code for answer in by_stock + by_us} == {200}
    whole = [answer.json() for answer in by_stock]
    assert by_us[0].json() == whole[0] == whole[1]
    # A replay has what is read of an answer, in its form, and nothing else.
    played = by_us[1].json()
    assert played == {name: whole[0][name] for name in played}
    assert played.keys() == whole[0].keys() - {"id", "object", "created"}


def test_a_replayed_answer_has_the_form_of_the_api(recording, replaying) -> None:
    with recording(PROMPTS) as (client, _):
        recorded = client.complete("m", TEXTS[:2], {})
    with replaying(PROMPTS), httpx2.Client() as http:
        body = {"model": "m", "prompt": TEXTS[:2]}
        answer = http.post("http://example.org/v1/completions", json=body)
    assert answer.status_code == 200
    assert dict(answer.headers) == {"content-type": "application/json"}
    assert answer.json() == {
        "model": "m",
        "system_fingerprint": "loopback",
        "usage": {"prompt_tokens": 20, "completion_tokens": 2},
        "choices": [
            {"index": i, "text": text, "finish_reason": "stop"}
            for i, text in enumerate(texts(recorded))
        ],
    }


def test_other_libraries_pass_by_the_cassette(loopback, replaying, said) -> None:
    loopback.answer = lambda _: said({"status": "ok"})
    with replaying(PROMPTS), urllib.request.urlopen(f"{loopback.root}/health") as answer:
        assert json.load(answer) == {"status": "ok"}
