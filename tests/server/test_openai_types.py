"""Answers and refusals against the types that the openai package ships.

The package's own request types make the requests, and its response types judge the answers,
strictly and both ways: a field that OpenAI does not have is found like one that is missing.
"""

import json
import typing

import hypothesis.strategies as st
import openai.types as types
import pytest
import typing_extensions
from hypothesis import HealthCheck, given, settings
from openai.types import chat, completion_create_params, embedding_create_params
from openai.types.chat import completion_create_params as chat_create_params
from openai.types.shared import ErrorObject
from pydantic import TypeAdapter

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")

from .openai_fields import unknown_fields
from .test_accepted import post
from .test_embeddings import encoders, folders  # noqa: F401 - fixtures

PROPERTY = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def without_first_null(content):
    """The answer with numbers for an echo's first token, which OpenAI gives as null."""
    body = json.loads(content)
    for choice in body.get("choices", []):
        legacy = choice.get("logprobs") or {}
        for name, number in (("token_logprobs", 0.0), ("top_logprobs", {})):
            if (of_tokens := legacy.get(name)) and of_tokens[0] is None:
                of_tokens[0] = number
    return json.dumps(body)


def check_answer(answer, type_):
    """A good answer is of the type, no more and no less; a refusal is OpenAI's error object."""
    if answer.status_code == 200:
        made = TypeAdapter(type_).validate_json(without_first_null(answer.content), strict=True)
        assert not unknown_fields(made)
        return made
    assert 400 <= answer.status_code < 500, answer.text
    body = answer.json()
    assert list(body) == ["error"]
    error = TypeAdapter(ErrorObject).validate_python(body["error"], strict=True)
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert error.message.endswith((".", ".)"))
    return error


def values_of(annotation):
    """Values that a request type allows for a field, kept small."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Required, typing.Annotated):
        return values_of(arguments[0])
    if origin is typing.Literal:
        return st.sampled_from(arguments)
    if typing_extensions.is_typeddict(annotation):
        hints = typing.get_type_hints(annotation)
        needed = annotation.__required_keys__
        return st.fixed_dictionaries(
            {name: values_of(hint) for name, hint in hints.items() if name in needed},
            optional={name: values_of(hint) for name, hint in hints.items() if name not in needed},
        )
    if origin is dict:
        return st.dictionaries(
            st.sampled_from(["0", "5", "run"]), values_of(arguments[1]), max_size=2
        )
    if isinstance(origin, type) and issubclass(origin, typing.Iterable):
        return st.lists(values_of(arguments[0]), max_size=2)
    if arguments:  # a union
        return st.one_of(*map(values_of, arguments))
    return {
        str: st.sampled_from(["", "a film", " ->", "é", "tive"]),
        int: st.integers(-1, 21),
        float: st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0, 3.5]),
        bool: st.booleans(),
        type(None): st.none(),
        object: st.sampled_from([None, 1, "a", {}]),
    }[annotation]


def bodies_of(params, needed):
    """Bodies of a request type: what is needed, and up to four of its other fields."""
    hints = typing.get_type_hints(params)
    others = {name: hint for name, hint in hints.items() if name not in (*needed, "stream")}

    def chosen(names):
        return st.fixed_dictionaries({name: values_of(others[name]) for name in names})

    drawn = st.lists(st.sampled_from(sorted(others)), max_size=4, unique=True).flatmap(chosen)
    return drawn.map(lambda given: {**given, **needed})


def check_property(served, path, body, type_):
    made = check_answer(post(served, path, body), type_)
    if isinstance(made, ErrorObject):
        named = made.param or ""
        assert any(named == name or named.startswith((f"{name}.", f"{name}[")) for name in body)


TINY = {"model": "tiny-llama", "max_tokens": 2}


@PROPERTY
@given(body=bodies_of(completion_create_params.CompletionCreateParamsBase, {**TINY, "prompt": "a"}))
def test_any_request_for_a_completion(served, body):
    check_property(served, "/completions", body, types.Completion)


@PROPERTY
@given(
    body=bodies_of(
        chat_create_params.CompletionCreateParamsBase,
        {**TINY, "messages": [{"role": "user", "content": "a film"}]},
    )
)
def test_any_request_for_a_chat_completion(served, body):
    check_property(served, "/chat/completions", body, chat.ChatCompletion)


@PROPERTY
@given(
    body=bodies_of(
        embedding_create_params.EmbeddingCreateParams, {"model": "plain", "input": ["a film"]}
    )
)
def test_any_request_for_an_embedding(encoders, body):  # noqa: F811
    made = post(encoders, "/embeddings", body)
    if made.status_code == 200 and body.get("encoding_format") == "base64":
        return  # the package decodes it, and has no type for it
    check_answer(made, types.CreateEmbeddingResponse)


@pytest.mark.parametrize(
    ("path", "body", "type_"),
    [
        ("/completions", {"prompt": ["a", "b"], "logprobs": 2}, types.Completion),
        (
            "/chat/completions",
            {"messages": [{"role": "user", "content": "a"}], "logprobs": True, "top_logprobs": 2},
            chat.ChatCompletionChunk,
        ),
    ],
)
def test_every_event_of_a_stream_is_of_the_type(served, path, body, type_):
    body = {**TINY, **body, "stream": True, "stream_options": {"include_usage": True}}
    lines = post(served, path, body).text.split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    if type_ is types.Completion:  # OpenAI sends null until the last one, against its own type
        lines = [line.replace('"finish_reason": null', '"finish_reason": "stop"') for line in lines]
    events = [TypeAdapter(type_).validate_json(line[6:], strict=True) for line in lines[:-2]]
    assert len(events) >= 2
    assert not unknown_fields(events)
