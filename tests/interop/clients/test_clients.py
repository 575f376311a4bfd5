"""Clients that others wrote, as their users use them, at ``tunebench serve``.

Each client has an environment of its own; those that were not made are skipped. What a client got
is compared with the answer to a plain request.
"""

import functools

import httpx2
import pytest

from .conftest import ASKED
from .environments import CLIENTS

pytestmark = pytest.mark.interop

SETTINGS = {"model": ASKED["model"], "max_tokens": ASKED["max_tokens"], "temperature": 0}
LABELS = [{"label": "Positive"}, {"label": "Negative"}]


def post(url, path, **body):
    answer = httpx2.post(f"{url}/{path}", json=body, timeout=120)
    assert answer.status_code == 200, answer.text
    return answer.json()


@functools.cache
def plain(url):
    """What a feature should give."""
    asked = {**SETTINGS, "prompt": ASKED["prompts"], "logprobs": 2}
    first, second = post(url, "completions", **asked)["choices"]
    message = {"role": "user", "content": ASKED["question"]}
    asked = {**SETTINGS, "messages": [message], "logprobs": True}
    chat = post(url, "chat/completions", **asked)["choices"][0]
    text = chat["message"]["content"]
    asked = {**SETTINGS, "messages": [message], "max_tokens": ASKED["response_tokens"]}
    longer = post(url, "chat/completions", **asked)["choices"][0]["message"]["content"]
    tokens = post(url, "tokenize", model=ASKED["model"], prompt=ASKED["prompts"][0])["tokens"]
    models = {model["id"] for model in httpx2.get(f"{url}/models").json()["data"]}
    wanted = {
        "models": {model for model in models if not model.startswith("ft:")},
        "completions": first["text"],
        "lists": [first["text"], second["text"]],
        "logprobs": sum(first["logprobs"]["token_logprobs"]),
        "chat": text,
        "chat_logprobs": sum(token["logprob"] for token in chat["logprobs"]["content"]),
        "responses": longer,
        "tokenizer": tokens,
    }
    if ASKED["embedder"] in models:
        vectors = post(url, "embeddings", model=ASKED["embedder"], input=ASKED["prompts"])["data"]
        wanted["embeddings"] = [pytest.approx(one["embedding"], abs=1e-6) for one in vectors]
    return wanted


@pytest.mark.parametrize(
    ("client", "feature"),
    [
        pytest.param(client, feature, id=f"{client.name}-{feature}")
        for client in CLIENTS
        for feature in client.features
    ],
)
def test_a_client_gets_what_a_plain_request_gets(client, feature, request) -> None:
    if not client.is_there:
        pytest.skip(f"no environment: python tests/interop/clients/environments.py {client.name}")
    said = request.getfixturevalue("answers_of")(client)[feature]
    assert "error" not in said, said["error"]
    got = said["value"]
    if feature == "json_schema":
        assert got in LABELS
    elif feature == "tools":
        assert got["name"] == "keep"
        assert got["arguments"] in LABELS
    elif feature == "fine_tuning":
        assert got.startswith(f"ft:{ASKED['model']}")
    else:
        compare(feature, got, request.getfixturevalue("server_of")(client).url)


def compare(feature, got, url) -> None:
    wanted = plain(url)
    if feature == "models":
        assert set(got) >= wanted[feature]
    elif isinstance(got, dict) and "asked" in got:
        # The client's own words around the prompt are in its request.
        [choice] = post(url, "completions", **got["asked"])["choices"]
        assert got["got"] == choice["text"]
    elif isinstance(got, dict):
        before = post(url, "tokenize", model=ASKED["model"], prompt=got["prompt"])["count"]
        asked = {**SETTINGS, "prompt": got["prompt"] + got["choice"], "max_tokens": 0}
        [choice] = post(url, "completions", **asked, echo=True, logprobs=0)["choices"]
        logprobs = choice["logprobs"]["token_logprobs"]
        assert got["logprob"] == pytest.approx(sum(logprobs[before:]), abs=1e-3)
    elif feature == "stream":
        assert len(got) > 2
        assert "".join(got) == wanted["chat"]
    elif "logprobs" in feature:
        assert sum(got) == pytest.approx(wanted[feature], abs=1e-3)
    else:
        assert got == wanted[feature]
