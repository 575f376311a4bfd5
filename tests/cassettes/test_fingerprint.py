import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebench.cassettes.fingerprint import (
    TEXT_FIELDS,
    digest_of,
    endpoint_of,
    fingerprint,
    prompt_text,
    text_sha256,
)
from tunebench.errors import CassetteError

URI = "http://127.0.0.1:8017/v1/completions"
BODY: dict[str, Any] = {
    "model": "m",
    "prompt": ["one", "two"],
    "max_tokens": 1,
    "stop": ["tive"],
    "temperature": 0,
    "logit_bias": {"7": 100, "8": 100},
}


def keys(body: dict[str, Any], uri: str = URI, method: str = "POST") -> list[tuple[str, str]]:
    """What each prompt of a request is found by."""
    asked = fingerprint(method, uri, json.dumps(body).encode())
    return [(asked.digest, sha256) for sha256 in asked.prompt_sha256]


@pytest.mark.parametrize(
    "uri",
    [
        "http://localhost:8017/v1/completions",
        "http://127.0.0.1:9999/v1/completions",
        "https://api.example.org/v1/completions",
        "https://api.example.org/openai/v1/completions",
        "https://api.example.org/a/b/v1beta2/completions",
        "https://user:password@api.example.org/v1/completions",
        "http://[::1]:8017/v1/completions",
        "http://127.0.0.1:8017/completions",
        "https://example.org/openai/deployments/m/completions",
        "https://example.org/api/completions",
    ],
)
def test_host_port_and_api_root_do_not_matter(uri: str) -> None:
    assert keys(BODY, uri) == keys(BODY)


@pytest.mark.parametrize(
    ("uri", "endpoint"),
    [
        (URI, "completions"),
        ("http://127.0.0.1:8017/tokenize", "tokenize"),
        ("https://example.org/a/b/tokenize", "tokenize"),
        ("https://example.org/a/chat/completions", "chat/completions"),
        ("https://example.org/v1/chat/completions", "chat/completions"),
        ("https://example.org/a/files/f-1/content", "files/f-1/content"),
        ("https://example.org/a/fine_tuning/jobs?limit=1", "fine_tuning/jobs?limit=1"),
        ("https://api.example.org/v1/fine_tuning/jobs/ft-1/v1/x", "fine_tuning/jobs/ft-1/v1/x"),
        ("https://example.org/v1/files/completions", "files/completions"),
        ("http://127.0.0.1/files/files", "files"),
        ("http://127.0.0.1/v1/models/a%2Fb", "models/a%2Fb"),
        ("http://127.0.0.1/health", "health"),
    ],
)
def test_the_endpoint_is_what_stands_below_the_api_root(uri: str, endpoint: str) -> None:
    assert endpoint_of("POST", uri) == f"POST {endpoint}"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False)
    | st.text(st.characters(), max_size=5),
    lambda values: st.lists(values, max_size=3)
    | st.dictionaries(st.text(max_size=5), values, max_size=3),
    max_leaves=6,
)  # fmt: skip
bodies = st.dictionaries(st.text(max_size=8) | st.just("prompt"), json_values, max_size=5)


def turned(value: Any) -> Any:
    """The same JSON value with every object's keys the other way round."""
    if isinstance(value, dict):
        return {name: turned(value[name]) for name in reversed(value)}
    return [turned(part) for part in value] if isinstance(value, list) else value


@given(body=bodies)
def test_the_order_of_keys_and_the_white_space_do_not_matter(body: dict[str, Any]) -> None:
    spaced = fingerprint("POST", URI, json.dumps(turned(body), indent=3).encode())
    assert [(spaced.digest, sha256) for sha256 in spaced.prompt_sha256] == keys(body)


@given(body=bodies)
def test_raw_and_escaped_letters_are_the_same(body: dict[str, Any]) -> None:
    raw = json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
    asked = fingerprint("POST", URI, raw)
    assert [(asked.digest, sha256) for sha256 in asked.prompt_sha256] == keys(body)


@given(number=st.integers(-(2**50), 2**50))
def test_a_whole_number_is_the_same_with_and_without_a_decimal_point(number: int) -> None:
    assert keys({"x": [number]}) == keys({"x": [float(number)]})


def others(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in TEXT_FIELDS}


@given(left=bodies, right=bodies)
def test_requests_have_one_digest_only_if_all_but_their_prompts_is_equal(
    left: dict[str, Any], right: dict[str, Any]
) -> None:
    # Python's == says that True is 1; JSON does not.
    same = [json.dumps(whole(others(body)), sort_keys=True) for body in (left, right)]
    assert (keys(left)[0][0] == keys(right)[0][0]) == (same[0] == same[1])


def whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: whole(part) for name, part in value.items()}
    if isinstance(value, list):
        return [whole(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


@pytest.mark.parametrize(
    "change",
    [
        {"model": "n"},
        {"max_tokens": 2},
        {"max_tokens": True},
        {"stop": ["ive"]},
        {"stop": "tive"},
        {"temperature": 0.1},
        {"logit_bias": {"7": 100, "9": 100}},
        {"logit_bias": {"7": 99, "8": 100}},
        {"seed": 0},
        {"user": "somebody"},
        {"anything_else": None},
    ],
)
def test_whatever_changes_the_answer_changes_the_digest(change: dict[str, Any]) -> None:
    assert keys(BODY | change)[0][0] != keys(BODY)[0][0]


@pytest.mark.parametrize("parameter", [name for name in BODY if name not in ("model", "prompt")])
def test_a_parameter_left_out_changes_the_digest(parameter: str) -> None:
    left = {name: BODY[name] for name in BODY if name != parameter}
    assert keys(left)[0][0] != keys(BODY)[0][0]


def test_a_prompts_key_is_the_same_whatever_else_its_request_holds() -> None:
    one, two = keys(BODY)
    assert keys(BODY | {"prompt": ["two", "one", "two", "three"]})[:3] == [two, one, two]
    assert keys(BODY | {"prompt": ["one"]}) == keys(BODY | {"prompt": "one"}) == [one]
    assert len({one, two, *keys(BODY | {"prompt": ["one ", "One", ""]})}) == 5


def test_messages_and_token_ids_are_one_prompt() -> None:
    messages = [{"role": "user", "content": "one"}, {"content": "two", "role": "user"}]
    for field, value in (("messages", messages), ("prompt", [[7, 8], [9]]), ("prompt", [7, 8])):
        asked = fingerprint("POST", URI, json.dumps({"model": "m", field: value}).encode())
        assert asked.prompts == (prompt_text(value),)
        assert asked.fields == {"model": "m"}
    turned_round = [dict(reversed(message.items())) for message in messages]
    assert prompt_text(messages) == prompt_text(turned_round)


def test_the_endpoint_and_the_method_change_the_digest() -> None:
    digests = [
        keys(BODY, "http://127.0.0.1:8017/v1/chat/completions")[0][0],
        keys(BODY, "http://127.0.0.1:8017/v1/embeddings")[0][0],
        keys(BODY, method="GET")[0][0],
    ]
    assert len({keys(BODY)[0][0], *digests}) == 4


def test_a_digest_follows_from_the_fields_without_the_prompts() -> None:
    asked = fingerprint("POST", URI, json.dumps(BODY).encode())
    assert asked.digest == digest_of("POST completions", others(BODY))
    assert asked.fields == others(BODY)


def test_keys_stay_what_they_are_from_version_to_version() -> None:
    # Recorded cassettes are found by them: a change here makes all of them worthless.
    asked = fingerprint("POST", URI, json.dumps(BODY).encode())
    assert asked.digest == "d723b258ece91ab9078db7ea7fa2aebc05d96c291de1c8e806c985d30050e68d"
    assert asked.prompt_sha256[0] == (
        "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"  # sha256sum of "one"
    )
    assert asked.line("server", "answered by").id == "277db3a4d1985f3e"


def test_prompts_and_parameters_are_known_apart() -> None:
    asked = fingerprint("POST", URI, json.dumps(BODY | {"user": "me", "suffix": "end"}).encode())
    assert asked.model == "m"
    assert asked.prompts == ("one", "two")
    assert asked.prompt_sha256 == [text_sha256("one"), text_sha256("two")]
    assert sorted(asked.parameters) == ["logit_bias", "max_tokens", "stop", "temperature"]
    line = asked.line("server", "answered by")
    assert (line.digest, line.endpoint, line.model) == (asked.digest, asked.endpoint, "m")
    assert (line.parameters, line.server, line.answered_by) == (
        asked.parameters,
        "server",
        "answered by",
    )


def test_a_prompt_is_in_no_repr() -> None:
    asked = fingerprint("POST", URI, json.dumps(BODY | {"prompt": "a private text"}).encode())
    assert "private" not in repr(asked)


def test_a_request_without_a_body_has_one_key() -> None:
    asked = fingerprint("GET", "http://127.0.0.1/v1/models", b"")
    assert (asked.endpoint, asked.prompts) == ("GET models", ("",))


@pytest.mark.parametrize(
    "body", [b"{", b"\xff\xfe", b"[1]", b'"text"', b"[" * 100_000, b'{"a":' * 100_000]
)
def test_a_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(CassetteError, match=r"'POST completions' (is not JSON|must be a JSON obj)"):
        fingerprint("POST", URI, body)


def test_lone_surrogates_are_kept_apart() -> None:
    assert text_sha256("\ud800") != text_sha256("\udfff") != text_sha256("?")
