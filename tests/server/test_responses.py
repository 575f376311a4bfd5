"""`/v1/responses`: text in and out, JSON, calls, and the events of a stream."""

import itertools
import json

import httpx2
import jsonschema
import openai
import pytest
from openai.types.responses import response_create_params

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")

ASKED = {"model": "tiny-llama", "input": "a film", "temperature": 0, "max_output_tokens": 90}
SCHEMA = {
    "type": "object",
    "properties": {"stars": {"type": "integer", "minimum": 1, "maximum": 5}},
    "required": ["stars"],
    "additionalProperties": False,
}
JSON = {"format": {"type": "json_schema", "name": "rating", "schema": SCHEMA, "strict": True}}
TOOL = {"type": "function", "name": "rate", "parameters": SCHEMA, "strict": True}
TEXT_EVENTS = [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
]
CALL_EVENTS = [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.output_item.done",
    "response.completed",
]


def without_ids(response):
    made = response.model_dump()
    for item in made["output"]:
        item.pop("id")
        item.pop("call_id", None)
    return {key: value for key, value in made.items() if key not in ("id", "created_at")}


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        ({"text": JSON}, TEXT_EVENTS),
        ({"tools": [TOOL], "tool_choice": "required", "parallel_tool_calls": False}, CALL_EVENTS),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "name": "rate"},
             "metadata": {"run": "7"}, "instructions": "Be kind."},
            CALL_EVENTS,
        ),
    ],
    ids=["text", "required", "named"],
)  # fmt: skip
def test_the_events_of_a_stream_make_the_response(client, change, kinds):
    expected = client.responses.create(**ASKED, **change)
    events = list(client.responses.create(**ASKED, **change, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert list(dict.fromkeys(event.type for event in events)) == kinds
    assert without_ids(events[-1].response) == without_ids(expected)
    assert events[0].response.output == []
    deltas = "".join(event.delta for event in events if event.type.endswith(".delta"))
    [item] = events[-1].response.output
    assert deltas == (item.arguments if item.type == "function_call" else expected.output_text)
    assert {event.item_id for event in events if hasattr(event, "item_id")} == {item.id}
    jsonschema.validate(json.loads(deltas), SCHEMA)
    assert expected.status == item.status == "completed"
    assert expected.usage.total_tokens == (
        expected.usage.input_tokens + expected.usage.output_tokens
    )


def test_log_probabilities_are_those_of_a_chat(client):
    body = {"model": ASKED["model"], "temperature": 0}
    message = {"role": "user", "content": "a film"}
    chat = client.chat.completions.create(
        **body, messages=[message], max_tokens=4, logprobs=True, top_logprobs=2
    )
    wanted = {"include": ["message.output_text.logprobs"], "top_logprobs": 2}
    asked = {**body, "input": [message], "max_output_tokens": 4}
    made = client.responses.create(**asked, **wanted)
    [part] = made.output[0].content
    found = [token.model_dump() for token in part.logprobs]
    assert found == [token.model_dump() for token in chat.choices[0].logprobs.content]
    assert len(found) == 4
    streamed = list(client.responses.create(**asked, **wanted, stream=True))
    assert without_ids(streamed[-1].response) == without_ids(made)
    parts = [t for event in streamed if event.type.endswith("text.delta") for t in event.logprobs]
    assert [token.logprob for token in parts] == [token["logprob"] for token in found]
    assert client.responses.create(**asked).output[0].content[0].logprobs == []


def test_the_openai_package_collects_a_stream(client):
    with client.responses.stream(**ASKED, text=JSON) as stream:
        for _ in stream:
            pass
        assert json.loads(stream.get_final_response().output_text)["stars"]


def test_an_answer_that_is_cut_off_is_incomplete(client):
    body = ASKED | {"max_output_tokens": 2, "text": JSON}
    made = client.responses.create(**body)
    assert (made.status, made.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert made.output[0].status == "incomplete"
    assert made.usage.output_tokens == 2
    *_, last = client.responses.create(**body, stream=True)
    assert last.type == "response.incomplete"
    assert without_ids(last.response) == without_ids(made)


def test_a_response_is_a_chats_answer(client):
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "a film"}]
    settings = {"model": "tiny-llama", "temperature": 0}
    chat = client.chat.completions.create(**settings, messages=messages, max_tokens=9)
    parts = [{"type": "input_text", "text": "a "}, {"type": "input_text", "text": "film"}]
    for body in (
        {"input": "a film", "instructions": "Be kind."},
        {"input": messages},
        {"input": [{"role": "user", "content": parts}], "instructions": "Be kind."},
    ):
        made = client.responses.create(**settings, **body, max_output_tokens=9)
        assert made.output_text == chat.choices[0].message.content


def test_what_was_answered_is_sent_back(client):
    user = {"role": "user", "content": "a film"}
    said = client.responses.create(**ASKED)
    body = {"tools": [TOOL], "tool_choice": "required", "parallel_tool_calls": False}
    called = client.responses.create(**ASKED, **body)
    [call] = called.output
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "done"}
    history = [user, *said.output, call, result, user]
    for given in (history, [user, said.output[0].model_dump(), call.model_dump(), result]):
        assert client.responses.create(**ASKED | {"input": given}).output
    with_parts = {**result, "output": [{"type": "input_text", "text": "done"}]}
    assert client.responses.create(**ASKED | {"input": [user, call, with_parts]}).output


def post(served, body):
    return httpx2.post(f"{served.url}/responses", json=body, timeout=60)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"store": True}, "store"),
        ({"background": True}, "background"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"include": ["file_search_call.results"]}, "include[0]"),
        ({"reasoning": {"effort": "low"}}, "reasoning.effort"),
        ({"truncation": "auto"}, "truncation"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "name": "no"}}, "tool_choice.name"),
        ({"text": {"format": {"type": "json_schema", "name": "a"}}}, "text.format.schema"),
        ({"text": {"format": {"type": "json_schema", "name": "a", "schema": {"type": "foo"}}}},
         "text.format.schema"),
        ({"text": {"verbosity": "low"}}, "text.verbosity"),
        ({"input": []}, "input"),
        ({"input": 5}, "input"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"role": "tool", "content": "a"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]},
         "input[0].content[0].type"),
        ({"input": [{"type": "function_call", "name": "a", "arguments": ""}]}, "input[0].call_id"),
        ({"input": [{"type": "item_reference", "id": "a"}]}, "input[0].type"),
        ({"foo": 1}, "foo"),
        ({"model": "none"}, "model"),
    ],
    ids=lambda value: str(value)[:60],
)  # fmt: skip
def test_what_cannot_be_had_is_refused_by_its_path(served, change, param):
    for stream in (False, True):
        answer = post(served, {**ASKED, **change, "stream": stream})
        error = answer.json()["error"]
        assert (answer.status_code, error["param"]) == (404 if param == "model" else 400, param)
        assert error["message"].endswith(".")


def test_every_optional_field_may_be_null(served):
    fields = set(response_create_params.ResponseCreateParamsBase.__annotations__)
    from tunebench.server.http.response_requests import ResponseRequest

    assert fields - {"input", "model"} <= set(ResponseRequest.model_fields)
    answer = post(served, ASKED | dict.fromkeys(fields - set(ASKED)))
    assert answer.status_code == 200, answer.text
    neutral = {
        "store": False,
        "truncation": "disabled",
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"effort": "none", "summary": "auto"},
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "service_tier": "auto",
        "user": "someone",
        "tools": [],
        "tool_choice": "auto",
    }
    with_neutral = post(served, ASKED | neutral).json()
    assert with_neutral["output"][0]["content"] == answer.json()["output"][0]["content"]


def test_an_error_in_a_stream_reaches_the_client(served, client, monkeypatch):
    model, passes = served.registry.get("tiny-llama"), itertools.count(1)
    model.rows()
    step = model.decoder.step
    failing = ASKED | {"tools": [TOOL], "tool_choice": "required"}
    with monkeypatch.context() as patch:
        patch.setattr(model.decoder, "step", lambda *a: step(*a) if next(passes) < 20 else 1 / 0)
        stream = client.responses.create(**failing, stream=True)
        assert next(stream).type == "response.created"
        with pytest.raises(openai.APIError, match="ZeroDivisionError"):
            list(stream)
