"""Calls of functions: forced, chosen, streamed, and sent back."""

import json
import shutil

import httpx2
import jsonschema
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")

from .conftest import make_tokenizer, serving

USER = {"role": "user", "content": "a film"}
CHAT = {"model": "tiny-llama", "messages": [USER], "max_tokens": 300, "seed": 3}


def function(name, properties):
    parameters = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return {"name": name, "description": f"does {name}", "parameters": parameters}


RATE = function("rate", {"stars": {"type": "integer", "minimum": 1, "maximum": 5}})
TAG = function("tag-it", {"tag": {"enum": ["<tool_call>", "}\n</tool_call>", "é"]}})
TOOLS = [{"type": "function", "function": one} for one in (RATE, TAG)]
NAMED = {"type": "function", "function": {"name": "tag-it"}}
SCHEMAS = {one["name"]: one["parameters"] for one in (RATE, TAG)}


def check(call):
    assert call.id.startswith("call_")
    assert call.type == "function"
    jsonschema.validate(json.loads(call.function.arguments), SCHEMAS[call.function.name])


def collected(chunks):
    """The content, the calls without their ids, and the reason of a stream's one choice."""
    content, calls, reason = None, [], None
    for chunk in chunks:
        [choice] = chunk.choices
        if choice.delta.content is not None:
            content = (content or "") + choice.delta.content
        for part in choice.delta.tool_calls or []:
            if part.index == len(calls):
                assert part.id.startswith("call_")
                calls.append([part.function.name, ""])
            assert part.index == len(calls) - 1
            calls[-1][1] += part.function.arguments
        reason = choice.finish_reason
    return content, calls, reason


def whole(choice):
    calls = choice.message.tool_calls or []
    pairs = [[call.function.name, call.function.arguments] for call in calls]
    return choice.message.content, pairs, choice.finish_reason


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("choice", ["required", NAMED, "auto", "none", None], ids=str)
def test_a_call_follows_its_schema_and_is_streamed_as_it_is(deterministic, choice, seed):
    body = CHAT | {"tools": TOOLS, "seed": seed, "parallel_tool_calls": False}
    body |= {"tool_choice": choice, "max_tokens": 90 if choice in ("required", NAMED) else 20}
    with deterministic.client() as client:
        made = client.chat.completions.create(**body).choices[0]
        streamed = collected(client.chat.completions.create(**body, stream=True))
    assert streamed == whole(made)
    calls = made.message.tool_calls or []
    for call in calls:
        check(call)
    if choice in ("required", NAMED):
        assert len(calls) == 1
        assert (made.finish_reason, made.message.content) == ("tool_calls", None)
    if choice == NAMED:
        assert calls[0].function.name == "tag-it"
    if choice == "none":
        assert not calls


def test_several_calls_are_made_unless_one_is_wanted(client):
    model = {**CHAT, "tools": TOOLS, "tool_choice": "required", "logit_bias": {"1": -100}}
    made = client.chat.completions.create(**model).choices[0]
    assert made.finish_reason == "length"  # never ends by itself, and the last call is cut off
    *before, _ = made.message.tool_calls
    assert len(before) > 1
    for call in before:
        check(call)
    one = client.chat.completions.create(**model, parallel_tool_calls=False).choices[0]
    [call] = one.message.tool_calls
    check(call)


def test_a_call_is_chosen_where_the_model_writes_its_mark(deterministic, monkeypatch):
    model = deterministic.registry.get("tiny-llama")
    mark = iter(model.tokenizer("a <tool_call>")["input_ids"])
    real = model.logits

    def logits(hidden):
        made = real(hidden)
        if (token := next(mark, None)) is not None:
            made[:, token] += 1e4
        return made

    monkeypatch.setattr(model, "logits", logits)
    body = CHAT | {"tools": TOOLS, "parallel_tool_calls": False, "max_tokens": 100}
    made = deterministic.client().chat.completions.create(**body).choices[0]
    assert (made.finish_reason, made.message.content) == ("tool_calls", "a ")
    check(made.message.tool_calls[0])


def test_a_json_answer_or_a_call(client):
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "null"}}}
    for seed in range(2):
        made = client.chat.completions.create(
            **CHAT | {"seed": seed}, tools=TOOLS, response_format=form, parallel_tool_calls=False
        ).choices[0]
        assert made.message.content == ("null" if made.finish_reason == "stop" else None)


def test_calls_and_their_results_are_sent_back(client, served, tmp_path, tiny_folders):
    body = CHAT | {"tools": TOOLS, "tool_choice": "required", "parallel_tool_calls": False}
    made = client.chat.completions.create(**body).choices[0].message
    [call] = made.tool_calls
    result = {"role": "tool", "tool_call_id": call.id, "content": "done"}
    for message in (made, made.model_dump(), {**made.to_dict(), "content": ""}):
        history = [USER, message, result, result, USER]
        answer = client.chat.completions.create(**CHAT | {"messages": history, "max_tokens": 1})
        assert answer.choices
    url = f"{served.url}/tokenize"
    ids = httpx2.post(url, json={"model": "tiny-llama", "messages": history}).json()["tokens"]
    text = served.registry.get("tiny-llama").token_bytes.text(ids)
    response = "<tool_response>\ndone\n</tool_response>"
    written = f'"name": "{call.function.name}", "arguments": {call.function.arguments}}}'
    assert f"{written}\n</tool_call>\n<user>{response}\n{response}\na film\n<assistant>" in text


def prompt_of(served, name, **body):
    """The text of a prompt, as the model gets it."""
    model, seen = served.registry.get(name), []
    forward = model.forward
    with pytest.MonkeyPatch.context() as patch:
        model.prefixes.__init__()
        patch.setattr(model, "forward", lambda ids, *a: seen.append(ids) or forward(ids, *a))
        with served.client() as client:
            client.chat.completions.create(**CHAT | {"model": name, "max_tokens": 1} | body)
    return model.token_bytes.text([token for ids in seen for token in ids[0].tolist()])


def test_tools_are_described_in_a_system_text_or_by_the_models_template(
    served, tmp_path, tiny_folders
):
    text = prompt_of(served, "tiny-llama", tools=TOOLS)
    assert text.startswith("<system>You can call these functions:\n<tools>\n")
    assert json.dumps(TOOLS[0], ensure_ascii=False) in text
    system = {"role": "system", "content": "Be kind."}
    text = prompt_of(served, "tiny-llama", tools=TOOLS, messages=[system, USER])
    assert text.startswith("<system>Be kind.\n\nYou can call")
    assert "tools" not in prompt_of(served, "tiny-llama", tools=TOOLS, tool_choice="none")
    folder = tmp_path / "calling"
    shutil.copytree(tiny_folders["tiny-llama"], folder)
    tokenizer = make_tokenizer(bos=False)
    tokenizer.chat_template = (
        "{% for tool in tools or [] %}{{ tool.function.name }};{% endfor %}"
        "{% for message in messages %}{{ message.role }}:{{ message.content }}"
        "{% for call in message.tool_calls or [] %}<tool_call>{{ call.function.arguments.stars }}"
        "{% endfor %};{% endfor %}"
    )
    tokenizer.save_pretrained(folder)
    call = {"id": "a", "type": "function",
            "function": {"name": "rate", "arguments": '{"stars": 4}'}}  # fmt: skip
    history = [
        USER,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "done", "tool_call_id": "a"},
    ]
    with serving({"calling": str(folder)}) as other:
        text = prompt_of(other, "calling", tools=TOOLS, messages=history)
    assert text == "rate;tag-it;user:a film;assistant:<tool_call>4;tool:done;"


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "no"}}},
         "tool_choice.function.name"),
        ({"tool_choice": {"type": "custom"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.function"),
        ({"tools": [], "tool_choice": "required"}, "tool_choice"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
        ({"tools": [*TOOLS, TOOLS[0]]}, "tools[2].function.name"),
        ({"tools": [{"type": "function", "function": {"name": f"f{n}"}} for n in range(129)]},
         "tools"),
        ({"tools": [TOOLS[0], {"type": "function", "function": {
            "name": "f", "parameters": {"properties": {"a": {"type": "foo"}}}}}]},
         "tools[1].function.parameters"),
        ({"tools": [{"type": "function", "function": {
            "name": "f", "parameters": {"type": "string"}}}]},
         "tools[0].function.parameters.type"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "messages[0].tool_call_id"),
        ({"messages": [USER | {"tool_call_id": "a"}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "tool", "content": None, "tool_call_id": "a"}]},
         "messages[0].content"),
    ],
    ids=lambda value: str(value)[:60],
)  # fmt: skip
def test_what_does_not_fit_is_named_by_its_path(served, change, param):
    answer = httpx2.post(
        f"{served.url}/chat/completions", json=CHAT | {"tools": TOOLS} | change, timeout=60
    )
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, param), error
    assert error["message"].startswith(f"The parameter {param} ")


def test_the_openai_package_collects_a_streamed_call(client):
    body = CHAT | {"tools": TOOLS, "tool_choice": NAMED}
    with client.chat.completions.stream(**body) as stream:
        for _ in stream:
            pass
        [call] = stream.get_final_completion().choices[0].message.tool_calls
    check(call)


def test_an_unknown_function_is_the_clients_error(client):
    with pytest.raises(openai.BadRequestError, match="rate, tag-it"):
        client.chat.completions.create(
            **CHAT, tools=TOOLS, tool_choice={"type": "function", "function": {"name": "no"}}
        )


ARGUMENTS = st.recursive(
    st.none() | st.integers(0, 9) | st.text('a{}"\\\n<', max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab}", max_size=2), inner),
    max_leaves=4,
).map(lambda value: json.dumps({"a": value}))


@given(
    before=st.text("ab<tol_c", max_size=12),
    calls=st.lists(st.tuples(st.sampled_from(["f", "a-b_1"]), ARGUMENTS), max_size=3),
    cut=st.integers(0, 300),
    size=st.integers(1, 9),
)
def test_an_answer_read_in_pieces_is_read_as_a_whole(before, calls, cut, size):
    from tunebench.server.http.tool_calls import CALL_BEGIN, CALL_END, CallReader, call_head

    text = before + "\n".join(
        CALL_BEGIN + call_head(name) + arguments + CALL_END for name, arguments in calls
    )
    cut = min(cut, len(text))

    def read(parts):
        reader, content, found = CallReader(), "", []
        for place, part in enumerate(parts):
            piece = reader.read(part, last=place == len(parts) - 1)
            content += piece.text
            for call in piece.calls:
                if call.name is not None:
                    found.append((call.name, ""))
                name, arguments = found[call.number]
                found[call.number] = (name, arguments + call.arguments)
        return content, found, reader.called

    assert read([text]) == (before, calls, bool(calls))
    kept = text[:cut]
    pieces = [kept[start : start + size] for start in range(0, len(kept), size)] or [""]
    assert read(pieces) == read([kept])
    for (name, arguments), (full_name, full) in zip(read([kept])[1], calls, strict=False):
        assert name == full_name
        assert full.startswith(arguments)
