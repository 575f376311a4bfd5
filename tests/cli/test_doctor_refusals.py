"""Where ``tunebench doctor`` can tell nothing: exit code 2 and a sentence."""

import socket

import pytest

from tunebench.cli import main

from ..api.scripted_provider import PROVIDERS, Scripted
from ..experiment_example import EXAMPLE


@pytest.fixture
def refused(capsys):
    """What is said of a target that cannot be examined."""

    def refused(*args):
        assert main(["doctor", *map(str, args)]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.count("\n") == 1
        return said.err.removeprefix("tunebench: ").rstrip("\n")

    return refused


def test_a_provider_that_does_not_run(refused):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    said = refused(f"http://127.0.0.1:{port}/v1")
    assert said.startswith(f"http://127.0.0.1:{port}/v1/models: no connection (")
    assert said.endswith("; is the provider running, and its address right?")


def test_an_address_without_its_version(refused, loopback, said):
    scripted = Scripted(said, "vllm", *PROVIDERS["vllm"])

    def below(asked):
        known = asked.path.startswith("/v1/")
        return scripted.answer(asked) if known else said({"detail": "Not Found"}, 404)

    loopback.answer = below
    assert refused(loopback.root) == (
        f"the address {loopback.root} is not the API root, which is {loopback.url}; add the /v1."
    )


@pytest.mark.parametrize(
    ("status", "fix"),
    [
        (401, "set the key in the variable"),
        (429, "wait 1 s, or lower the provider's `concurrency`."),
    ],
)
def test_a_provider_that_answers_no_one(refused, loopback, said, status, fix):
    body = {"error": {"message": "not now"}}
    loopback.answer = lambda _: said(body, status, {"retry-after-ms": "1"})
    assert f"/models: the provider answered {status} (not now); {fix}" in refused(loopback.url)


def test_a_provider_without_a_list_of_models(refused, loopback, said):
    loopback.answer = lambda _: said({"detail": "Not Found"}, 404)
    assert refused(loopback.url) == (
        f"{loopback.url} lists no models, so there is none to ask; name one with --model."
    )


def test_a_page_instead_of_an_api(refused, loopback, said):
    loopback.answer = lambda _: said(b"<title>Sign in</title>", 200, {"Content-Type": "text/html"})
    told = refused(loopback.url, "--model", "m")
    assert told.startswith(f"{loopback.url} answers 'm' neither completions: the answer is a web ")
    assert "page, 'Sign in'; check that the address" in told


def test_a_model_that_is_not_there(refused, loopback, said):
    body = {"error": {"message": "The model `x` does not exist", "code": "model_not_found"}}
    loopback.answer = lambda _: said(body, 404)
    assert "check the model's `id`" in refused(loopback.url, "--model", "x")


def test_a_key_that_is_not_set(refused, loopback, monkeypatch):
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    told = refused(loopback.url, "--api-key-env", "NO_SUCH_KEY")
    assert told == (
        f"{loopback.url}: the key is in the environment variable NO_SUCH_KEY, which is not set; "
        "set it to the provider's key."
    )
    assert loopback.asked == []


def test_an_experiment_without_that_provider(refused, tmp_path):
    (tmp_path / "experiment.toml").write_text(EXAMPLE)
    assert refused(tmp_path, "--provider", "lokal") == (
        f"{tmp_path / 'experiment.toml'}: there is no provider 'lokal'; did you mean 'local'?"
    )


def test_an_experiment_that_is_not_there(refused, tmp_path):
    assert "there is no such experiment file" in refused(tmp_path / "none.toml")
