"""``tunebench init`` with the URL of a provider: it is asked what it can do."""

import json
import socket
import tomllib
from pathlib import Path

import pytest

from tunebench import Experiment

from ..api.scripted_provider import PROVIDERS, Scripted
from ..evenings import init, tree, write_table

TOML = Path("benchmarks/evenings/experiment.toml")
KEY = "sesame-open-0123"
NOT_FOUND = {"detail": "Not Found"}
PAGE = b"<html><title>404 Not Found</title></html>"


@pytest.fixture
def table(tmp_path, monkeypatch):
    """Change to a folder of one's own with a table."""
    monkeypatch.chdir(tmp_path)
    return write_table(rows=600)


@pytest.fixture
def serve(loopback, said):
    """Answer as a known provider does, but for some paths."""

    def serve(name, changed=None):
        scripted = Scripted(said, name, *PROVIDERS[name])

        def answer(asked):
            path = asked.path.removeprefix("/v1").partition("?")[0]
            made = (changed or {}).get(path)
            return scripted.answer(asked) if made is None else made(asked)

        loopback.answer = answer
        return scripted

    return serve


@pytest.fixture
def made(table, loopback, capsys):
    """The experiment that is made of a provider on this machine, and the notes."""

    def made(*arguments):
        assert init(table, "--provider", loopback.url, "--json", *arguments) == 0
        return Experiment.read(TOML), "\n".join(json.loads(capsys.readouterr().out)["notes"])

    return made


@pytest.fixture
def refused(table, loopback, capsys):
    """What is said of a provider with which no experiment is made."""

    def refused(*arguments):
        before = tree()
        assert init(table, "--provider", loopback.url, *arguments) == 2
        assert tree() == before
        return capsys.readouterr().err.removeprefix("tunebench: ").rstrip("\n")

    return refused


def test_completions_are_found_with_all_that_they_can_do(made, serve, loopback):
    serve("vllm")
    experiment, notes = made()
    (provider,) = experiment.providers.values()
    assert (provider.base_url, provider.endpoint) == (loopback.url, "completions")
    assert provider.supports == ["lists", "logprobs", "logit_bias", "tokenize"]
    assert experiment.models["Llama-7B"].provider_id == "meta/Llama-7B"
    assert experiment.matrix.decision_rules == ["text", "label_logprobs"]
    assert experiment.matrix.train_sizes == []
    assert 'answers completions and chat, so endpoint = "completions"' in notes
    assert "Found: lists, logprobs, logit_bias, tokenize." in notes
    assert "Not found: fine_tuning, embeddings." in notes


def test_a_chat_that_fine_tunes_is_found_with_the_key_that_is_named(
    made, serve, loopback, monkeypatch
):
    monkeypatch.setenv("MY_KEY", KEY)
    serve("openai")
    experiment, notes = made("--model", "gpt-4.1", "--api-key-env", "MY_KEY")
    (provider,) = experiment.providers.values()
    assert (provider.endpoint, provider.api_key_env) == ("chat", "MY_KEY")
    assert "fine_tuning" in provider.supports
    assert experiment.matrix.train_sizes == [100, 300]
    assert 'answers chat, so endpoint = "chat"' in notes
    assert {asked.headers["authorization"] for asked in loopback.asked} == {f"Bearer {KEY}"}
    assert all(KEY not in Path(path).read_text() for path in tree())


def test_nothing_of_the_file_is_sent_and_no_job_is_started(made, serve, loopback):
    serve("openai")
    made("--model", "gpt-4.1")
    assert all(b"an evening" not in asked.body for asked in loopback.asked)
    assert not [a for a in loopback.asked if a.body and "fine_tuning" in a.path]


@pytest.mark.parametrize("page", [NOT_FOUND, PAGE])
def test_an_endpoint_for_completions_alone_needs_no_list_of_models(made, serve, said, page):
    def missing(_):
        return said(page, 404)

    serve("vllm", dict.fromkeys(("/models", "/chat/completions", "/tokenize"), missing))
    experiment, notes = made("--model", "meta/Llama-7B")
    (provider,) = experiment.providers.values()
    assert provider.endpoint == "completions"
    assert provider.supports == ["lists", "logprobs", "logit_bias"]
    assert "(no list of models)" in notes


def test_a_chat_alone_is_found(made, serve, said):
    serve("vllm", {"/completions": lambda _: said(PAGE, 404)})
    experiment, _ = made()
    (provider,) = experiment.providers.values()
    assert provider.endpoint == "chat"
    assert provider.max_tokens_field in ("max_tokens", "max_completion_tokens")


@pytest.mark.parametrize(
    ("missing", "broken", "endpoint"),
    [("/completions", "/chat/completions", "chat"), ("/chat/completions", "/completions", None)],
)
def test_the_kind_that_is_not_missing_is_guessed_where_it_refuses(
    made, serve, said, missing, broken, endpoint
):
    refusal = {"error": {"message": "temperature must be 1", "param": "temperature"}}
    serve("vllm", {missing: lambda _: said({}, 404), broken: lambda _: said(refusal, 400)})
    experiment, notes = made("--model", "meta/Llama-7B")
    (provider,) = experiment.providers.values()
    assert (provider.endpoint, provider.supports) == (endpoint or "completions", [])
    assert "(temperature must be 1)" in notes
    assert "so [provider.endpoint] is a guess" in notes
    assert "tunebench doctor benchmarks/evenings/experiment.toml" in notes


def test_a_provider_that_refuses_both_kinds_for_other_reasons_is_guessed(made, serve, said):
    serve(
        "vllm",
        {
            "/completions": lambda _: said({"error": {"message": "out of memory"}}, 400),
            "/chat/completions": lambda _: said({"error": {"message": "bad day"}}, 400),
        },
    )
    experiment, notes = made("--model", "meta/Llama-7B")
    assert experiment.providers["endpoint"].endpoint == "completions"
    assert "so [provider.endpoint] is a guess: completions, and nothing else." in notes
    assert "bad day" in notes


def test_as_many_candidates_as_it_shows_are_asked_for(made, serve, said, loopback):
    scripted = Scripted(said, "openai", *PROVIDERS["openai"])

    def chat(asked):
        if asked.fields.get("top_logprobs", 0) > 5:
            return said({"error": {"message": "at most 5", "param": "top_logprobs"}}, 400)
        return scripted.answer(asked)

    serve("openai", {"/chat/completions": chat})
    experiment, notes = made("--model", "gpt-4.1")
    assert experiment.models["gpt-4.1"].parameters == {"top_logprobs": 5}
    assert "label_logprobs" in experiment.matrix.decision_rules
    assert "5 candidates" in notes


def test_a_model_of_embeddings_is_a_rival_to_be_turned_on(made, serve, said, loopback):
    listed = {"data": [{"id": "meta/Llama-7B"}, {"id": "org/some-embed"}]}
    serve("vllm", {"/models": lambda _: said(listed), "/embeddings": loopback.embed})
    _, notes = made("--model", "meta/Llama-7B")
    assert "embeddings (org/some-embed)" in notes
    text = TOML.read_text()
    table = text[text.index("# [[rival]]") :].partition("\n\n")[0].replace("# ", "")
    (rival,) = tomllib.loads(table)["rival"]
    assert rival == {"name": "some-embed", "provider": "endpoint", "model": "org/some-embed"}
    TOML.write_text(text + "\n" + table)
    assert Experiment.read(TOML).embedding_rivals


def test_a_model_that_is_not_listed_is_refused_with_the_nearest_one(refused, serve, loopback):
    serve("openai")
    told = refused("--model", "gpt-4.l")
    assert told.startswith(f"{loopback.url} lists no model 'gpt-4.l', but ")
    assert told.endswith("; did you mean 'gpt-4.1'?")
    assert [asked.path for asked in loopback.asked] == ["/v1/models"]


def test_one_of_several_models_has_to_be_named(refused, serve, said, loopback):
    listed = {"data": [{"id": f"m{i}"} for i in range(30)]}
    serve("vllm", {"/models": lambda _: said(listed)})
    told = refused()
    assert told.startswith(f"{loopback.url} lists several models: m0, m1, ")
    assert told.endswith(" and 10 more; name one with --model.")


def test_a_page_at_every_path_makes_no_experiment(refused, loopback, said):
    loopback.answer = lambda _: said(PAGE, 404)
    told = refused("--model", "m")
    assert "(a web page, '404 Not Found')" in told
    assert told.endswith(
        f"; check that the address {loopback.url} is the API root, and check the model's `id`."
    )


def test_a_provider_that_wants_a_key_makes_no_experiment(refused, loopback, said):
    loopback.answer = lambda _: said({"error": {"message": "no key"}}, 401)
    told = refused("--model", "m")
    assert "the provider answered 401 (no key)" in told
    assert "--api-key-env" in told


def test_a_key_that_is_not_set_is_asked_for_before_any_request(refused, loopback, monkeypatch):
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    assert "NO_SUCH_KEY, which is not set" in refused("--api-key-env", "NO_SUCH_KEY")
    assert loopback.asked == []


def test_a_wrong_option_is_refused_before_any_request(refused, serve, loopback):
    serve("vllm")
    assert "--prices" in refused("--prices", "input")
    assert loopback.asked == []


def test_training_sizes_need_the_fine_tuning_api_that_is_asked_for(refused, serve, said):
    serve("vllm")
    assert "--train-sizes needs OpenAI's fine-tuning API" in refused("--train-sizes", 100)


@pytest.mark.parametrize("arguments", [("--model", "m"), ()])
def test_a_provider_that_does_not_answer_is_guessed_and_said_so(table, capsys, arguments):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    code = init(table, "--provider", url, *arguments)
    told = capsys.readouterr()
    if not arguments:
        assert code == 2
        assert "does not answer" in told.err
        assert "so its models are not known; name one with --model" in told.err
        assert not TOML.exists()
        return
    assert code == 0
    assert f"{url} does not answer (no connection (" in told.out
    assert "so [provider.endpoint] is a guess" in told.out
    assert "this table is a guess" in TOML.read_text()
    (provider,) = Experiment.read(TOML).providers.values()
    assert (provider.base_url, provider.endpoint, provider.supports) == (url, "completions", [])
