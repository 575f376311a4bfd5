"""``tunebench doctor`` against the local provider."""

import json

import pytest

pytest.importorskip("torch")
pytest.importorskip("fastapi")

from tunebench.cli import main

EXPERIMENT = """
[task]
name = "any"
dataset = "imdb_reviews"
labels = ["Negative", "Positive"]
instruction = "Say which"
test_size = 10

[provider.here]
base_url = "{url}"

[[model]]
name = "m"
provider = "here"
id = "{model}"
"""


def test_doctor_finds_what_the_local_provider_supports(deterministic, capsys):
    code = main(["doctor", deterministic.url, "--model", "tiny-llama", "--json"])
    (provider,) = json.loads(capsys.readouterr().out)["providers"]
    found = {(f["name"], f["endpoint"]): f["found"] for f in provider["findings"]}
    assert code == 0
    absent = {("rate-limit headers", None), ("embeddings", None)}
    assert {finding for finding, there in found.items() if not there} == absent
    supported = ["lists", "logprobs", "logit_bias", "tokenize", "fine_tuning"]
    assert provider["table"]["supports"] == supported


def test_doctor_finds_no_chat_without_a_chat_template(deterministic, capsys):
    main(["doctor", deterministic.url, "--model", "tiny-gemma", "--json"])
    (provider,) = json.loads(capsys.readouterr().out)["providers"]
    found = {f["name"] for f in provider["findings"] if f["found"]}
    assert "completions" in found
    assert "chat" not in found


@pytest.mark.parametrize(("model", "code"), [("tiny-llama", 0), ("tiny-lama", 2)])
def test_doctor_checks_the_models_of_an_experiment(deterministic, capsys, tmp_path, model, code):
    path = tmp_path / "experiment.toml"
    path.write_text(EXPERIMENT.format(url=deterministic.url, model=model))
    assert main(["doctor", str(tmp_path)]) == code
    said = capsys.readouterr()
    assert ("check the model's `id`" in said.err) == (code == 2)


def test_doctor_counts_the_tokens_of_texts(deterministic, capsys, tmp_path):
    rows = [f"{i},Negative\n{i} and more of it" + " and more" * i + ",Positive" for i in range(40)]
    (tmp_path / "rows.csv").write_text("text,label\n" + "\n".join(rows))
    text = EXPERIMENT.format(url=deterministic.url, model="tiny-llama")
    text = text.replace("imdb_reviews", "rows.csv").replace("test_size = 10", "test_size = 5")
    path = tmp_path / "experiment.toml"
    path.write_text(text)
    ask = ["doctor", str(tmp_path), "--max-tokens-in", "20", "--json"]
    assert main(ask) == 1
    lengths = json.loads(capsys.readouterr().out)["lengths"]
    assert 0 < lengths["longer"] <= lengths["cut"] < lengths["texts"]
    assert lengths["longest"] > 20
    path.write_text(text.replace("= 5", f"= 5\nmax_chars = {lengths['max_chars']}"))
    assert main(ask) == 0
