"""``/openapi.json``: what the description allows is accepted, and what it forbids is refused."""

import httpx2
import jsonschema
import pytest

MODEL = {"model": "tiny-llama"}
TEXT = {**MODEL, "prompt": "a", "max_tokens": 1}
SAID = {"role": "user", "content": "a"}
CHAT = {**MODEL, "messages": [SAID], "max_tokens": 1}
RESPONSE = {**MODEL, "input": "a", "max_output_tokens": 1}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLED = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
FUNCTION = {"type": "function", "function": {"name": "f"}}
FORM = {"name": "n", "schema": {"type": "object"}}
JOB = {**MODEL, "training_file": "file-none"}

CASES = [
    ("/v1/completions", TEXT | {"prompt": None}, True),
    ("/v1/completions", TEXT | {"prompt": []}, False),
    ("/v1/completions", TEXT | {"prompt": [[1], "a"]}, False),
    ("/v1/completions", TEXT | {"prompt": [1, 2.0]}, True),
    ("/v1/completions", TEXT | {"prompt": [1, 2.5]}, False),
    ("/v1/completions", TEXT | {"n": 2.0, "max_tokens": 1e0}, True),
    ("/v1/completions", TEXT | {"n": 1.5}, False),
    ("/v1/completions", TEXT | {"max_tokens": 0}, False),
    ("/v1/completions", TEXT | {"max_tokens": 0, "echo": True}, True),
    ("/v1/completions", TEXT | {"best_of": 1}, True),
    ("/v1/completions", TEXT | {"best_of": 2}, False),
    ("/v1/completions", TEXT | {"suffix": ""}, True),
    ("/v1/completions", TEXT | {"suffix": "a"}, False),
    ("/v1/completions", TEXT | {"stop": "a"}, True),
    ("/v1/completions", TEXT | {"stop": list("abcde")}, False),
    ("/v1/completions", TEXT | {"logit_bias": {"5": 1}}, True),
    ("/v1/completions", TEXT | {"logit_bias": {"": 1}}, False),
    ("/v1/completions", TEXT | {"logit_bias": None}, True),
    ("/v1/completions", TEXT | {"response_format": {"type": "text"}}, True),
    ("/v1/completions", TEXT | {"response_format": {"type": None}}, False),
    ("/v1/chat/completions", CHAT | {"messages": [{"role": "user"}]}, False),
    ("/v1/chat/completions", CHAT | {"messages": [{"role": "assistant"}, SAID]}, True),
    ("/v1/chat/completions", CHAT | {"messages": [{"role": "tool", "content": "a"}]}, False),
    ("/v1/chat/completions", CHAT | {"messages": [SAID | {"tool_calls": [CALL]}]}, False),
    ("/v1/chat/completions", CHAT | {"messages": [SAID | {"tool_call_id": "c"}]}, False),
    ("/v1/chat/completions", CHAT | {"top_logprobs": 1}, False),
    ("/v1/chat/completions", CHAT | {"top_logprobs": 1, "logprobs": True}, True),
    ("/v1/chat/completions", CHAT | {"tool_choice": "sometimes"}, False),
    ("/v1/chat/completions", CHAT | {"tools": [FUNCTION], "tool_choice": FUNCTION}, True),
    ("/v1/chat/completions", CHAT | {"response_format": {"type": "json_schema"}}, False),
    (
        "/v1/chat/completions",
        CHAT | {"response_format": {"type": "text", "json_schema": FORM}},
        False,
    ),
    ("/v1/responses", RESPONSE, True),
    ("/v1/responses", RESPONSE | {"input": []}, False),
    ("/v1/responses", RESPONSE | {"input": [SAID]}, True),
    ("/v1/responses", RESPONSE | {"input": [{"role": "user"}]}, False),
    ("/v1/responses", RESPONSE | {"input": [SAID | {"call_id": "c"}]}, False),
    ("/v1/responses", RESPONSE | {"input": [SAID, CALLED | {"arguments": None}]}, False),
    ("/v1/responses", RESPONSE | {"text": {"format": {"type": "json_schema"}}}, False),
    ("/v1/responses", RESPONSE | {"text": {"format": {"type": "text", **FORM}}}, False),
    ("/tokenize", MODEL, False),
    ("/tokenize", MODEL | {"prompt": "a"}, True),
    ("/tokenize", MODEL | {"prompt": "a", "messages": [SAID]}, False),
    ("/tokenize", MODEL | {"prompt": "a", "messages": None}, True),
    ("/detokenize", MODEL | {"tokens": [5]}, True),
    ("/detokenize", MODEL | {"tokens": [-5]}, False),
    ("/v1/embeddings", MODEL | {"input": ""}, False),
    ("/v1/embeddings", MODEL | {"input": [[]]}, False),
    ("/v1/embeddings", MODEL | {"input": None}, False),
    # Accepted so far that the file is looked for.
    ("/v1/fine_tuning/jobs", JOB | {"hyperparameters": {"n_epochs": "auto"}}, True),
    ("/v1/fine_tuning/jobs", JOB | {"hyperparameters": {"n_epochs": 0}}, False),
    ("/v1/fine_tuning/jobs", JOB | {"integrations": []}, True),
    ("/v1/fine_tuning/jobs", JOB | {"integrations": [{"type": "wandb"}]}, False),
    ("/v1/fine_tuning/jobs", JOB | {"lora_rank": 8.0}, True),
]


@pytest.fixture(scope="module")
def described(served):
    root = served.url.removesuffix("/v1")
    return root, httpx2.get(f"{root}/openapi.json", timeout=120).json()


@pytest.mark.parametrize(("path", "body", "valid"), CASES)
def test_the_description_and_the_server_agree(described, path, body, valid):
    root, description = described
    content = description["paths"][path]["post"]["requestBody"]["content"]
    schema = content["application/json"]["schema"] | {"components": description["components"]}
    assert jsonschema.Draft202012Validator(schema).is_valid(body) == valid
    status = httpx2.post(f"{root}{path}", json=body, timeout=120).status_code
    assert status in ((200, 404) if valid else (400,))
