"""An answer is judged before it is stored: what cannot be used is a sentence, and asked again."""

import gzip
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tunebench.api import Client
from tunebench.cassettes import CassetteFile, use_cassette
from tunebench.errors import CassetteError, RequestError

from ..json_values import NOTHING, changed, json_values, nested, paths
from .reviews import PROMPTS, TEXTS, rows, texts

TOP = {" Positive": -0.25, " Negative": -1.5}
CHOICES = [
    {"index": i, "text": f" {i}", "finish_reason": "stop", "logprobs": {"top_logprobs": [TOP]}}
    for i in range(2)
]
WHOLE = {
    "model": "m",
    "choices": CHOICES,
    "usage": {"prompt_tokens": 20, "completion_tokens": 2},
    "system_fingerprint": "fp",
}


def but(*path: Any, to: Any) -> bytes:
    """A usable answer to two prompts but for one value."""
    return json.dumps(changed(WHOLE, path, to)).encode()


def second(*path: Any, to: Any) -> bytes:
    return but("choices", 1, *path, to=to)


FIRST_TOP = ("logprobs", "top_logprobs", 0, " a")
UNUSABLE = {
    "an error": (b'{"error": {"message": "Out of\\nmemory."}}', "with an error: Out of memory"),
    "an error of a list": (b'[{"message": "busy"}]', "with an error: busy"),
    "a text": (b'"busy"', "with an error: busy"),
    "a detail": (b'{"detail": "busy"}', "with an error: busy"),
    "nothing": (b"", "the answer is empty"),
    "a page": (b"<html><title>Log in</title>", "the answer is a web page, 'Log in'"),
    "a part": (but("id", to=1)[:-9], "the answer is "),
    "no text": (b"\xff\xfe{}", "the answer is "),
    "a number": (b"7", "the answer is not a JSON object"),
    "too deep": (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "the answer is "),
    "deep": (but("extra", to=nested(200)), "the answer is "),
    "no choices": (b"{}", "2 prompts were asked and no list of choices came back"),
    "a choice too few": (second(to=NOTHING), "2 prompts were asked and 1 choices came back"),
    "no index": (second("index", to=NOTHING), "choices[1].index is null"),
    "an index twice": (second("index", to=0), "choices[1].index is 0, which"),
    "an index too high": (second("index", to=2), "choices[1].index is 2"),
    "an index in words": (second("index", to="1"), 'choices[1].index is "1"'),
    "no text at all": (second("text", to=None), "choices[1].text is null"),
    "half a character": (second("text", to="\ud83d"), "choices[1].text holds half a surrogate"),
    "an abort": (second("finish_reason", to="abort"), 'choices[1].finish_reason is "abort"'),
    "no candidates": (second("logprobs", to=None), "choices[1].logprobs holds no candidates"),
    "not a number": (second(*FIRST_TOP, to=float("nan")), '.top_logprobs[0][" a"] is NaN'),
    "too large": (second(*FIRST_TOP, to=-(10**400)), '.top_logprobs[0][" a"] is -100'),
    "more digits than any": (b'{"choices": ' + b"9" * 5_000 + b"}", "the answer is "),
    "another model": (but("model", to="gpt-\x1b[31m"), 'the model "gpt-\\'),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_what_cannot_be_used_is_named_not_stored_and_asked_again(
    loopback, recording, replaying, path: Path, said, case: str
) -> None:
    body, sentence = UNUSABLE[case]
    loopback.answer = lambda _: said(body)
    with recording(PROMPTS) as (client, _), pytest.raises(RequestError) as raised:
        client.complete("m", TEXTS[:2], {"logprobs": 2})
    message = str(raised.value)
    assert message.startswith(f"model 'm' at {loopback.url}, prompts 1-2 of 2: ")
    assert sentence in message
    assert message.isprintable()
    assert len(message) < 500
    assert message.endswith((".", "?"))
    assert not message.endswith(("..", "?."))
    assert not path.exists()
    loopback.answer = lambda _: said(WHOLE)
    with recording(PROMPTS) as (client, cassette):
        lacking = cassette.lacking("POST completions", {"model": "m", "logprobs": 2}, TEXTS[:2])
        assert lacking == TEXTS[:2]
        client.complete("m", lacking, {"logprobs": 2})
    with replaying(PROMPTS) as (client, _):
        assert texts(client.complete("m", TEXTS[:2], {"logprobs": 2})) == [" 0", " 1"]


def test_a_bad_answer_to_one_request_keeps_what_the_others_got(
    loopback, recording, path: Path, said
) -> None:
    def third_one_is_bad(asked: Any) -> Any:
        if len(loopback.asked) == 3:
            return said({"error": "busy"})
        return loopback.complete(asked)

    loopback.answer = third_one_is_bad
    with (
        recording(PROMPTS, prompts_per_request=2) as (client, _),
        pytest.raises(RequestError, match="prompts 5-6 of 45: the provider answered with an error"),
    ):
        client.complete("m", TEXTS, {})
    assert [row["item"] for row in rows(path)] == ["item-0", "item-1", "item-2", "item-3"]
    with recording(PROMPTS, prompts_per_request=20) as (client, cassette):
        client.complete("m", cassette.lacking("POST completions", {"model": "m"}, TEXTS), {})
    assert len(rows(path)) == 45
    assert [len(asked.prompts) for asked in loopback.asked] == [2, 2, 2, 20, 20, 1]


def test_ids_of_tokens_are_judged_too(loopback, recording, replaying, path: Path, said) -> None:
    loopback.answer = lambda _: said({"tokens": ["7"]})
    with recording({}) as (client, _), pytest.raises(RequestError) as raised:
        client.tokenize("m", " Positive")
    assert str(raised.value) == (
        f'/tokenize at {loopback.root}/tokenize: an id in `tokens` is "7" and must be a whole '
        "number."
    )
    assert not path.exists()
    loopback.answer = lambda _: said({"tokens": [7], "count": 1, "max_model_len": 4096})
    for opened in (recording, replaying):
        with opened({}) as (client, _):
            assert client.tokenize("m", " Positive") == [7]
    assert [row["answer"] for row in rows(path)] == [{"tokens": [7]}]


def test_a_model_that_answers_by_another_name_is_one_where_it_is_known_to(
    loopback, open_file, said
) -> None:
    loopback.answer = lambda _: said(WHOLE | {"model": "elsewhere"})
    for names in ({}, {"m": "elsewhere"}):
        file = open_file(record=True)
        with (
            Client(loopback.url, "sk", answers_as=names) as client,
            use_cassette(file, before_send=lambda: None, items={}, hint="", answers_as=names),
        ):
            if names:
                client.complete("m", TEXTS[:2], {})
            else:
                with pytest.raises(RequestError, match='the model "elsewhere" answered instead'):
                    client.complete("m", TEXTS[:2], {})
        file.close()
    file = open_file()
    # Where it is not known any more, it is another model again, wherever in a request it answered.
    with (
        Client(loopback.url, "sk") as client,
        use_cassette(file, before_send=None, items={}, hint=""),
        pytest.raises(RequestError, match='the model "elsewhere" answered instead'),
    ):
        client.complete("m", TEXTS[:2], {})


CODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": lambda content: pytest.importorskip("brotli").compress(content),
    "zstd": lambda content: pytest.importorskip("backports.zstd").compress(content),
}


@pytest.mark.parametrize(
    "coding",
    ["gzip", "deflate", "br", "zstd", "gzip, br", "zstd,gzip", "GZIP", "utf-8", "identity"],
)
def test_a_compressed_answer_is_recorded_and_replayed(
    loopback, recording, replaying, said, coding: str
) -> None:
    def compressed(asked: Any) -> Any:
        content = json.dumps(loopback.complete(asked).body).encode()
        for name in coding.lower().split(","):
            content = CODERS.get(name.strip(), bytes)(content)
        return said(content, 200, {"Content-Encoding": coding})

    loopback.answer = compressed
    with recording(PROMPTS) as (client, _):
        recorded = client.complete("m", TEXTS, {})
    assert {asked.headers["accept-encoding"] for asked in loopback.asked} == {"identity"}
    with replaying(PROMPTS) as (client, _):
        assert client.complete("m", TEXTS, {}) == recorded
    assert texts(recorded) == [loopback.text_of(text) for text in TEXTS]


@pytest.mark.parametrize("coding", ["gzip", "deflate", "gzip, deflate", ", ".join(["gzip"] * 6)])
def test_an_answer_that_cannot_be_decoded_says_so_and_is_not_stored(
    loopback, recording, path: Path, said, coding: str
) -> None:
    loopback.answer = lambda _: said(b"never compressed", 200, {"Content-Encoding": coding})
    with recording(PROMPTS) as (client, _), pytest.raises(RequestError) as raised:
        client.complete("m", TEXTS[:2], {})
    assert str(raised.value).startswith(
        f"model 'm' at {loopback.url}, prompts 1-2 of 2: the answer is compressed and cannot be "
        "decoded ("
    )
    assert not path.exists()


anything = st.tuples(st.sampled_from(paths(WHOLE)), st.just(NOTHING) | json_values)
contents = st.one_of(
    st.binary(max_size=60),
    json_values.map(json.dumps).map(str.encode),
    anything.map(lambda change: json.dumps(changed(WHOLE, *change)).encode()),
    st.integers(0, 200).map(lambda cut: json.dumps(WHOLE).encode()[:cut]),
    st.sampled_from(["utf-16", "utf-8-sig", "utf-32-be"]).map(json.dumps(WHOLE).encode),
)


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=contents, status=st.sampled_from([200, 201, 202, 203, 299]), coding=st.sampled_from(
    [None, "gzip", "deflate", "utf-8"]), honest=st.booleans())  # fmt: skip
@example(json.dumps(WHOLE).encode(), 200, "gzip", True)
def test_no_answer_with_a_good_status_is_dropped_without_a_word(
    loopback, said, tmp_path: Path, content: bytes, status: int, coding: str | None, honest: bool
) -> None:
    """It is stored and replays as it was read, or else the client says what is wrong with it."""
    path = tmp_path / "m-1shot.jsonl"
    path.unlink(missing_ok=True)
    body = CODERS.get(coding or "", bytes)(content) if honest else content
    headers = {"Content-Encoding": coding} if coding else {}
    loopback.answer = lambda _: said(body, status, headers)

    def ask(record: bool) -> Any:
        file = CassetteFile(path, experiment="films", recording="m-1shot")
        if record:
            file.start_recording()
        try:
            with use_cassette(
                file, before_send=(lambda: None) if record else None, items={}, hint=""
            ):
                return client.complete("m", TEXTS[:2], {"logprobs": 2})
        except (RequestError, CassetteError) as error:
            return str(error)
        finally:
            file.close()

    with Client(loopback.url, "sk") as client:
        recorded = ask(record=True)
        if isinstance(recorded, str):
            assert not path.exists()
        else:
            assert len(rows(path)) == 2
            assert ask(record=False) == recorded
