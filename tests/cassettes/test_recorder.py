"""What was recorded is replayed, prompt by prompt, and nothing is asked twice."""

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunebench.api import Client
from tunebench.cassettes import use_cassette
from tunebench.cassettes.fingerprint import text_sha256
from tunebench.errors import CassetteMissError, RequestError

from .reviews import PROMPTS, TEXTS, requests, rows, texts

COMPLETIONS = "POST completions"


def asked_for(loopback: Any) -> list[str]:
    """Every prompt that reached the provider, in order."""
    return [prompt for asked in loopback.asked for prompt in asked.prompts]


def test_what_was_recorded_is_replayed_without_the_provider(loopback, recording, replaying) -> None:
    with recording(PROMPTS) as (client, cassette):
        recorded = client.complete("m", TEXTS, {"max_tokens": 1})
        assert len(cassette) == 45
    with replaying(PROMPTS) as (client, cassette):
        replayed = client.complete("m", TEXTS, {"max_tokens": 1})
        assert (cassette.all_played, cassette.unplayed) == (True, [])
    assert len(loopback.asked) == 3
    assert replayed == recorded
    assert texts(replayed) == [loopback.text_of(text) for text in TEXTS]


def test_a_row_holds_what_is_listed_and_nothing_else(recording, path: Path) -> None:
    with recording(PROMPTS) as (client, _):
        client.complete("m", TEXTS[:2], {"max_tokens": 1, "user": "someone"})
    (request,) = requests(path)
    assert list(request) == [
        *("request", "digest", "endpoint", "model", "parameters", "server", "answered_by"),
        "crc32",
    ]
    assert request["endpoint"] == COMPLETIONS
    assert request["parameters"] == {"max_tokens": 1}
    assert (request["model"], request["answered_by"], request["server"]) == ("m", "m", "loopback")
    one, two = rows(path)
    assert list(one) == [
        *("prompt", "request", "item", "recorded_at", "latency_ms", "prompts", "usage", "answer"),
        "crc32",
    ]
    assert [row["item"] for row in (one, two)] == ["item-0", "item-1"]
    assert [row["prompt"] for row in (one, two)] == [text_sha256(text) for text in TEXTS[:2]]
    assert {row["request"] for row in (one, two)} == {request["request"]}
    assert (one["prompts"], one["usage"]) == (2, [20, 2])
    assert one["answer"].keys() == {"text", "finish_reason"}
    assert one["latency_ms"] > 0


def test_a_chat_is_recorded_and_replayed(loopback, recording, replaying, path, said) -> None:
    def answer(asked: Any) -> Any:
        text = loopback.text_of(asked.fields["messages"][-1]["content"])
        message = {"role": "assistant", "content": text, "annotations": []}
        top = [{"token": text, "logprob": -0.25, "bytes": [1]}]
        logprobs = {"content": [{"token": text, "logprob": -0.25, "top_logprobs": top}]}
        choice = {"message": message, "finish_reason": "stop", "logprobs": logprobs}
        return said({"model": "m", "choices": [choice]})

    loopback.answer = answer
    chats = [[{"role": "user", "content": text}] for text in TEXTS[:3]]
    fields = {"logprobs": True, "top_logprobs": 5}
    items = {f"item-{i}": chat for i, chat in enumerate(chats)}
    with recording(items) as (client, _):
        recorded = client.complete("m", chats, fields)
    with replaying(items) as (client, _):
        assert client.complete("m", chats[::-1], fields) == recorded[::-1]
    assert len(loopback.asked) == 3
    assert [row["item"] for row in rows(path)] == list(items)
    assert rows(path)[0]["answer"] == {
        "message": {"content": texts(recorded)[0]},
        "finish_reason": "stop",
        "logprobs": {"top_logprobs": [{texts(recorded)[0]: -0.25}]},
    }


def test_replay_in_another_order_gives_each_its_own_answer(loopback, recording, replaying) -> None:
    with recording(PROMPTS) as (client, _):
        client.complete("m", TEXTS, {})
    asked = TEXTS[::-1] + TEXTS[10:20]
    with replaying(PROMPTS, prompts_per_request=7, concurrency=4) as (client, cassette):
        assert texts(client.complete("m", asked, {})) == [loopback.text_of(t) for t in asked]
        assert cassette.all_played
    assert len(loopback.asked) == 3


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    first=st.lists(st.sampled_from(TEXTS[:8]), min_size=1, max_size=9),
    second=st.lists(st.sampled_from(TEXTS[:8]), min_size=1, max_size=9),
    sizes=st.tuples(*[st.integers(1, 5)] * 3),
)
def test_batches_order_and_the_set_of_prompts_need_no_new_recording(
    loopback, open_file, tmp_path: Path, first: list[str], second: list[str], sizes: Any
) -> None:
    """Prompts may also stand in a request twice, or alone and not in a list."""
    path = tmp_path / f"{time.monotonic_ns()}.jsonl"
    loopback.asked.clear()
    for prompts, size in ((first, sizes[0]), (second, sizes[1])):
        file = open_file(path, record=True)
        with (
            Client(loopback.url, "sk", prompts_per_request=size) as client,
            use_cassette(file, before_send=lambda: None, items={}, hint="") as cassette,
        ):
            lacking = cassette.lacking(COMPLETIONS, {"model": "m"}, prompts)
            assert set(lacking) == set(prompts) - set(asked_for(loopback))
            client.complete("m", lacking, {})
            assert cassette.lacking(COMPLETIONS, {"model": "m"}, prompts) == []
        file.close()
    assert len(rows(path)) == len({*first, *second})
    file = open_file(path)
    with (
        Client(loopback.url, "sk", prompts_per_request=sizes[2]) as client,
        use_cassette(file, before_send=None, items={}, hint="") as cassette,
    ):
        replies = client.complete("m", first + second, {})
        assert cassette.unplayed == []
    file.close()
    assert texts(replies) == [loopback.text_of(text) for text in first + second]


def test_of_a_request_that_is_half_known_the_new_rows_alone_are_stored(
    loopback, recording, replaying, path: Path
) -> None:
    with recording(PROMPTS) as (client, _):
        client.complete("m", TEXTS[:3], {})
    before = path.read_bytes()
    with recording(PROMPTS) as (client, cassette):
        client.complete("m", TEXTS[1:5], {})
        assert len(cassette) == 5
    assert path.read_bytes().startswith(before)
    assert [row["item"] for row in rows(path)] == [f"item-{i}" for i in range(5)]
    assert len(requests(path)) == 1
    with replaying(PROMPTS) as (client, _):
        assert texts(client.complete("m", TEXTS[:5], {})) == list(map(loopback.text_of, TEXTS[:5]))


def test_lacking_prompts_are_known_by_everything_that_changes_the_answer(recording) -> None:
    with recording(PROMPTS) as (client, cassette):
        client.complete("m", TEXTS[:1], {"max_tokens": 1})
        for fields in ({"model": "m", "max_tokens": 2}, {"model": "n", "max_tokens": 1}):
            assert cassette.lacking(COMPLETIONS, fields, TEXTS[:2]) == TEXTS[:2]
        known = {"max_tokens": 1, "model": "m"}
        assert cassette.lacking(COMPLETIONS, known, TEXTS[:2]) == TEXTS[1:2]
        assert cassette.lacking("POST chat/completions", known, TEXTS[:1]) == TEXTS[:1]


@pytest.mark.parametrize("root", ["", "/v1/", "/openai/deployments/d", "/api/v2beta"])
def test_an_api_root_of_any_path_is_none_of_the_endpoint(
    loopback, open_file, replaying, root: str
) -> None:
    file = open_file(record=True)
    with (
        Client(loopback.root + root, "sk") as client,
        use_cassette(file, before_send=lambda: None, items={}, hint="") as cassette,
    ):
        client.complete("m", TEXTS[:2], {})
        assert cassette.lacking(COMPLETIONS, {"model": "m"}, TEXTS[:3]) == TEXTS[2:3]
    file.close()
    assert [asked.path for asked in loopback.asked] == [f"{root.rstrip('/')}/completions"]
    with replaying(PROMPTS) as (client, _):
        assert texts(client.complete("m", TEXTS[:2], {})) == list(map(loopback.text_of, TEXTS[:2]))


def test_replay_at_another_address_and_with_another_key(recording, replaying) -> None:
    with recording(PROMPTS) as (client, _):
        recorded = client.complete("m", TEXTS[:1], {})
    with replaying(PROMPTS), Client("https://example.org/openai/v1", "sk-other") as elsewhere:
        assert elsewhere.complete("m", TEXTS[:1], {}) == recorded


def test_rows_that_nothing_asked_for_are_told(recording, replaying) -> None:
    with recording(PROMPTS) as (client, _):
        client.complete("m", TEXTS[:5], {})
    with replaying(PROMPTS, prompts_per_request=1) as (client, cassette):
        client.complete("m", TEXTS[:3] * 2, {})
        assert cassette.unplayed == [stored.row.key for stored in cassette.file.rows()][3:]
        assert not cassette.all_played


def test_the_provider_is_made_ready_before_a_request_leaves_and_only_then(
    loopback, recording, open_file
) -> None:
    with recording(PROMPTS) as (client, _):
        client.complete("m", TEXTS[:2], {})
    asked_before: list[int] = []
    with (
        Client(loopback.url, "sk", prompts_per_request=1) as client,
        use_cassette(
            open_file(record=True),
            before_send=lambda: asked_before.append(len(loopback.asked)),
            items={},
            hint="",
        ),
    ):
        client.complete("m", TEXTS[:4], {})
    assert asked_before == [1, 2]


def test_threads_can_record_at_once(loopback, recording, replaying, path: Path) -> None:
    with recording(PROMPTS) as (client, _):
        client.complete("m", TEXTS[:2], {})

    def slowly(asked: Any) -> Any:
        time.sleep(0.01)
        return loopback.complete(asked)

    loopback.answer = slowly
    with recording(PROMPTS, prompts_per_request=1, concurrency=8) as (client, _):
        client.complete("m", TEXTS, {})
    assert loopback.most_at_once > 1
    assert len(rows(path)) == 45
    with replaying(PROMPTS) as (client, _):
        assert texts(client.complete("m", TEXTS, {})) == [loopback.text_of(t) for t in TEXTS]


def test_tokens_and_times_are_shared_out_among_the_prompts_of_a_request(
    loopback, recording, replaying, path: Path, said
) -> None:
    with recording(PROMPTS) as (client, _):
        client.complete("m", TEXTS, {})  # 20, 20 and 5 prompts of 10 tokens each
    latencies = {row["prompts"]: row["latency_ms"] for row in rows(path)}
    with replaying(PROMPTS, prompts_per_request=9) as (client, cassette):
        replies = client.complete("m", TEXTS[40:] + TEXTS[:10], {})
        totals = cassette.totals()
    assert [reply.prompt_tokens for reply in replies] == [90, 60]
    assert (totals.prompt_tokens, totals.completion_tokens) == (150, 15)
    assert totals.seconds >= latencies[5] / 1000
    assert (totals.servers, totals.models) == (["loopback"], ["m"])
    assert totals.recorded_at == max(row["recorded_at"] for row in rows(path))


def test_without_counts_of_tokens_none_are_told(loopback, recording, replaying, said) -> None:
    def without_usage(asked: Any) -> Any:
        whole = loopback.complete(asked).body
        return said(whole | {"usage": None, "system_fingerprint": None})

    loopback.answer = without_usage
    for opened in (recording, replaying):
        with opened(PROMPTS) as (client, cassette):
            (reply,) = client.complete("m", TEXTS[:3], {})
            totals = cassette.totals()
        assert (reply.prompt_tokens, reply.completion_tokens, reply.server) == (0, 0, "")
    assert (totals.prompt_tokens, totals.completion_tokens, totals.servers) == (0, 0, [])


@pytest.mark.parametrize("status", [400, 401, 429, 500, 503])
def test_a_failure_is_passed_on_and_not_recorded(
    loopback, recording, path: Path, said, status: int
) -> None:
    loopback.answer = lambda _: said({"error": {"message": "not now"}}, status)
    with recording(PROMPTS) as (client, _), pytest.raises(RequestError, match="not now"):
        client.complete("m", TEXTS[:1], {})
    assert not path.exists()


def test_after_a_retry_the_answer_alone_is_recorded_and_measured(
    loopback, recording, replaying, path: Path, said, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]

    def at_the_second_time(asked: Any) -> Any:
        now[0] += 0.05
        if len(loopback.asked) == 1:
            return said({"error": {"message": "busy"}}, 429, {"retry-after-ms": "3"})
        return loopback.complete(asked)

    loopback.answer = at_the_second_time
    with recording(PROMPTS, retries=1) as (client, _), monkeypatch.context() as patch:
        patch.setattr(time, "perf_counter", lambda: now[0])
        client.complete("m", TEXTS[:2], {})
    assert [row["latency_ms"] for row in rows(path)] == [50.0, 50.0]
    with replaying(PROMPTS) as (client, cassette):
        client.complete("m", TEXTS[:2], {})
        totals = cassette.totals()
    assert (totals.latency_ms_median, totals.seconds) == (50.0, 0.05)


def test_a_request_that_cannot_be_answered_is_not_sent(loopback, recording, replaying) -> None:
    with recording(PROMPTS) as (client, _):
        client.complete("m", TEXTS[:19], {})
    loopback.asked.clear()
    with replaying(PROMPTS) as (client, _), pytest.raises(CassetteMissError):
        client.complete("m", TEXTS[:20], {})
    assert loopback.asked == []
