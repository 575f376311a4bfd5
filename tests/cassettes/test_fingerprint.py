import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cassettes import CassetteError
from harness.cassettes.fingerprint import endpoint_of, fingerprint, request_key, text_sha256

URI = "http://127.0.0.1:8017/v1/completions"
BODY: dict[str, Any] = {
    "model": "m",
    "prompt": ["one", "two"],
    "max_tokens": 1,
    "stop": ["tive"],
    "temperature": 0,
    "logit_bias": {"7": 100, "8": 100},
}


def key(body: dict[str, Any], uri: str = URI, method: str = "POST") -> str:
    return fingerprint(method, uri, json.dumps(body).encode()).key


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
    ],
)
def test_host_port_and_api_root_do_not_matter(uri: str) -> None:
    assert key(BODY, uri) == key(BODY)


@pytest.mark.parametrize(
    ("uri", "endpoint"),
    [
        (URI, "POST completions"),
        ("http://127.0.0.1:8017/tokenize", "POST tokenize"),
        (
            "https://api.example.org/v1/fine_tuning/jobs/ft-1/v1/x",
            "POST fine_tuning/jobs/ft-1/v1/x",
        ),
        ("http://127.0.0.1/v1/models/a%2Fb", "POST models/a%2Fb"),
    ],
)
def test_the_endpoint_is_what_stands_below_the_api_root(uri: str, endpoint: str) -> None:
    assert endpoint_of("POST", uri) == endpoint


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False)
    | st.text(st.characters(), max_size=5),
    lambda values: st.lists(values, max_size=3)
    | st.dictionaries(st.text(max_size=5), values, max_size=3),
    max_leaves=6,
)  # fmt: skip
bodies = st.dictionaries(st.text(max_size=8), json_values, max_size=5)


def turned(value: Any) -> Any:
    """The same JSON value with every object's keys the other way round."""
    if isinstance(value, dict):
        return {name: turned(value[name]) for name in reversed(value)}
    return [turned(part) for part in value] if isinstance(value, list) else value


@given(body=bodies)
def test_the_order_of_keys_and_the_white_space_do_not_matter(body: dict[str, Any]) -> None:
    spaced = json.dumps(turned(body), indent=3).encode()
    assert fingerprint("POST", URI, spaced).key == key(body)


@given(body=bodies)
def test_raw_and_escaped_letters_are_the_same(body: dict[str, Any]) -> None:
    raw = json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
    assert request_key("POST completions", raw) == key(body)


@given(number=st.integers(-(2**50), 2**50))
def test_a_whole_number_is_the_same_with_and_without_a_decimal_point(number: int) -> None:
    assert key({"x": [number]}) == key({"x": [float(number)]})


@given(left=bodies, right=bodies)
def test_bodies_have_one_key_only_if_they_are_equal(
    left: dict[str, Any], right: dict[str, Any]
) -> None:
    # Python's == says that True is 1; JSON does not.
    same = json.dumps(whole(left), sort_keys=True) == json.dumps(whole(right), sort_keys=True)
    assert (key(left) == key(right)) == same


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
        {"prompt": ["two", "one"]},
        {"prompt": ["one"]},
        {"prompt": ["one", "two "]},
        {"prompt": "one"},
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
def test_whatever_changes_the_answer_changes_the_key(change: dict[str, Any]) -> None:
    assert key(BODY | change) != key(BODY)


@pytest.mark.parametrize("parameter", [name for name in BODY if name != "model"])
def test_a_parameter_left_out_changes_the_key(parameter: str) -> None:
    assert key({name: BODY[name] for name in BODY if name != parameter}) != key(BODY)


def test_the_endpoint_and_the_method_change_the_key() -> None:
    others = [
        key(BODY, "http://127.0.0.1:8017/v1/chat/completions"),
        key(BODY, "http://127.0.0.1:8017/v1/embeddings"),
        key(BODY, method="GET"),
    ]
    assert len({key(BODY), *others}) == 4


def test_the_key_alone_is_the_key_of_the_fingerprint() -> None:
    body = json.dumps(BODY).encode()
    assert request_key(endpoint_of("POST", URI), body) == fingerprint("POST", URI, body).key


def test_a_key_stays_what_it_is_from_version_to_version() -> None:
    # Recorded cassettes are found by it: a change here makes all of them worthless.
    assert key(BODY) == "f31c935726a70da2bea051d9c97fdf8e19f8c14e36c6f73b709d8b07d4e96fb1"


def test_prompts_and_parameters_are_known_apart() -> None:
    asked = fingerprint("POST", URI, json.dumps(BODY | {"user": "me", "suffix": "end"}).encode())
    assert asked.model == "m"
    assert asked.texts == ("one", "two")
    assert asked.prompt_sha256 == [text_sha256("one"), text_sha256("two")]
    assert sorted(asked.parameters) == ["logit_bias", "max_tokens", "stop", "temperature"]


def test_a_request_without_a_body_has_a_key() -> None:
    assert fingerprint("GET", "http://127.0.0.1/v1/models", b"").endpoint == "GET models"


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[1]", b'"text"'])
def test_a_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(CassetteError, match="'POST completions' is no"):
        fingerprint("POST", URI, body)


def test_lone_surrogates_are_kept_apart() -> None:
    assert text_sha256("\ud800") != text_sha256("\udfff") != text_sha256("?")
