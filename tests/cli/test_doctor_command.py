"""``tunebench doctor`` against scripted providers on this machine."""

import json
import tomllib

import pytest

from tunebench.cli import main
from tunebench.experiment.models import Provider

from ..api.scripted_provider import PROVIDERS, Scripted
from ..experiment_example import EXAMPLE

KEY = "sesame-open-0123"


@pytest.fixture
def doctor(capsys):
    def doctor(*args):
        code = main(["doctor", *args])
        said = capsys.readouterr()
        return code, said.out, said.err

    return doctor


@pytest.fixture
def serve(loopback, said):
    """Answer as a known provider does."""

    def serve(name):
        scripted = Scripted(said, name, *PROVIDERS[name])
        loopback.answer = scripted.answer
        return scripted

    return serve


@pytest.fixture
def declare(tmp_path, loopback):
    """An experiment whose one provider is the one on this machine."""

    def declare(table="", *, model="meta/Llama-7B", matrix="shots = [0]"):
        text = EXAMPLE[: EXAMPLE.index("[[model]]")]
        text = text.replace("http://127.0.0.1:8017/v1", loopback.url)
        text = text.replace('endpoint = "completions"\n', table)
        text += f'[[model]]\nname = "m"\nprovider = "local"\nid = "{model}"\n[matrix]\n{matrix}\n'
        path = tmp_path / "experiment.toml"
        path.write_text(text)
        return str(path)

    return declare


def found(document):
    (provider,) = document["providers"]
    return {(f["name"], f["endpoint"]): f["found"] for f in provider["findings"]}


def test_the_table_says_what_was_found_and_what_is_done_without_the_rest(doctor, serve, loopback):
    serve("vllm")
    code, out, err = doctor(loopback.url)
    assert (code, err) == (0, "")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0] == f"{loopback.url}, model meta/Llama-7B"
    assert "completions yes" in lines
    assert "lists, completions yes 2 choices for 2 prompts" in lines
    assert "logprobs, chat yes 2 candidates" in lines
    assert "fine_tuning no so train_sizes need models that exist, in [[fine_tuned]]" in lines
    assert any(line.startswith("- fine_tuning: the provider answered 404") for line in lines)
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vllm", {"endpoint": "completions",
                  "supports": ["lists", "logprobs", "logit_bias", "tokenize"]}),
        ("openai", {"endpoint": "chat", "supports": ["logprobs", "logit_bias", "fine_tuning"],
                    "max_tokens_field": "max_tokens"}),
        ("azure", {"endpoint": "chat", "supports": ["logit_bias"],
                   "max_tokens_field": "max_tokens"}),
    ],
)  # fmt: skip
def test_the_printed_table_is_one_of_an_experiment(doctor, serve, loopback, name, expected):
    serve(name)
    _, out, _ = doctor(loopback.url, "--provider", "there")
    table = tomllib.loads(out[out.index("[provider.there]") :])["provider"]["there"]
    assert table == {"base_url": loopback.url, **expected}
    Provider.model_validate(table)


def test_nothing_is_uploaded_and_no_job_is_started(doctor, serve, loopback):
    serve("openai")
    doctor(loopback.url)
    posts = {asked.path for asked in loopback.asked if asked.body}
    assert posts == {
        "/v1/completions",
        "/v1/chat/completions",
        "/v1/embeddings",
        "/tokenize",
    }
    assert all(asked.fields.get("max_tokens", 1) <= 4 for asked in loopback.asked if asked.body)


def test_scripts_read_one_json_object(doctor, serve, loopback):
    serve("vllm")
    code, out, _ = doctor(loopback.url, "--json")
    document = json.loads(out)
    assert code == 0
    assert found(document)["logit_bias", "completions"]
    (provider,) = document["providers"]
    assert provider["models"] == ["meta/Llama-7B"]
    (tuning,) = [f for f in provider["findings"] if f["name"] == "fine_tuning"]
    assert tuning["without"] == "train_sizes need models that exist, in [[fine_tuned]]"


def test_what_is_taken_without_effect_is_not_found(doctor, serve, loopback):
    scripted = serve("vllm")

    def ignoring(asked):
        if asked.body:
            asked.body = json.dumps(
                {k: v for k, v in asked.fields.items() if k not in ("logit_bias", "logprobs")}
            ).encode()
        return scripted.answer(asked)

    loopback.answer = ignoring
    _, out, _ = doctor(loopback.url)
    assert "- logit_bias, completions: taken, but without effect" in out
    assert "- logprobs, chat: taken, but none given" in out


def test_a_bias_that_the_log_probabilities_do_not_show_is_not_found(
    doctor, serve, loopback, declare
):
    serve("vllm").raw = True
    code, out, _ = doctor(declare())
    said = "steers the answer but not the log-probabilities shown"
    assert f"- logit_bias, completions: {said}" in out
    assert f"- logit_bias, chat: {said}" in out
    assert 'supports = ["lists", "logprobs", "tokenize"]' in out
    assert "assumes 'logit_bias', which was not found" in out
    assert code == 1


def test_a_limit_that_is_not_kept_is_not_found(doctor, serve, loopback, declare):
    scripted = serve("vllm")

    def long_winded(asked):
        said = scripted.answer(asked)
        if asked.body and "max_tokens" in asked.fields:
            said.body["usage"]["completion_tokens"] = 200
        return said

    loopback.answer = long_winded
    code, out, _ = doctor(declare('endpoint = "chat"\nsupports = []\n'))
    assert 'max_tokens_field = "max_completion_tokens"' in out
    assert "[provider.local] has max_tokens_field = 'max_tokens', which has no effect" in out
    assert code == 1


def test_answers_that_differ_and_another_model_are_seen(doctor, serve, loopback):
    scripted = serve("vllm")
    count = iter(range(1000))

    def moody(asked):
        said = scripted.answer(asked)
        if asked.path.endswith("/v1/completions"):
            said.body["choices"][0]["text"] += str(next(count))
            said.body["model"] = "whatever-is-loaded"
        return said

    loopback.answer = moody
    _, out, _ = doctor(loopback.url)
    assert "- model as asked: whatever-is-loaded" in out
    assert "so another recording may differ" in out


def test_an_experiment_that_declares_what_is_there_is_fine(doctor, serve, declare):
    serve("vllm")
    code, out, err = doctor(declare('supports = ["lists", "logprobs", "tokenize"]\n'))
    assert (code, err) == (0, "")
    assert "[provider.local]" in out


@pytest.mark.parametrize(
    ("name", "table", "model", "complaint"),
    [
        ("openai", 'endpoint = "chat"\nsupports = ["tokenize", "logprobs"]\n', "gpt-4.1",
         "lists 'tokenize', which was not found; write `supports` as above."),
        ("openai", 'endpoint = "chat"\n', "gpt-4.1",
         "without `supports` assumes 'tokenize', which was not found; write `supports` as above."),
        ("openai", "", "gpt-4.1", "has endpoint = 'completions', which does not answer; write "
         "'chat'."),
        ("azure", 'endpoint = "chat"\nsupports = ["logprobs"]\n', "gpt-4o-2024-08-06",
         "lists 'logprobs', which was not found; write `supports` as above."),
    ],
)  # fmt: skip
def test_an_experiment_that_declares_more_is_warned(
    doctor, serve, declare, name, table, model, complaint
):
    serve(name)
    path = declare(table, model=model)
    code, out, _ = doctor(path)
    assert (code, out.splitlines()[-1]) == (1, f"{path}: [provider.local] {complaint}")


def test_training_sizes_need_the_fine_tuning_api(doctor, serve, declare):
    serve("vllm")
    code, _, _ = doctor(declare(matrix="shots = [0]"))
    assert code == 0  # assumed, but never used
    code, out, _ = doctor(declare(matrix="train_sizes = [300]"))
    assert code == 1
    assert "without `supports` assumes 'fine_tuning', which was not found" in out


def test_fine_tuned_models_that_exist_need_no_fine_tuning_api(doctor, serve, declare):
    serve("vllm")
    pins = "".join(
        f'[[fine_tuned]]\nmodel = "m"\ntrain_size = {size}\nid = "meta/Llama-7B-{size}"\n'
        for size in (300, 500)
    )
    supports = 'supports = ["lists", "logprobs"]\n'
    code, out, _ = doctor(declare(supports, matrix=f"train_sizes = [300, 500]\n{pins}"))
    assert code == 0
    said = "fine-tuned cells ask the models of [[fine_tuned]]: meta/Llama-7B-300, meta/Llama-7B-500"
    assert f"so {said}" in " ".join(out.split())


def test_a_model_under_another_name_is_warned_of_unless_it_is_known(doctor, serve, declare):
    serve("azure")
    table = 'endpoint = "chat"\nsupports = []\n'
    code, out, _ = doctor(declare(table, model="mine"))
    assert code == 1
    assert "the model 'm' is answered under another name" in out
    known = 'mine"\nanswers_as = "gpt-4o-2024-08-06'
    assert doctor(declare(table, model=known))[0] == 0


def test_a_key_goes_to_the_provider_and_nowhere_else(doctor, serve, loopback, said, monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    scripted = serve("vllm")

    def telling(asked):
        if asked.path.startswith("/v1/fine_tuning"):
            return said({"error": {"message": f"{KEY} may not"}}, 403)
        return scripted.answer(asked)

    loopback.answer = telling
    for option in ((), ("--json",)):
        _, out, err = doctor(loopback.url, "--api-key-env", "MY_KEY", *option)
        assert "*** may not" in out
        assert KEY not in out + err
    assert {a.headers["authorization"] for a in loopback.asked} == {f"Bearer {KEY}"}
    assert '"api_key_env": "MY_KEY"' in out


def test_colours_are_for_terminals_that_want_them(doctor, serve, loopback, monkeypatch):
    serve("vllm")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[32myes\x1b[0m" in doctor(loopback.url)[1]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in doctor(loopback.url)[1]


def test_control_characters_of_a_models_id_are_shown_escaped(doctor, serve, declare):
    serve("vllm")
    _, out, _ = doctor(declare(model="meta\\u001b[31m"))
    assert "model meta\\x1b[31m\n" in out
    assert "\x1b" not in out
