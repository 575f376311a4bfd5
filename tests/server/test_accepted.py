"""What ordinary clients send by default is accepted; what is refused is named by its real path."""

import os
import time
import typing
from pathlib import Path

import httpx2
import openai
import pytest
from openai.types import completion_create_params, embedding_create_params
from openai.types.chat import completion_create_params as chat_create_params
from openai.types.fine_tuning import job_create_params

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")

from .conftest import make_tokenizer, serving

SETTINGS = {"model": "tiny-llama", "max_tokens": 3, "temperature": 0}
USER = {"role": "user", "content": "a film"}
BODIES = {
    "/completions": {**SETTINGS, "prompt": "a film ->"},
    "/chat/completions": {**SETTINGS, "messages": [USER]},
}
NEUTRAL = {
    "frequency_penalty": 0,
    "presence_penalty": 0.0,
    "n": 1,
    "store": False,
    "metadata": {"run": "7"},
    "user": "someone",
    "safety_identifier": "someone",
    "prompt_cache_key": "films",
    "service_tier": "auto",
    "response_format": {"type": "text"},
    "modalities": ["text"],
    "stream": False,
    "stream_options": {"include_usage": False},
    "stop": [],
    "seed": 5,
    "logit_bias": {},
    "parallel_tool_calls": True,
    "tools": [],
    "tool_choice": "none",
    "functions": [],
    "function_call": "none",
    "reasoning_effort": "none",
    "verbosity": "medium",
}


def post(served, path, body):
    return httpx2.post(f"{served.url}{path}", json=body, timeout=120)


def refused(answer):
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert error["message"].startswith(f"The parameter {error['param']} ")
    assert error["message"].endswith(".")
    return error["param"]


def text_of(answer):
    assert answer.status_code == 200, answer.text
    [choice] = answer.json()["choices"]
    return choice.get("text") or choice["message"]["content"]


def optional(*types):
    names = {name for one in types for name in one.__annotations__}
    assert len(names) > 3
    return names - {"model", "messages", "input", "training_file"}


COMPLETION_FIELDS = optional(
    completion_create_params.CompletionCreateParamsBase,
    completion_create_params.CompletionCreateParamsNonStreaming,
)
CHAT_FIELDS = optional(
    chat_create_params.CompletionCreateParamsBase,
    chat_create_params.CompletionCreateParamsNonStreaming,
)


@pytest.mark.parametrize(
    ("path", "field"),
    [("/completions", field) for field in sorted(COMPLETION_FIELDS)]
    + [("/chat/completions", field) for field in sorted(CHAT_FIELDS)],
)
def test_every_optional_field_of_the_openai_package_may_be_null(served, path, field):
    text_of(post(served, path, {**BODIES[path], field: None}))


def test_all_optional_fields_may_be_null_together(served):
    text_of(
        post(served, "/completions", {"model": "tiny-llama"} | dict.fromkeys(COMPLETION_FIELDS))
    )
    nulls = dict.fromkeys(CHAT_FIELDS - {"max_tokens"})
    text_of(post(served, "/chat/completions", BODIES["/chat/completions"] | nulls))


@pytest.mark.parametrize("path", list(BODIES))
def test_neutral_values_change_nothing(served, path):
    body = BODIES[path]
    assert text_of(post(served, path, body | NEUTRAL)) == text_of(post(served, path, body))


@pytest.mark.parametrize("path", list(BODIES))
@pytest.mark.parametrize(
    ("field", "value", "param"),
    [
        ("frequency_penalty", 0.5, "frequency_penalty"),
        ("frequency_penalty", False, "frequency_penalty"),
        ("presence_penalty", -1, "presence_penalty"),
        ("store", True, "store"),
        ("response_format", {"type": "text", "strict": True}, "response_format.strict"),
        ("modalities", ["text", "audio"], "modalities"),
        ("tools", [{"type": "function", "function": {"name": "f g"}}], "tools"),
        ("tool_choice", "required", "tool_choice"),
        ("tool_choice", {"type": "function", "function": {"name": "f"}}, "tool_choice"),
        ("reasoning_effort", "high", "reasoning_effort"),
        ("web_search_options", {}, "web_search_options"),
        ("prediction", {"type": "content", "content": "a"}, "prediction"),
        ("metadata", {"run": 7}, "metadata.run"),
        ("stop", ["a", ""], "stop[1]"),
        ("logit_bias", {"5": 101}, 'logit_bias["5"]'),
        ("stream_options", {"foo": 1}, "stream_options.foo"),
        ("body", 1, "body"),
        ("foo bar\n", 1, r'["foo bar\n"]'),
    ],
    ids=str,
)
def test_what_is_not_supported_is_refused_by_its_path(served, path, field, value, param):
    found = refused(post(served, path, {**BODIES[path], field: value}))
    # A chat takes tools, and names what is wrong inside them.
    inside = {"tools": "tools[0].function.name"} if path == "/chat/completions" else {}
    assert found == inside.get(field, param)


@pytest.mark.parametrize("path", list(BODIES))
def test_with_ignore_eos_an_answer_goes_on_after_the_models_own_end(served, path):
    body = {**BODIES[path], "logit_bias": {"1": 100}}  # the end is the likeliest token

    def made(**change):
        answer = post(served, path, body | change).json()
        [choice] = answer["choices"]
        text = choice["text"] if "text" in choice else choice["message"]["content"]
        return choice["finish_reason"], answer["usage"]["completion_tokens"], text

    assert made() == made(ignore_eos=False) == ("stop", 1, "")
    assert made(ignore_eos=True) == ("length", 3, "")


def test_what_follows_a_schema_ends_with_ignore_eos_too(served):
    schema = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"const": True}}}
    body = {**BODIES["/chat/completions"], "max_tokens": 30, "response_format": schema}
    assert text_of(post(served, "/chat/completions", body | {"ignore_eos": True})) == "true"


def test_best_of_may_be_n_only(served):
    body = BODIES["/completions"]
    for counts in ({"best_of": 1}, {"best_of": 2, "n": 2}, {"best_of": 1, "n": None}):
        assert post(served, "/completions", body | counts).status_code == 200
    assert refused(post(served, "/completions", body | {"best_of": 2})) == "best_of"
    assert refused(post(served, "/completions", body | {"suffix": "x"})) == "suffix"


def test_up_to_20_candidates_of_a_token(client):
    completion = client.completions.create(**SETTINGS, prompt="a", logprobs=20)
    assert {len(top) for top in completion.choices[0].logprobs.top_logprobs} == {20}
    chat = {**SETTINGS, "messages": [USER]}
    made = client.chat.completions.create(**chat, logprobs=True, top_logprobs=20)
    assert {len(token.top_logprobs) for token in made.choices[0].logprobs.content} == {20}
    made = client.chat.completions.create(**chat, logprobs=False, top_logprobs=0)
    assert made.choices[0].logprobs is None


def test_an_empty_prompt_begins_a_text(client, name):
    def answer(prompt, **changes):
        settings = {**SETTINGS, "model": name, "logprobs": 2, **changes}
        made = client.completions.create(**settings, prompt=prompt)
        return made.usage.prompt_tokens, made.choices

    begun = answer([0])
    assert begun[0] == 1
    for prompt in ("", None, [[]]):
        assert answer(prompt) == begun
    assert [choice.text for choice in answer(["", "a", ""])[1]][::2] == [begun[1][0].text] * 2
    assert answer("", echo=True, logprobs=None)[1][0].text == begun[1][0].text


def test_the_servers_own_answer_is_taken_back_in_every_form(client):
    settings = {**SETTINGS, "messages": [USER]}
    message = client.chat.completions.create(**settings).choices[0].message
    plain = {"role": "assistant", "content": message.content}

    def following(answer):
        made = client.chat.completions.create(**SETTINGS, messages=[USER, answer, USER])
        return made.choices[0].message.content

    wanted = following(plain)
    empty = {"refusal": None, "audio": None, "function_call": None, "annotations": []}
    for answer in (
        message,
        message.model_dump(),
        message.to_dict(),
        {**message.model_dump(), "parsed": None},
        {**plain, **empty, "tool_calls": None},
        {**plain, **empty, "tool_calls": [], "annotations": None, "name": None},
        {**plain, "content": [{"type": "text", "text": message.content}]},
    ):
        assert following(answer) == wanted
    assert following({"role": "assistant", "content": None}) == following(
        {"role": "assistant", "content": ""}
    )


def test_a_name_is_given_to_the_models_template(tmp_path, tiny_folders):
    import shutil

    folder = tmp_path / "named"
    shutil.copytree(tiny_folders["tiny-llama"], folder)
    tokenizer = make_tokenizer(bos=False)
    tokenizer.chat_template = (
        "{% for message in messages %}{{ message.name or 'nobody' }}:{{ message.content }};"
        "{% endfor %}"
    )
    tokenizer.save_pretrained(folder)
    with serving({"named": str(folder)}) as served:
        messages = [{**USER, "name": "bob"}, USER]
        body = {"model": "named", "messages": messages}
        ids = post(served, "/tokenize", body).json()["tokens"]
        assert served.registry.get("named").token_bytes.text(ids) == "bob:a film;nobody:a film;"


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({**USER, "foo": 1}, "foo"),
        ({**USER, "content": [{"type": "text", "text": "a", "foo": 1}]}, "content[0].foo"),
        ({**USER, "content": [{"type": "text", "text": "a"}, {"type": "image_url"}]},
         "content[1].type"),
        ({**USER, "content": ["a"]}, "content[0]"),
        ({**USER, "content": None}, "content"),
        ({**USER, "content": 5}, "content"),
        ({"role": "user"}, "content"),
        ({"role": "function", "content": "a", "name": "b"}, "role"),
        ({"role": "assistant", "content": "a", "refusal": "no"}, "refusal"),
        ({"role": "assistant", "content": None, "tool_calls": [{"id": "a"}]},
         "tool_calls[0].function"),
        ({**USER, "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]},
         "tool_calls"),
        ({**USER, "name": 5}, "name"),
    ],
    ids=str,
)  # fmt: skip
def test_a_part_of_a_message_is_named_by_its_path(served, message, param):
    body = {**SETTINGS, "messages": [USER, message]}
    assert refused(post(served, "/chat/completions", body)) == f"messages[1].{param}"


def test_a_message_that_is_no_object_is_named(served):
    body = {**SETTINGS, "messages": [USER, "hi"]}
    assert refused(post(served, "/chat/completions", body)) == "messages[1]"


def test_tokenize_takes_nulls_and_the_servers_own_answer(served):
    answer = {"role": "assistant", "content": "b", "refusal": None}
    body = {"model": "tiny-llama", "messages": [USER, answer]}
    nulls = {"add_special_tokens": None, "add_generation_prompt": None, "prompt": None}
    plain = post(served, "/tokenize", body)
    assert plain.status_code == 200
    assert post(served, "/tokenize", body | nulls).json() == plain.json()


@pytest.mark.parametrize("path", ["", "/models", "/models/tiny-llama"])
def test_head_is_get_without_the_body(served, path):
    url = served.url + path if path else served.url.removesuffix("/v1") + "/health"
    with httpx2.Client() as connection:
        head, whole = connection.head(url), connection.get(url)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"] == "application/json"
        assert head.headers["content-length"] == str(len(whole.content))
        assert connection.head(served.url + "/nowhere").status_code == 404
        assert connection.head(served.url + "/completions").status_code == 405


def test_every_answer_has_a_request_id(served, guarded, client, monkeypatch):
    def ids(**request):
        url = request.pop("url", served.url + "/models")
        answer = httpx2.request(request.pop("method", "GET"), url, **request)
        return answer.headers.get_list("x-request-id")

    given = {"x-request-id": "run-7/3"}
    assert ids(headers=given) == ["run-7/3"]
    assert ids(headers=given, url=served.url + "/nowhere") == ["run-7/3"]
    assert ids(headers=given, url=guarded.url + "/models") == ["run-7/3"]
    made = [ids(), ids(), ids(headers={"x-request-id": "a" * 999})]
    assert len({name for [name] in made}) == 3
    assert all(len(name) < 50 for [name] in made)
    assert client.models.list()._request_id
    with monkeypatch.context() as patch:
        patch.setattr(served.registry.get("tiny-llama"), "forward", lambda *_: 1 / 0)
        body = BODIES["/completions"]
        url = served.url + "/completions"
        assert ids(headers=given, url=url, method="POST", json=body) == ["run-7/3"]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_of_a_key_may_be_written_in_any_case(guarded, scheme):
    def status(value):
        headers = {"Authorization": value}
        return httpx2.get(guarded.url + "/models", headers=headers).status_code

    assert status(f"{scheme} geheim") == 200
    assert status(f"{scheme} Geheim") == 401
    assert status("geheim") == 401
    assert status("Basic geheim") == 401


def test_names_of_models_may_hold_slashes_and_colons(tiny_folders):
    names = ["org/tiny:v1", "ft:org/tiny:me::7"]
    sources = dict.fromkeys(names, tiny_folders["tiny-llama"])
    with serving(sources) as served, served.client() as client:
        for name in names:
            assert client.models.retrieve(name).id == name
            assert httpx2.get(f"{served.url}/models/{name}").json()["id"] == name
            assert client.completions.create(model=name, prompt="a", max_tokens=1).model == name
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("org/tiny")


def test_optional_fields_of_jobs_may_be_null(served):
    fields = optional(job_create_params.JobCreateParams)
    body = {"model": "tiny-llama", "training_file": "file-none"}
    method = {"type": "supervised", "supervised": None, "dpo": None, "reinforcement": None}
    automatic = dict.fromkeys(job_create_params.Hyperparameters.__annotations__, "auto")
    supervised = {"type": "supervised", "supervised": {"hyperparameters": automatic}}
    for change in (
        {},
        dict.fromkeys(fields),
        {"method": method},
        {"method": supervised},
        {"hyperparameters": automatic},
        {"hyperparameters": dict.fromkeys(automatic)},
    ):
        # The body is read before the file is looked for.
        answer = post(served, "/fine_tuning/jobs", body | change)
        assert answer.json()["error"]["code"] == "file_not_found", answer.text
    wrong = {"method": {"type": "supervised", "dpo": {}}}
    assert refused(post(served, "/fine_tuning/jobs", body | wrong)) == "method.dpo"


ROW = {"messages": [USER, {"role": "assistant", "content": "good"}]}


@pytest.mark.parametrize(
    "content",
    [
        b'\xef\xbb\xbf{"prompt": "a", "completion": "b"}\n',
        b'\xef\xbb\xbf\r\n{"prompt": "a", "completion": "b"}\r\n',
        b'{"prompt": "a", "completion": "b"}\n\xef\xbb\xbf{"prompt": "c", "completion": "d"}',
        b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", '
        b'"refusal": null, "annotations": [], "tool_calls": null}]}',
    ],
)
def test_a_training_file_with_byte_order_marks_or_answers_of_the_api_is_read(client, content):
    made = client.files.create(file=("rows.jsonl", content), purpose="fine-tune")
    assert made.status == "processed"
    assert client.files.content(made.id).content == content
    client.files.delete(made.id)


def test_a_file_may_be_sent_with_an_expiry(client):
    row = b'{"prompt": "a", "completion": "b"}'

    def create(**expiry):
        return client.files.create(
            file=("rows.jsonl", row), purpose="fine-tune", expires_after=expiry
        )

    made = create(anchor="created_at", seconds=3600)
    assert made.expires_at == made.created_at + 3600
    for expiry in ({"anchor": "created_at", "seconds": 5}, {"anchor": "created_at"}):
        with pytest.raises(openai.BadRequestError, match=r"expires_after\[seconds\] must be"):
            create(**expiry)
    with pytest.raises(openai.BadRequestError, match=r"expires_after\[anchor\] must be"):
        create(anchor="last_used", seconds=3600)


def test_a_file_that_has_expired_is_gone(client, monkeypatch):
    from tunebench.server.tuning import gone, job_queue

    row = b'{"prompt": "a", "completion": "b"}'
    made, kept = (
        client.files.create(file=("rows.jsonl", row), purpose="fine-tune", **expiry)
        for expiry in ({"expires_after": {"anchor": "created_at", "seconds": 3600}}, {})
    )
    content = Path(os.environ["TUNEBENCH_DATA_DIR"]) / "in-process" / "files" / made.id
    assert {made.id, kept.id} <= {one.id for one in client.files.list()}
    monkeypatch.setattr(gone, "now", lambda: made.expires_at)
    assert made.id not in {one.id for one in client.files.list()}
    assert kept.id in {one.id for one in client.files.list()}
    for ask in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError, match="There is no file"):
            ask(made.id)
    assert content.exists()
    monkeypatch.setattr(job_queue, "_CLEAN_SECONDS", 0)
    while content.exists():
        time.sleep(0.05)


def test_the_fields_of_embeddings_are_those_of_the_openai_package():
    from tunebench.server.http.requests import EmbeddingRequest

    wanted = typing.get_type_hints(embedding_create_params.EmbeddingCreateParams)
    assert set(wanted) <= set(EmbeddingRequest.model_fields)
