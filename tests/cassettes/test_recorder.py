import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
import vcr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vcr.cassette import Cassette

from harness.api import Client, RequestError
from harness.cassettes import (
    LATENCY_HEADER,
    RECORDED_AT_HEADER,
    CassetteError,
    CassetteFile,
    CassetteMissError,
    RecordedCassette,
    item_index,
    use_cassette,
)

LONG = "a review that is long enough not to stand in an answer by chance"
PROMPTS = {f"item-{i}": f"{LONG}, number {i}" for i in range(45)}
TEXTS = list(PROMPTS.values())


def texts(replies) -> list[str]:
    return [answer.text for reply in replies for answer in reply.answers]


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()[1:]]


def keys_and_bodies(path: Path) -> dict[str, Any]:
    return {row["key"]: row["body"] | {"id": None} for row in rows(path)}


def test_what_was_recorded_is_replayed_without_the_provider(
    loopback, recording, replaying, path: Path
) -> None:
    with recording(PROMPTS) as (client, cassette):
        recorded = client.complete("m", TEXTS, {"max_tokens": 1})
        assert (len(cassette), cassette.unplayed) == (3, [])
    with replaying(PROMPTS) as (client, cassette):
        replayed = client.complete("m", TEXTS, {"max_tokens": 1})
        assert (cassette.all_played, cassette.unplayed) == (True, [])
    assert len(loopback.asked) == 3
    assert texts(replayed) == texts(recorded) == [loopback.text_of(text) for text in TEXTS]
    assert [(r.prompt_tokens, r.completion_tokens) for r in replayed] == [
        (r.prompt_tokens, r.completion_tokens) for r in recorded
    ]


def test_a_row_holds_what_is_listed_and_nothing_else(recording, path: Path) -> None:
    with recording(PROMPTS) as (client, _):
        client.complete("m", TEXTS[:2], {"max_tokens": 1, "user": "someone"})
    (row,) = rows(path)
    assert list(row) == [
        *("key", "endpoint", "model", "items", "parameters", "prompt_sha256", "status"),
        *("latency_ms", "recorded_at", "server", "body"),
    ]
    assert row["items"] == ["item-0", "item-1"]
    assert row["parameters"] == {"max_tokens": 1}
    assert row["server"] == "loopback"
    assert row["latency_ms"] > 0


def test_replay_in_another_order_gives_each_its_own_answer(loopback, recording, replaying) -> None:
    with recording(PROMPTS, prompts_per_request=1) as (client, _):
        client.complete("m", TEXTS, {})
    asked = TEXTS[::-1] + TEXTS[10:20]
    with replaying(PROMPTS, prompts_per_request=1, concurrency=4) as (client, cassette):
        assert texts(client.complete("m", asked, {})) == [loopback.text_of(t) for t in asked]
        assert cassette.all_played
    assert len(loopback.asked) == 45


def test_replay_at_another_address_and_with_another_key(recording, replaying, tmp_path) -> None:
    with recording(PROMPTS) as (client, _):
        recorded = client.complete("m", TEXTS[:1], {})
    with replaying(PROMPTS), Client("https://example.org/openai/v1", "sk-other") as elsewhere:
        assert texts(elsewhere.complete("m", TEXTS[:1], {})) == texts(recorded)


def test_only_what_is_missing_is_asked(loopback, recording) -> None:
    with recording(PROMPTS, prompts_per_request=1) as (client, _):
        client.complete("m", TEXTS[:30], {})
    with recording(PROMPTS, prompts_per_request=1) as (client, cassette):
        replies = client.complete("m", TEXTS, {})
        assert len(cassette) == 45
    assert [asked.fields["prompt"] for asked in loopback.asked] == TEXTS
    assert texts(replies) == [loopback.text_of(text) for text in TEXTS]


def test_rows_that_nothing_asked_for_are_told(recording, replaying) -> None:
    with recording(PROMPTS, prompts_per_request=1) as (client, _):
        client.complete("m", TEXTS[:5], {})
    with replaying(PROMPTS, prompts_per_request=1) as (client, cassette):
        client.complete("m", TEXTS[:3] * 2, {})
        assert cassette.unplayed == list(cassette.file.keys())[3:]
        assert not cassette.all_played


def test_the_provider_is_made_ready_before_a_request_leaves_and_only_then(
    loopback, recording, open_file
) -> None:
    with recording(PROMPTS, prompts_per_request=1) as (client, _):
        client.complete("m", TEXTS[:2], {})
    asked_before: list[int] = []
    file = open_file(record=True)
    with (
        Client(loopback.url, "sk", prompts_per_request=1) as client,
        use_cassette(
            file,
            before_send=lambda: asked_before.append(len(loopback.asked)),
            items={},
            hint="",
        ),
    ):
        client.complete("m", TEXTS[:4], {})
    assert asked_before == [2, 3]


def test_threads_can_record_at_once(loopback, recording, replaying, path: Path) -> None:
    def slowly(asked):
        time.sleep(0.01)
        return loopback.complete(asked)

    loopback.answer = slowly
    with recording(PROMPTS, prompts_per_request=1, concurrency=8) as (client, _):
        client.complete("m", TEXTS, {})
    assert loopback.most_at_once > 1
    assert len(rows(path)) == 45
    with replaying(PROMPTS, prompts_per_request=1) as (client, _):
        assert texts(client.complete("m", TEXTS, {})) == [loopback.text_of(t) for t in TEXTS]


def test_the_recorded_latency_and_time_come_with_the_answer(recording, replaying, path) -> None:
    with recording(PROMPTS) as (client, _):
        client.complete("m", TEXTS[:1], {})
    (row,) = rows(path)
    with replaying(PROMPTS), httpx2.Client() as http:
        body = {"model": "m", "prompt": TEXTS[:1]}
        answer = http.post("http://example.org/v1/completions", json=body)
    assert answer.status_code == 200
    assert answer.json() == row["body"]
    assert dict(answer.headers) == {
        "content-type": "application/json",
        LATENCY_HEADER: repr(row["latency_ms"]),
        RECORDED_AT_HEADER: row["recorded_at"],
    }


# Letters that nothing else in a cassette is written with.
foreign = st.text(st.characters(min_codepoint=0x100, exclude_categories=["Cs"]), min_size=1)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prompts=st.lists(foreign, min_size=1, max_size=3, unique=True), other=foreign)
def test_no_text_that_was_sent_stands_in_the_file(
    loopback, recording, tmp_path_factory, prompts: list[str], other: str
) -> None:
    where = tmp_path_factory.mktemp("private") / "m-1shot.jsonl"
    unknown = {"suffix": other, "metadata": {other: [other]}, "input": other}
    with recording(dict(enumerate(prompts)), where=where) as (client, _):
        client.complete("m", prompts, {"max_tokens": 1, **unknown})
    (row,) = rows(where)
    assert loopback.asked[-1].fields["metadata"] == {other: [other]}
    assert len(row["prompt_sha256"]) == len(prompts) + 1
    written = json.dumps(row, ensure_ascii=False) + where.read_text()
    assert not [letter for letter in written if ord(letter) >= 0x100]


def test_messages_and_token_ids_are_hashed_too(loopback, recording, path: Path, said) -> None:
    loopback.answer = lambda _: said({"choices": []})
    bodies = [
        {"messages": [{"role": "user", "content": LONG}]},
        {"prompt": [[101, 102, 103], [104, 105]]},
        {"input": LONG},
    ]
    with recording({}), httpx2.Client() as http:
        for body in bodies:
            http.post(f"{loopback.url}/chat/completions", json={"model": "m", **body})
    assert [len(row["prompt_sha256"]) for row in rows(path)] == [1, 1, 1]
    written = path.read_text()
    assert LONG not in written
    assert "101" not in [row["parameters"] for row in rows(path)]
    assert not any(row["parameters"] for row in rows(path))


def test_no_header_of_request_or_response_is_stored(loopback, recording, path, said) -> None:
    def with_headers(asked):
        headers = {
            "set-cookie": "session=COOKIE-VALUE",
            "openai-organization": "ORGANIZATION-VALUE",
            "x-request-id": "REQUEST-VALUE",
        }
        return said(loopback.complete(asked).body, 200, headers)

    loopback.answer = with_headers
    with recording(PROMPTS) as (client, _):
        client.complete("m", TEXTS[:1], {})
    sent = loopback.asked[0].headers
    assert (sent["authorization"], sent["x-stainless-lang"]) == ("Bearer sk-secret-key", "python")
    written = path.read_text().lower()
    for secret in ("sk-secret-key", "authorization", "cookie", "-value", "organization", "x-"):
        assert secret not in written


def test_a_request_for_an_echo_is_refused_and_not_sent(loopback, recording, path: Path) -> None:
    with recording(PROMPTS) as (client, _), pytest.raises(CassetteError, match="leave `echo` out"):
        client.complete("m", TEXTS[:1], {"echo": True})
    assert loopback.asked == []
    assert rows(path) == []


def test_echo_turned_off_is_no_echo(recording, path: Path) -> None:
    with recording(PROMPTS) as (client, _):
        client.complete("m", TEXTS[:1], {"echo": False})
    assert len(rows(path)) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"choices": [{"text": f"{TEXTS[0]} Positive"}]},
        {"choices": [], "debug": {"request": [{"prompt": TEXTS[0]}]}},
        {"choices": [], TEXTS[0]: 1},
        [TEXTS[0]],
    ],
)
def test_an_answer_that_repeats_the_prompt_is_refused(
    loopback, recording, path: Path, said, body: Any
) -> None:
    loopback.answer = lambda _: said(body)
    with (
        recording(PROMPTS) as (client, _),
        pytest.raises(CassetteError, match="repeats the prompt"),
    ):
        client.complete("m", TEXTS[:1], {})
    assert rows(path) == []


@pytest.mark.parametrize("status", [400, 401, 429, 500, 503])
def test_a_failure_is_passed_on_and_not_recorded(
    loopback, recording, path: Path, said, status: int
) -> None:
    loopback.answer = lambda _: said({"error": {"message": "not now"}}, status)
    with recording(PROMPTS) as (client, _), pytest.raises(RequestError, match="not now"):
        client.complete("m", TEXTS[:1], {})
    assert rows(path) == []


def test_after_a_retry_the_answer_alone_is_recorded(loopback, recording, path, said) -> None:
    def at_the_second_time(asked):
        if len(loopback.asked) == 1:
            return said({"error": {"message": "busy"}}, 429, {"retry-after-ms": "100"})
        return loopback.complete(asked)

    loopback.answer = at_the_second_time
    with recording(PROMPTS, retries=1) as (client, _):
        client.complete("m", TEXTS[:1], {})
    (row,) = rows(path)
    assert row["status"] == 200
    assert row["latency_ms"] < 100  # of the answered request, without the wait


@pytest.mark.parametrize("answer", [b"<html>", b"", b'{"choices": [', b"\xff\xfe{}"])
def test_an_answer_that_is_not_json_is_left_to_the_client_and_not_recorded(
    loopback, recording, path, said, answer: bytes
) -> None:
    loopback.answer = lambda _: said(answer, 200, {"Content-Type": "text/html"})
    with recording(PROMPTS) as (client, _), pytest.raises(RequestError, match="the answer is"):
        client.complete("m", TEXTS[:1], {})
    assert rows(path) == []


def test_other_libraries_pass_by_the_cassette(loopback, replaying, said) -> None:
    import urllib.request

    loopback.answer = lambda _: said({"status": "ok"})
    with replaying(PROMPTS), urllib.request.urlopen(f"{loopback.root}/health") as answer:
        assert json.load(answer) == {"status": "ok"}


RECORD = """\
import json, sys
from pathlib import Path
from harness.api import Client
from harness.cassettes import CassetteFile, item_index, use_cassette
url, path, prompts = sys.argv[1], Path(sys.argv[2]), json.loads(sys.stdin.read())
file = CassetteFile(path, experiment="films", recording="m-1shot")
file.start_recording()
with Client(url, "sk", prompts_per_request=1, concurrency=int(sys.argv[3])) as client:
    with use_cassette(file, before_send=lambda: None, items=item_index(prompts), hint=""):
        client.complete("m", list(prompts.values()), {"max_tokens": 1})
"""


@pytest.mark.parametrize(("at", "concurrency"), [(1, 1), (17, 1), (23, 4), (45, 1)])
def test_a_killed_recording_asks_only_for_what_is_missing_when_run_again(
    start_loopback, recording, replaying, path: Path, tmp_path: Path, at: int, concurrency: int
) -> None:
    first, provider = start_loopback(), start_loopback()
    killed = threading.Event()

    def kill_at_a_request(asked):
        if len(first.asked) == at:
            child.kill()
            killed.set()
        if killed.is_set():
            child.wait(120)
        return first.complete(asked)

    first.answer = kill_at_a_request
    child = subprocess.Popen(
        [sys.executable, "-c", RECORD, first.url, str(path), str(concurrency)],
        stdin=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert child.stdin is not None
    child.stdin.write(json.dumps(PROMPTS))
    child.stdin.close()
    assert child.wait(60) == -9

    kept = [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    recorded = len(kept) - 1
    assert at - concurrency <= recorded <= at - 1

    def again(where: Path) -> None:
        file = CassetteFile(where, experiment="films", recording="m-1shot")
        file.start_recording()
        with (
            Client(provider.url, "sk", prompts_per_request=1) as client,
            use_cassette(file, before_send=lambda: None, items=item_index(PROMPTS), hint=""),
        ):
            client.complete("m", TEXTS, {"max_tokens": 1})
        file.close()

    again(path)
    assert len(provider.asked) == 45 - recorded
    assert path.read_bytes().startswith(b"".join(kept))
    again(tmp_path / "whole.jsonl")
    whole = keys_and_bodies(tmp_path / "whole.jsonl")
    assert len(whole) == 45
    assert keys_and_bodies(path) == whole


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


def test_an_interaction_is_replayed_as_stock_vcrpy_replays_it(
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
    assert len({answer.status_code for answer in by_stock + by_us}) == 1
    assert len({json.dumps(answer.json(), sort_keys=True) for answer in by_stock + by_us}) == 1


@pytest.mark.parametrize(
    "member",
    sorted(
        {name for name in vars(RecordedCassette) if not name.startswith("__")}
        - {"_row", "unplayed", "_key", "_plays", "_keeps", "_stored"}
        | {"__len__", "__contains__"}
    ),
)
def test_what_is_overridden_still_stands_in_vcrpy(member: str) -> None:
    assert hasattr(Cassette, member)


def test_an_answer_that_repeats_a_review_without_the_prompt_around_it_is_refused(
    loopback, said, open_file
) -> None:
    review = "a film that is long enough not to stand in an answer by chance"
    body = {"choices": [{"index": 0, "text": f"You said: {review}", "finish_reason": "stop"}]}
    loopback.answer = lambda _: said(body)
    file = open_file(record=True)
    with (
        use_cassette(file, before_send=lambda: None, items={}, texts=[review], hint="") as cassette,
        Client(loopback.url, "none", prompts_per_request=1, retries=2) as client,
    ):
        with pytest.raises(CassetteError, match="repeats the prompt, or a text in it"):
            client.complete("m", [f"Classify: {review} ->"], {"max_tokens": 50})
        assert len(cassette) == 0
    assert len(loopback.asked) == 1  # refused once, not asked again as a lost connection


@pytest.mark.parametrize("constant", [b"NaN", b"-Infinity"])
def test_an_answer_that_json_cannot_hold_is_refused(loopback, said, open_file, constant) -> None:
    loopback.answer = lambda _: said(b'{"choices": [], "logprob": ' + constant + b"}")
    file = open_file(record=True)
    with (
        use_cassette(file, before_send=lambda: None, items={}, hint=""),
        Client(loopback.url, "none") as client,
        pytest.raises(CassetteError, match=f"not JSON .it holds {constant.decode()}"),
    ):
        client.complete("m", ["a prompt"], {})


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
        assert len(cassette.requests) == len(cassette.responses) == len(cassette) == 3
        assert "body" not in cassette.requests[0]
        assert cassette.responses[0]["object"] == "text_completion"
        assert str(cassette) == "<Cassette containing 3 recorded response(s)>"
        assert cassette.write_protected


def test_without_a_cassette_nothing_is_patched(loopback, replaying) -> None:
    before = httpx2.HTTPTransport.handle_request
    with replaying(PROMPTS):
        assert httpx2.HTTPTransport.handle_request is not before
    assert httpx2.HTTPTransport.handle_request is before


def test_a_request_that_cannot_be_answered_is_not_sent(loopback, replaying) -> None:
    with replaying(PROMPTS) as (client, _), pytest.raises(CassetteMissError):
        client.complete("m", TEXTS, {})
    assert loopback.asked == []
