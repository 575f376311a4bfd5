"""Every bad request is refused in OpenAI's shape, with one sentence that names the parameter."""

import asyncio
import shutil
import socket

import httpx2
import openai
import pytest

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")

from .conftest import serving

GOOD = {"model": "tiny-llama", "prompt": "a film ->", "max_tokens": 1}
CHAT = {"model": "tiny-llama", "messages": [{"role": "user", "content": "a"}], "max_tokens": 1}


def refused(served, path, **request):
    answer = httpx2.post(f"{served.url}{path}", **request)
    body = answer.json()
    assert set(body) == {"error"}
    error = body["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"].endswith(".")
    assert "\n" not in error["message"]
    return answer.status_code, error


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a", 1]}, "prompt"),
        ({"prompt": [1, "a"]}, "prompt"),
        ({"prompt": [True]}, "prompt"),
        ({"prompt": {"text": "a"}}, "prompt"),
        ({"prompt": [-1]}, "prompt"),
        ({"prompt": [360]}, "prompt"),
        ({"prompt": ["a"] * 2049}, "prompt"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": "5"}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"seed": 1.5}, "seed"),
        ({"seed": 2**70}, "seed"),
        ({"logprobs": 21}, "logprobs"),
        ({"logprobs": -1}, "logprobs"),
        ({"logprobs": True}, "logprobs"),
        ({"logit_bias": {"5": 101}}, 'logit_bias["5"]'),
        ({"logit_bias": {"5": -100.5}}, 'logit_bias["5"]'),
        ({"logit_bias": {"360": 1}}, "logit_bias"),
        ({"logit_bias": {" good": 1}}, 'logit_bias[" good"]'),
        ({"logit_bias": {"-1": 1}}, 'logit_bias["-1"]'),
        ({"logit_bias": {"9" * 5000: 1}}, f'logit_bias["{"9" * 68}'),
        ({"logit_bias": [1]}, "logit_bias"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"stop": ""}, "stop[0]"),
        ({"stop": 5}, "stop"),
        ({"n": 0}, "n"),
        ({"stream": "yes"}, "stream"),
        ({"best_of": 2}, "best_of"),
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"model": 5}, "model"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_bad_parameter_is_named(served, change, param):
    status, error = refused(served, "/completions", json=GOOD | change)
    assert (status, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert param in error["message"]
    assert len(error["message"]) < 300


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("key", ["temperature", "top_p", "logit_bias"])
def test_nan_and_infinity_are_refused(served, key, value):
    inner = f'{{"5": {value}}}' if key == "logit_bias" else value
    body = f'{{"model": "tiny-llama", "prompt": "a", "{key}": {inner}}}'
    headers = {"content-type": "application/json"}
    status, error = refused(served, "/completions", content=body, headers=headers)
    assert (status, error["param"]) == (400, 'logit_bias["5"]' if key == "logit_bias" else key)


def test_half_a_surrogate_pair_is_refused(served):
    body = b'{"model": "tiny-llama", "prompt": "a \\ud800 b"}'
    headers = {"content-type": "application/json"}
    status, error = refused(served, "/completions", content=body, headers=headers)
    assert (status, error["param"]) == (400, "prompt")


@pytest.mark.parametrize("body", [b"{", b"", b"[1]", b'"text"', b"null", b"\xff\xfe", b"[" * 9999])
def test_a_body_that_is_not_a_json_object_is_refused(served, body):
    headers = {"content-type": "application/json"}
    status, _ = refused(served, "/completions", content=body, headers=headers)
    assert status == 400


def test_a_missing_parameter_is_named(served):
    status, error = refused(served, "/completions", json={"model": "tiny-llama"})
    assert (status, error["param"]) == (400, "prompt")


def test_the_error_for_an_unknown_model_lists_the_models(served):
    status, error = refused(served, "/completions", json=GOOD | {"model": "davinci"})
    assert (status, error["code"], error["param"]) == (404, "model_not_found", "model")
    assert "tiny-llama, tiny-gemma" in error["message"]


def test_the_sdk_raises_its_own_errors(client):
    with pytest.raises(openai.NotFoundError, match="not served here"):
        client.models.retrieve("google/gemma")
    with pytest.raises(openai.BadRequestError, match="temperature"):
        client.completions.create(**GOOD, temperature=-1)
    with pytest.raises(openai.BadRequestError, match=r"tools\[0\]\.function is missing"):
        client.chat.completions.create(**CHAT, tools=[{"type": "function"}])


@pytest.mark.parametrize(("prompt", "max_tokens"), [([5] * 2048, 1), ([5], 2048)])
def test_the_error_for_a_long_prompt_names_its_length_and_the_limit(served, prompt, max_tokens):
    change = {"prompt": prompt, "max_tokens": max_tokens}
    status, error = refused(served, "/completions", json=GOOD | change)
    assert (status, error["code"]) == (400, "context_length_exceeded")
    assert all(str(n) in error["message"] for n in (len(prompt), max_tokens, 2048))


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "robot", "content": "a"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content[0].type",
        ),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"model": "tiny-gemma"}, "messages"),
    ],
    ids=str,
)
def test_a_bad_chat_parameter_is_named(served, change, param):
    status, error = refused(served, "/chat/completions", json=CHAT | change)
    assert (status, error["param"]) == (400, param)


@pytest.mark.parametrize("body", [{}, {"prompt": "a", "messages": CHAT["messages"]}])
def test_tokenize_takes_one_of_prompt_and_messages(served, body):
    status, error = refused(served, "/tokenize", json={"model": "tiny-llama"} | body)
    assert (status, error["param"]) == (400, "prompt")


def test_unknown_routes_and_methods(served):
    status, error = refused(served, "/moderations", json={})
    assert (status, error["type"]) == (404, "not_found_error")
    answer = httpx2.get(f"{served.url}/completions")
    assert (answer.status_code, answer.json()["error"]["type"]) == (405, "invalid_request_error")
    assert answer.headers["allow"] == "POST"
    assert httpx2.options(f"{served.url}/files").headers["allow"] == "GET, POST"


def test_a_body_over_the_limit_is_refused_by_its_announced_length(served):
    host, port = served.url.removeprefix("http://").removesuffix("/v1").split(":")
    with socket.create_connection((host, int(port)), timeout=120) as connection:
        head = f"POST /v1/completions HTTP/1.1\r\nHost: {host}\r\nContent-Length: {2 << 20}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a_body_over_the_limit_is_refused_without_an_announced_length(served):
    def chunks():
        yield b'{"prompt": "'
        for _ in range(12):
            yield b"a" * 100_000
        yield b'"}'

    headers = {"content-type": "application/json"}
    status, error = refused(served, "/completions", content=chunks(), headers=headers)
    assert status == 413
    assert "1,048,576 bytes" in error["message"]


def test_a_missing_or_wrong_key_is_refused_and_the_right_one_works(guarded):
    for key in ("", "wrong", "gehei", "geheim2", "gehéim"):
        headers = {"Authorization": f"Bearer {key}".encode()} if key else {}
        status, error = refused(guarded, "/completions", json=GOOD, headers=headers)
        assert (status, error["code"]) == (401, "invalid_api_key")
        assert "geheim" not in error["message"]
    assert guarded.client(api_key="geheim").completions.create(**GOOD).choices
    assert httpx2.get(guarded.url.removesuffix("/v1") + "/health").status_code == 200
    with pytest.raises(openai.AuthenticationError):
        guarded.client(api_key="wrong").models.list()


def test_after_an_internal_error_the_server_still_answers(served, client, monkeypatch):
    model = served.registry.get("tiny-llama")
    with monkeypatch.context() as patch:
        patch.setattr(model, "forward", lambda *_: 1 / 0)
        status, error = refused(served, "/completions", json=GOOD)
    assert (status, error["type"]) == (500, "server_error")
    assert "ZeroDivisionError" in error["message"]
    assert "a film" not in error["message"]
    assert client.completions.create(**GOOD).choices


@pytest.mark.parametrize("damage", ["deleted", "damaged", "no tokenizer"])
def test_a_model_that_is_damaged_is_an_error_without_a_path(tiny_folders, tmp_path, damage):
    folder = tmp_path / "models"
    shutil.copytree(tiny_folders["tiny-llama"], folder)
    if damage == "deleted":
        shutil.rmtree(folder)
    else:
        name = "model.safetensors" if damage == "damaged" else "tokenizer.json"
        (folder / name).write_bytes(b"torn")
    with serving({"broken": str(folder)}) as served:
        status, error = refused(served, "/completions", json=GOOD | {"model": "broken"})
    assert (status, error["code"]) == (500, "model_not_loaded")
    assert str(tmp_path) not in error["message"]


def test_weights_that_cannot_be_loaded_are_an_error(broken, tmp_path):
    status, error = refused(broken, "/completions", json=GOOD | {"model": "broken"})
    assert (status, error["code"]) == (500, "model_not_loaded")
    assert "config.json" in error["message"]
    assert str(tmp_path) not in error["message"]


def test_more_prompts_than_a_queue_holds_are_429_and_when_to_retry(served):
    """The clients that were not refused leave then, and free their places."""
    many = GOOD | {"prompt": ["a film ->"] * 2048, "max_tokens": 20}

    async def refusal():
        async with httpx2.AsyncClient(timeout=300) as client:
            url = f"{served.url}/completions"
            asked = [asyncio.create_task(client.post(url, json=many)) for _ in range(16)]
            for answer in asyncio.as_completed(asked):
                if (got := await answer).status_code != 200:
                    return got
        return None

    answer = asyncio.run(refusal())
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["error"]["code"] == "rate_limit_exceeded"
    assert httpx2.post(f"{served.url}/completions", json=GOOD, timeout=300).status_code == 200
