"""A cassette holds no text of the data set, and no key, not even one that a provider echoes."""

import json
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunebench.api import Client
from tunebench.cassettes import use_cassette
from tunebench.errors import CassetteError, RequestError
from tunebench.errors.text import keep_secret

from .reviews import LONG, PROMPTS, TEXTS, requests, rows, texts

KEY = "sk-made-up-key-0123456789"


@pytest.fixture(autouse=True)
def one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunebench.errors.text._secrets", set())
    keep_secret(KEY)


# Letters that nothing else in a cassette is written with.
foreign = st.text(st.characters(min_codepoint=0x100, exclude_categories=["Cs"]), min_size=1)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prompts=st.lists(foreign, min_size=1, max_size=3, unique=True), other=foreign)
def test_no_text_that_was_sent_stands_in_the_file(
    loopback, open_file, tmp_path: Path, prompts: list[str], other: str
) -> None:
    where = tmp_path / "m-1shot.jsonl"
    where.unlink(missing_ok=True)
    unknown = {"suffix": other, "user": other, "documents": [{other: other}]}
    file = open_file(where, record=True)
    with (
        Client(loopback.url, KEY) as client,
        use_cassette(file, before_send=lambda: None, items={}, hint=""),
    ):
        client.complete("m", prompts, {"max_tokens": 1, **unknown})
    file.close()
    assert loopback.asked[-1].fields["suffix"] == other
    assert len(rows(where)) == len(prompts)
    written = json.dumps(rows(where) + requests(where), ensure_ascii=False) + where.read_text()
    assert not [letter for letter in written if ord(letter) >= 0x100]


def test_messages_and_token_ids_are_hashed_too(loopback, recording, path: Path, said) -> None:
    choice = {"index": 0, "text": "a", "message": {"content": "a"}, "finish_reason": "stop"}
    loopback.answer = lambda _: said({"choices": [choice]})
    bodies = [
        ("chat/completions", {"messages": [{"role": "user", "content": LONG}]}),
        ("completions", {"prompt": [[10111, 10112], [10113]]}),
        ("completions", {"prompt": LONG, "input": None}),
    ]
    with recording({}), httpx2.Client() as http:
        for endpoint, body in bodies:
            http.post(f"{loopback.url}/{endpoint}", json={"model": "m", **body})
    assert len(rows(path)) == 3
    assert LONG not in path.read_text()
    assert not re.search("1011[123]", re.sub("[0-9a-f]{16,}", "", path.read_text()))
    assert not any(request["parameters"] for request in requests(path))


def test_no_header_of_request_or_response_is_stored(loopback, recording, path, said) -> None:
    def with_headers(asked: Any) -> Any:
        headers = {
            "set-cookie": "session=COOKIE-VALUE",
            "openai-organization": "ORGANIZATION-VALUE",
            "x-request-id": "REQUEST-VALUE",
            "x-echo": asked.headers["authorization"],
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
    assert not path.exists()
    with recording(PROMPTS) as (client, _):
        client.complete("m", TEXTS[:1], {"echo": False})
    assert len(rows(path)) == 1


def test_several_prompts_to_another_endpoint_are_refused_and_not_sent(loopback, recording) -> None:
    with (
        recording(PROMPTS),
        httpx2.Client() as http,
        pytest.raises(CassetteError, match="a request of several prompts to 'POST moderations' is"),
    ):
        http.post(f"{loopback.url}/moderations", json={"model": "m", "input": ["a", "b"]})
    assert loopback.asked == []


def quoting(prompt: str, where: str) -> dict[str, Any]:
    """An answer that holds a text of the data set in one of the fields that are stored."""
    choice: dict[str, Any] = {"index": 0, "text": " Positive", "finish_reason": "stop"}
    body: dict[str, Any] = {"model": "m", "system_fingerprint": "fp", "choices": [choice]}
    if where == "text":
        choice["text"] = f"You said: {prompt} Positive"
    elif where == "candidate":
        choice["logprobs"] = {"top_logprobs": [{prompt: -0.5}]}
    else:
        body[where] = prompt
    return body


@pytest.mark.parametrize("where", ["text", "candidate", "system_fingerprint"])
@pytest.mark.parametrize("review", [True, False])
def test_an_answer_that_repeats_a_text_is_refused_once_and_not_stored(
    loopback, open_file, path: Path, said, where: str, review: bool
) -> None:
    """The prompt, or a review without the prompt around it."""
    quoted = LONG if review else f"Classify: {LONG} ->"
    fields = {"max_tokens": 50, "logprobs": 1} if where == "candidate" else {"max_tokens": 50}
    loopback.answer = lambda _: said(quoting(quoted, where))
    with (
        Client(loopback.url, "none", retries=2) as client,
        use_cassette(
            open_file(record=True), before_send=lambda: None, items={}, texts=[LONG], hint=""
        ),
        pytest.raises(CassetteError, match="repeats the prompt, or a text in it") as raised,
    ):
        client.complete("m", [f"Classify: {LONG} ->"], fields)
    assert LONG not in str(raised.value)
    assert not rows(path)
    assert len(loopback.asked) == 1


def test_a_text_in_a_field_that_is_not_stored_does_no_harm(
    loopback, recording, path: Path, said
) -> None:
    def debugging(asked: Any) -> Any:
        body = loopback.complete(asked).body
        body["choices"][0] |= {"debug": LONG, "prompt": asked.prompts[0]}
        return said(body | {"request": asked.fields, TEXTS[0]: 1, "id": LONG, "usage": {LONG: 1}})

    loopback.answer = debugging
    with recording(PROMPTS) as (client, _):
        client.complete("m", TEXTS[:2], {})
    assert len(rows(path)) == 2
    assert LONG not in path.read_text()


ECHOES: dict[str, Any] = {
    "text": lambda body, key: body["choices"][0].update(text=f"your key {key} is"),
    "candidates": lambda body, key: body["choices"][0].update(
        logprobs={"top_logprobs": [{key: -0.5, "a": -1.0}]}
    ),
    "model": lambda body, key: body.update(model=f"m@{key}"),
    "system_fingerprint": lambda body, key: body.update(system_fingerprint=f"fp-{key}"),
    "id": lambda body, key: body.update(id=key),
    "extra": lambda body, key: body.update({"debug": {key: [key]}, key: key}),
    "extra of a choice": lambda body, key: body["choices"][0].update(debug=key),
    "usage": lambda body, key: body.update(usage={"prompt_tokens": key, key: 1}),
}


@pytest.mark.parametrize("echo", ECHOES)
def test_a_key_that_an_answer_echoes_is_not_stored(
    loopback, recording, replaying, path: Path, said, echo: str
) -> None:
    def echoing(asked: Any) -> Any:
        body = loopback.complete(asked).body
        ECHOES[echo](body, KEY)
        return said(body)

    loopback.answer = echoing
    with recording(PROMPTS) as (client, _):
        client.complete("m", TEXTS[:2], {})
    assert len(rows(path)) == 2
    assert KEY not in path.read_text()
    with replaying(PROMPTS) as (client, cassette):
        replies = client.complete("m", TEXTS[:2], {})
        assert KEY not in repr(replies) + repr(cassette.totals())
    if echo == "text":
        assert texts(replies)[0] == "your key *** is"


ERRORS: dict[str, Any] = {
    "status 401": ({"error": {"message": f"Incorrect API key provided: {KEY}."}}, 401),
    "status 400": ({"error": {"message": f"{'x' * 290}{KEY}", "code": KEY, "param": KEY}}, 400),
    "status 500": (f"<title>{KEY}</title>".encode(), 500),
    "status 404": ({"detail": [{"msg": KEY}]}, 404),
    "error": ({"error": {"message": f"key {KEY}"}}, 200),
    "error code": ({"error": {"code": KEY, KEY: 1}}, 200),
    "page": (f"<html><title>Log in as {KEY}</title>".encode(), 200),
    "model": ({"model": f"other-{KEY}", "choices": []}, 200),
    "index": ({"choices": [{"index": KEY}]}, 200),
    "reason": ({"choices": [{"index": 0, "finish_reason": [KEY]}]}, 200),
    "text": ({"choices": [{"index": 0, "finish_reason": "stop", "text": {KEY: KEY}}]}, 200),
    "redirect": (b"", 302),
}


@pytest.mark.parametrize("case", ERRORS)
def test_a_key_that_an_error_echoes_is_not_shown(
    loopback, recording, path: Path, said, case: str
) -> None:
    body, status = ERRORS[case]
    headers = {"Location": f"/v1/login?key={KEY}", "retry-after": KEY}
    loopback.answer = lambda _: said(body, status, headers)
    with recording(PROMPTS) as (client, _), pytest.raises(RequestError) as raised:
        client.complete("m", TEXTS[:1], {})
    assert "sk-made" not in str(raised.value)
    assert not path.exists()


@pytest.mark.parametrize("command", ["::error::made up", "##[error]made up", "##vso[task.x]y"])
@pytest.mark.parametrize("place", ["error", "model", "text"])
def test_no_command_to_a_terminal_or_a_ci_is_passed_on(
    loopback, recording, said, command: str, place: str
) -> None:
    words = f"\n{command}\n\x1b[2J\x1b]0;title\x07\u202e"
    body = {
        "error": {"error": {"message": words}},
        "model": {"model": f"other{words}", "choices": []},
        "text": {"choices": [{"index": 0, "text": "a", "finish_reason": words}]},
    }[place]
    loopback.answer = lambda _: said(body)
    with recording(PROMPTS) as (client, _), pytest.raises(RequestError) as raised:
        client.complete("m", TEXTS[:1], {})
    shown = str(raised.value)
    assert shown.isprintable()
    assert "made up" in shown or "task.x" in shown
    assert not [line for line in shown.splitlines() if line.lstrip().startswith("::")]
    assert "##" not in shown


def test_a_key_that_answers_about_a_job_echo_is_not_stored(job, loopback, jobs, said) -> None:
    def echoing(asked: Any) -> Any:
        answer = jobs.answer(asked)
        if not isinstance(answer.body, dict):
            return answer
        answer.body |= {"debug": KEY, "organization_id": KEY, KEY: [KEY]}
        for entry in [answer.body, *answer.body.get("data", [])]:
            for name in ("message", "model", "status_details"):
                if name in entry:
                    entry[name] = f"{entry[name]}@{KEY}"
            if "hyperparameters" in entry:
                entry["hyperparameters"] = {"n_epochs": 1, "note": KEY, KEY: 1}
            if isinstance(entry.get("metadata"), dict):
                entry["metadata"] |= {KEY: KEY}
        return answer

    loopback.answer = echoing
    job.record()
    loopback.answer = jobs.answer
    made = job.replay()
    assert KEY not in job.path.read_text()
    assert KEY not in repr(made)
