"""What lm-eval's remote tokenizer asks a server for: it sends no model."""

import httpx2
import pytest

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")

from .conftest import serving


@pytest.fixture(scope="module")
def alone(tiny_folders):
    with serving({"tiny": tiny_folders["tiny-llama"]}) as provider:
        yield provider


def root(served):
    return served.url.removesuffix("/v1")


def test_a_remote_tokenizer_encodes_decodes_and_renders(alone):
    with httpx2.Client(base_url=root(alone), timeout=120) as remote:
        info = remote.get("/tokenizer_info").json()
        assert isinstance(info["tokenizer_class"], str)
        assert (info["bos_token"], info["eos_token"], info["pad_token"]) == (
            "<bos>", "<eos>", "<eos>",
        )  # fmt: skip
        assert "message.role" in info["chat_template"]
        for text in ("a film", "é🙂\n x", ""):
            body = {"prompt": text, "add_special_tokens": False}
            ids = remote.post("/tokenize", json=body).json()["tokens"]
            assert remote.post("/detokenize", json={"tokens": ids}).json() == {"prompt": text}
        [end] = remote.post("/tokenize", json={"prompt": info["eos_token"]}).json()["tokens"]
        assert end == 1


def test_with_several_models_one_must_be_named(served):
    with httpx2.Client(base_url=root(served), timeout=120) as remote:
        for answer in (
            remote.get("/tokenizer_info"),
            remote.post("/tokenize", json={"prompt": "a"}),
            remote.post("/detokenize", json={"tokens": [5]}),
        ):
            assert (answer.status_code, answer.json()["error"]["param"]) == (400, "model")
        info = remote.get("/v1/tokenizer_info", params={"model": "tiny-gemma"}).json()
        assert (info["chat_template"], info["add_bos_token"]) == (None, True)
        assert remote.get("/tokenizer_info", params={"model": "x"}).status_code == 404
        bad = remote.post("/detokenize", json={"model": "tiny-gemma", "tokens": [360]})
        assert (bad.status_code, bad.json()["error"]["param"]) == (404, "tokens")
        body = {"model": "tiny-llama", "tokens": list("é".encode())}
        assert remote.post("/detokenize", json=body).status_code == 200


def test_a_fine_tuned_model_does_not_hide_the_only_one(tiny_folders):
    with serving({"tiny": tiny_folders["tiny-llama"]}) as provider:
        provider.registry.register("ft:tiny", "tiny", lambda base: base)
        assert httpx2.get(f"{root(provider)}/tokenizer_info", timeout=120).status_code == 200
