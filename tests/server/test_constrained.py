"""`response_format`: answers that follow a JSON schema, and schemas that are refused."""

import json
import threading
import time

import httpx2
import jsonschema
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")

USER = {"role": "user", "content": "a film"}
CHAT = {"model": "tiny-llama", "messages": [USER], "max_tokens": 300, "seed": 3}
FILM = {
    "type": "object",
    "properties": {
        "label": {"enum": ["Positive", "Negative", "né"]},
        "stars": {"type": "integer", "minimum": 1, "maximum": 5},
        "words": {"type": "array", "items": {"type": "string", "maxLength": 3}, "maxItems": 2},
    },
    "required": ["label", "stars", "words"],
    "additionalProperties": False,
}


def wanted(schema):
    return {"type": "json_schema", "json_schema": {"name": "film", "schema": schema}}


def test_an_answer_follows_its_schema_for_the_strict_client(client):
    made = client.chat.completions.create(
        **CHAT, response_format=wanted(FILM), n=3, logprobs=True, top_logprobs=2
    )
    for choice in made.choices:
        assert choice.finish_reason == "stop"
        answer = json.loads(choice.message.content)
        jsonschema.validate(answer, FILM)
        # The model's own log-probabilities, as if there were no schema: none is infinite.
        assert all(token.logprob > -1e4 for token in choice.logprobs.content)


def test_a_json_object_is_one_or_is_cut_off(client):
    body = {**CHAT, "response_format": {"type": "json_object"}, "temperature": 0}
    choice = client.chat.completions.create(**body | {"max_tokens": 5}).choices[0]
    assert (choice.finish_reason, choice.message.content[0]) == ("length", "{")


def test_a_schema_of_the_openai_package_is_parsed_by_it(client):
    from pydantic import BaseModel, Field

    class Review(BaseModel):
        positive: bool
        stars: int = Field(ge=1, le=5)

    made = client.chat.completions.parse(**CHAT, response_format=Review)
    assert 1 <= made.choices[0].message.parsed.stars <= 5
    answered = client.responses.parse(model="tiny-llama", input="a", text_format=Review)
    assert 1 <= answered.output_parsed.stars <= 5


_LEAVES = st.sampled_from(
    [
        {"type": "boolean"},
        {"type": "null"},
        {"type": "integer", "minimum": -3, "maximum": 12},
        {"type": "string", "maxLength": 2},
        {"type": "string", "pattern": "^[ab]{1,2}$"},
        {"enum": ["é", 1, None, "a b"]},
        {"const": {"a": [1, 2]}},
        {"type": "integer", "multipleOf": 5, "minimum": 0, "maximum": 20},
    ]
)


def _objects(inner):
    def made(properties, required):
        names = list(properties)[:required]
        return {"type": "object", "properties": properties, "required": names} | CLOSED

    return st.builds(
        made, st.dictionaries(st.sampled_from(["a", "é", 'q"', ""]), inner, max_size=3),
        st.integers(0, 3),
    )  # fmt: skip


CLOSED = {"additionalProperties": False}
SCHEMAS = st.recursive(
    _LEAVES,
    lambda inner: _objects(inner)
    | st.builds(lambda one, n: {"type": "array", "items": one, "maxItems": n}, inner,
                st.integers(0, 2))
    | st.lists(inner, min_size=1, max_size=2).map(lambda options: {"anyOf": options}),
    max_leaves=4,
)  # fmt: skip


@given(schema=SCHEMAS, seed=st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_what_ends_by_itself_follows_its_schema_streamed_or_not(deterministic, schema, seed):
    body = CHAT | {"response_format": wanted(schema), "seed": seed, "max_tokens": 40}
    with deterministic.client() as client:
        choice = client.chat.completions.create(**body).choices[0]
        chunks = list(client.chat.completions.create(**body, stream=True))
    if choice.finish_reason == "stop":
        jsonschema.validate(json.loads(choice.message.content), schema)
    assert "".join(c.choices[0].delta.content for c in chunks) == choice.message.content
    assert chunks[-1].choices[0].finish_reason == choice.finish_reason


def test_both_tokenizers_are_constrained(served):
    for name in ("tiny-llama", "tiny-gemma"):
        model = served.registry.get(name)
        grammar = model.grammars.compile('start: "é\\"" /[0-9]{2}/')
        constraint = grammar.start()
        text = b""
        while not constraint.finished:
            token = int(constraint.allowed().int().argmax())
            text += model.token_bytes.of(token)
            constraint.accept(token)
        assert text.decode()[:2] == 'é"'
        assert text.decode()[2:].isdigit()


def deep(levels):
    schema = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


PATTERNS = [{"pattern": f"(a.{{{n}}}b|c.{{{n}}}d)"} for n in range(30)]


@pytest.mark.parametrize(
    ("form", "param", "word"),
    [
        (wanted({"type": "foo"}), "json_schema.schema", "Invalid type: foo"),
        (wanted({"not": {}}), "json_schema.schema", "not"),
        (wanted({"type": "string", "pattern": "("}), "json_schema.schema", "regex"),
        (wanted({"$ref": "http://127.0.0.1:1/x"}), "json_schema.schema", "not fetch"),
        (wanted(deep(21)), "json_schema.schema", "nested deeper than 20"),
        (wanted({"enum": ["x" * 70_000]}), "json_schema.schema", "65,536 bytes"),
        (wanted({"enum": list(range(5_000))}), "json_schema.schema", "4,000 values"),
        (wanted({"multipleOf": 1_000_003}), "json_schema.schema", "multipleOf"),
        (wanted({"type": "string", "allOf": PATTERNS}), "json_schema.schema", "16 patterns"),
        (wanted("x"), "json_schema.schema", "valid"),
        ({"type": "json_schema"}, "json_schema", "given"),
        ({"type": "json_object", "json_schema": {"name": "a"}}, "json_schema", "only"),
        ({"type": "json_schema", "json_schema": {"name": "a b"}}, "json_schema.name", "valid"),
        ({"type": "json_schema", "json_schema": {}}, "json_schema.name", "missing"),
        ({"type": "xml"}, "type", "valid"),
        ({}, "type", "missing"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_bad_format_is_named_by_its_path(served, form, param, word):
    answer = httpx2.post(
        f"{served.url}/chat/completions", json=CHAT | {"response_format": form}, timeout=60
    )
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, f"response_format.{param}")
    assert error["message"].startswith(f"The parameter {error['param']} ")
    assert word in error["message"]
    assert "\n" not in error["message"]
    assert len(error["message"]) < 400


def test_legacy_completions_have_no_schema(client):
    with pytest.raises(openai.BadRequestError, match=r"response_format\.type"):
        client.completions.create(
            model="tiny-llama", prompt="a", extra_body={"response_format": {"type": "json_object"}}
        )


def test_a_compilation_that_takes_too_long_is_refused_and_others_are_answered(
    served, client, monkeypatch
):
    from tunebench.server.http import grammars

    model = served.registry.get("tiny-llama")
    real, go_on = model.grammars.compile, threading.Event()
    monkeypatch.setattr(grammars, "_SECONDS", 0.05)
    with monkeypatch.context() as patch:
        patch.setattr(model.grammars, "compile", lambda lark: go_on.wait(60) and real(lark))
        with pytest.raises(openai.BadRequestError, match="longer than"):
            client.chat.completions.create(**CHAT, response_format=wanted(FILM))
        with pytest.raises(openai.InternalServerError, match="another request"):
            client.chat.completions.create(**CHAT, response_format=wanted(FILM))
        assert client.chat.completions.create(**CHAT | {"max_tokens": 1}).choices
        go_on.set()
    while grammars._compiling.locked():
        time.sleep(0.001)
    monkeypatch.undo()
    assert client.chat.completions.create(**CHAT, response_format=wanted(FILM)).choices
