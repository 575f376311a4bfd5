"""Streamed answers: the chunks join to the whole answer, and a client that leaves ends them."""

import itertools
import json
import time

import httpx2
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")

PROMPT = "a film was good ->"
TEXTS = st.text("aé€🙂�", min_size=1, max_size=3)


def events(served, path, body):
    """The data of each event but [DONE], which is the last."""
    url = f"{served.url}{path}"
    with httpx2.stream("POST", url, json=body | {"stream": True}, timeout=120) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in answer.iter_lines() if line]
    assert lines.pop() == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def joined(made):
    """The choices that the chunks of completions make together."""
    choices = {}
    for event in made:
        [chunk] = event["choices"]
        choice = choices.setdefault(chunk["index"], chunk)
        if choice is chunk:
            continue
        assert choice["finish_reason"] is None
        assert chunk["text"] or chunk["finish_reason"] or chunk["logprobs"]
        choice["text"] += chunk["text"]
        choice["finish_reason"] = chunk["finish_reason"]
        for name, values in (chunk["logprobs"] or {}).items():
            if values:
                choice["logprobs"][name] = (choice["logprobs"][name] or []) + values
    return [choices[index] for index in sorted(choices)]


def whole(served, path, body):
    answer = httpx2.post(f"{served.url}{path}", json=body, timeout=120)
    assert answer.status_code == 200, answer.text
    return answer.json()


@given(
    seed=st.integers(0, 99),
    stop=st.lists(TEXTS, max_size=4),
    prompts=st.sampled_from([[PROMPT], ["", "é🙂"], [[5, 6]]]),
    extra=st.sampled_from([{}, {"n": 2}, {"echo": True}, {"logprobs": 2}, {"logprobs": 0}])
    | st.just({"logprobs": 2, "echo": True, "n": 2}),
    length=st.integers(1, 14),
)
@settings(max_examples=25, deadline=None)
def test_chunks_join_to_the_whole_answer(deterministic, seed, stop, prompts, extra, length):
    tokenizer = deterministic.registry.get("tiny-llama").tokenizer
    letters = tokenizer.convert_tokens_to_ids(tokenizer.tokenize("aé€🙂"))
    assert len(letters) == len("aé€🙂".encode())
    # Their bytes in any order: finished characters, unfinished ones and parts of them.
    body = {
        "model": "tiny-llama",
        "prompt": prompts,
        "max_tokens": length,
        "temperature": 2,
        "seed": seed,
        "stop": stop,
        "logit_bias": {str(token): 100 for token in letters},
        **extra,
    }
    expected = whole(deterministic, "/completions", body)["choices"]
    assert joined(events(deterministic, "/completions", body)) == expected


def test_a_text_comes_in_more_than_one_chunk_before_it_is_finished(served):
    body = {"model": "tiny-llama", "prompt": PROMPT, "max_tokens": 12, "temperature": 0}
    made = events(served, "/completions", body)
    assert len(made) > 6
    reasons = [event["choices"][0]["finish_reason"] for event in made]
    assert reasons == [None] * (len(made) - 1) + ["length"]
    assert {event["object"] for event in made} == {"text_completion"}
    assert len({(event["id"], event["system_fingerprint"]) for event in made}) == 1
    assert all("usage" not in event for event in made)


def test_chat_is_streamed_to_the_strict_client(client):
    body = {
        "model": "tiny-llama",
        "messages": [{"role": "user", "content": "a film"}],
        "max_tokens": 9,
        "seed": 3,
        "n": 2,
        "logprobs": True,
        "top_logprobs": 2,
    }
    expected = client.chat.completions.create(**body)
    options = {"include_usage": True}
    *chunks, last = client.chat.completions.create(**body, stream=True, stream_options=options)
    assert (last.choices, last.usage) == ([], expected.usage)
    assert all(chunk.usage is None for chunk in chunks)
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    for choice in expected.choices:
        parts = [part for chunk in chunks for part in chunk.choices if part.index == choice.index]
        assert [part.delta.role for part in parts] == ["assistant"] + [None] * (len(parts) - 1)
        assert "".join(part.delta.content for part in parts) == choice.message.content
        tokens = [token for part in parts for token in part.logprobs.content]
        assert tokens == choice.logprobs.content
        reasons = [part.finish_reason for part in parts]
        assert reasons == [None] * (len(parts) - 1) + [choice.finish_reason]


def test_a_streamed_answer_is_collected_by_the_openai_package(client):
    body = {"model": "tiny-llama", "messages": [{"role": "user", "content": "a"}], "seed": 1}
    expected = client.chat.completions.create(**body, max_tokens=400, stop="e")
    with client.chat.completions.stream(**body, max_tokens=400, stop="e") as stream:
        for _ in stream:
            pass
        collected = stream.get_final_completion().choices[0]
    assert expected.choices[0].finish_reason == "stop"
    assert collected.message.content == expected.choices[0].message.content
    # And what was collected can be sent back.
    messages = [*body["messages"], collected.message, *body["messages"]]
    assert client.chat.completions.create(**body | {"messages": messages}, max_tokens=1).choices


def test_completions_are_streamed_with_their_usage(served):
    # The strict client takes no chunk without a finish_reason, which OpenAI sends too.
    body = {"model": "tiny-llama", "prompt": [PROMPT, "bad"], "max_tokens": 5, "temperature": 0}
    with served.client(_strict_response_validation=False) as client:
        expected = client.completions.create(**body)
        *chunks, last = client.completions.create(
            **body, stream=True, stream_options={"include_usage": True}
        )
    assert (last.choices, last.usage) == ([], expected.usage)
    for choice in expected.choices:
        parts = [part for chunk in chunks for part in chunk.choices if part.index == choice.index]
        assert "".join(part.text for part in parts) == choice.text


def test_each_chunk_holds_the_usage_so_far_for_clients_that_want_it(served):
    body = {"model": "tiny-llama", "prompt": [PROMPT, "bad"], "max_tokens": 5, "temperature": 0}
    body["logprobs"] = 0  # so that each token is a chunk
    each = {"include_usage": True, "continuous_usage_stats": True}
    *chunks, last = events(served, "/completions", body | {"stream_options": each})
    assert last["usage"] == whole(served, "/completions", body)["usage"]
    made = [chunk["usage"]["completion_tokens"] for chunk in chunks]
    assert made == list(range(1, last["usage"]["completion_tokens"] + 1))
    assert {chunk["usage"]["prompt_tokens"] for chunk in chunks} == {last["usage"]["prompt_tokens"]}
    only = {"continuous_usage_stats": True}
    for chunk in events(served, "/completions", body | {"stream_options": only}):
        assert "usage" not in chunk


def test_an_echo_without_a_completion_is_one_chunk(served):
    body = {"model": "tiny-llama", "prompt": PROMPT, "max_tokens": 0, "echo": True, "logprobs": 1}
    [event] = events(served, "/completions", body)
    assert event["choices"] == whole(served, "/completions", body)["choices"]


@pytest.mark.parametrize(
    "change", [{"model": "none"}, {"prompt": [999]}, {"max_tokens": 5000}, {"n": 0}], ids=str
)
def test_what_is_refused_is_refused_before_the_stream(served, change):
    body = {"model": "tiny-llama", "prompt": PROMPT}
    answers = [
        httpx2.post(f"{served.url}/completions", json=body | change | {"stream": stream})
        for stream in (False, True)
    ]
    assert answers[0].status_code in (400, 404)
    assert answers[1].status_code == answers[0].status_code
    assert answers[1].json() == answers[0].json()


def test_an_error_is_a_status_before_the_first_chunk_and_an_event_after_it(
    served, client, monkeypatch
):
    model = served.registry.get("tiny-llama")
    model.rows()
    step, passes = model.decoder.step, itertools.count(1)
    body = {
        "model": "tiny-llama",
        "messages": [{"role": "user", "content": "x"}],
        "logit_bias": {"1": -100},
        "max_tokens": 50,
        "stream": True,
    }
    with monkeypatch.context() as patch:
        patch.setattr(model, "forward", lambda *_: 1 / 0)
        answer = httpx2.post(f"{served.url}/chat/completions", json=body)
        assert (answer.status_code, answer.json()["error"]["type"]) == (500, "server_error")
        patch.undo()
        patch.setattr(model.decoder, "step", lambda *a: step(*a) if next(passes) < 20 else 1 / 0)
        stream = client.chat.completions.create(**body)
        assert next(stream).choices
        with pytest.raises(openai.APIError, match="ZeroDivisionError"):
            list(stream)
    assert list(client.chat.completions.create(**body))


def test_when_the_client_leaves_a_stream_nothing_more_is_computed(served, client, monkeypatch):
    model = served.registry.get("tiny-llama")
    from tunebench.server.inference.decoding import ROWS

    model.rows()
    passes, step = [], model.decoder.step
    monkeypatch.setattr(model.decoder, "step", lambda *a: passes.append(1) or step(*a))
    body = {
        "model": "tiny-llama",
        "messages": [{"role": "user", "content": "x"}],
        "logit_bias": {"1": -100},
        "max_tokens": 1500,
        "n": 100,
    }
    stream = client.chat.completions.create(**body, stream=True)
    for _ in range(5):
        assert next(stream).choices
    stream.close()
    while served.worker._together:
        time.sleep(0.01)
    # No more than ROWS completions take part in a pass.
    assert 0 < len(passes) < 100 // ROWS * 1500


class _Letters:
    """The bytes of ids that are bytes."""

    def of(self, token_id):
        return bytes([token_id])

    def is_special(self, _):
        return False


@given(
    text=st.text("abé", max_size=12),
    stop=st.lists(st.text("abé", min_size=1, max_size=4), max_size=3),
)
def test_what_is_settled_only_grows_and_ends_as_the_text(text, stop):
    from tunebench.server.inference.token_bytes import RunningText

    running, before = RunningText(_Letters(), stop), ""
    for byte in text.encode():
        running.add(byte)
        settled = running.settled
        assert settled.startswith(before)
        # No more is held back than could become a stop text.
        held = running.text[len(settled) :]
        assert not held or any(one.startswith(held) for one in stop)
        before = settled
        if running.stopped:
            break
    running.finish()
    assert running.text.startswith(before)
    assert running.text == text or running.stopped
