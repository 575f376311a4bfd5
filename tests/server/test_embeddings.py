"""``/v1/embeddings``: shapes, encodings and errors, and the same vectors as plain transformers."""

import base64
import json

import httpx2
import openai
import pytest

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")

from ..weights import need_weights
from .conftest import SAMPLE, serving

TEXTS = [
    "a film was good",
    "bad",
    "the end of the story was bad and an actor had a tear " * 20,
    "é🙂",
]
WIDTH = 32


def write_encoder(folder, **pooling):
    """A BERT of two layers and its tokenizer; with `pooling` as sentence-transformers has it."""
    import tokenizers
    import torch
    import transformers

    inner = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token="[UNK]"))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    inner.train_from_iterator(
        [SAMPLE],
        tokenizers.trainers.WordPieceTrainer(
            vocab_size=200, special_tokens=special, show_progress=False
        ),
    )
    inner.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]"
    ).save_pretrained(folder)
    torch.manual_seed(7)
    config = transformers.BertConfig(
        vocab_size=inner.get_vocab_size(),
        hidden_size=WIDTH,
        intermediate_size=64,
        num_attention_heads=4,
        num_hidden_layers=2,
        max_position_embeddings=64,
        initializer_range=0.4,
    )
    transformers.BertModel(config).eval().save_pretrained(folder)
    if pooling:
        kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
        modules = [{"path": path, "type": f"x.models.{kind}"} for path, kind in kinds.items()]
        (folder / "modules.json").write_text(json.dumps(modules))
        (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 48}')
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))


KINDS = {
    "plain": {},
    "mean": {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False},
    "first": {"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True},
    "max": {"pooling_mode_max_tokens": True},
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}
    for name, pooling in KINDS.items():
        folder = tmp_path_factory.mktemp("encoders") / name
        folder.mkdir()
        write_encoder(folder, **pooling)
        made[name] = str(folder)
    return made


@pytest.fixture(scope="module")
def encoders(folders, tiny_folders):
    with serving({**folders, "tiny-llama": tiny_folders["tiny-llama"]}) as provider:
        yield provider


@pytest.fixture(scope="module")
def embedder(encoders):
    # Asked for base64, which is its default, the client refuses it in its own strict mode.
    with encoders.client(_strict_response_validation=False) as made:
        yield made


def expected(folder, kind, text):
    """The embedding of one text alone, by transformers."""
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    network = transformers.AutoModel.from_pretrained(folder).float().eval()
    most = 64 if kind == "plain" else 48
    given = tokenizer(text, return_tensors="pt", truncation=True, max_length=most)
    with torch.no_grad():
        hidden = network(**{k: given[k] for k in ("input_ids", "attention_mask")})[0][0]
    vector = hidden[0] if kind == "first" else hidden.mean(0)
    return vector if kind == "plain" else vector / vector.norm()


@pytest.mark.parametrize("kind", ["plain", "mean", "first"])
def test_embeddings_are_those_of_transformers_in_the_order_of_the_texts(embedder, folders, kind):
    answer = embedder.embeddings.create(model=kind, input=TEXTS)
    assert [one.index for one in answer.data] == [0, 1, 2, 3]
    for text, one in zip(TEXTS, answer.data, strict=True):
        assert one.embedding == pytest.approx(
            expected(folders[kind], kind, text).tolist(), abs=1e-5
        )


@pytest.mark.parametrize(
    "text",
    ["a film was good " * 1000, "x" * 20_000 + " bad", " " * 20_000 + "good " * 100],
    ids=["words", "one word", "spaces"],
)
def test_a_text_far_longer_than_the_model_reads_is_cut_off_as_by_transformers(
    embedder, folders, text
):
    [one] = embedder.embeddings.create(model="mean", input=text).data
    assert one.embedding == pytest.approx(
        expected(folders["mean"], "mean", text).tolist(), abs=1e-5
    )


def test_the_answer_has_the_form_of_the_client_in_its_strict_mode(encoders):
    answer = encoders.client().embeddings.create(model="mean", input=TEXTS, encoding_format="float")
    assert (answer.object, answer.model, len(answer.data)) == ("list", "mean", 4)


def test_both_encodings_hold_the_same_numbers(encoders):
    import numpy as np

    def said(**fields):
        body = {"model": "mean", "input": "a film", **fields}
        return httpx2.post(f"{encoders.url}/embeddings", json=body).json()["data"][0]["embedding"]

    plain = said()
    assert len(plain) == WIDTH
    assert plain == said(encoding_format="float")
    packed = np.frombuffer(base64.b64decode(said(encoding_format="base64")), "<f4")
    assert packed.tolist() == plain


def test_the_fields_that_clients_send_by_default_change_nothing(encoders):
    def said(**fields):
        body = {"model": "mean", "input": "a film"} | fields
        return httpx2.post(f"{encoders.url}/embeddings", json=body, timeout=120).json()

    plain = said()["data"]
    assert said(encoding_format=None, dimensions=None, user=None)["data"] == plain
    assert said(dimensions=WIDTH, user="someone")["data"] == plain
    assert said(dimensions=8)["error"]["param"] == "dimensions"


def test_tokens_are_counted_as_they_are_computed(embedder, encoders):
    ids = encoders.registry.embedder("mean").ids(TEXTS)
    usage = embedder.embeddings.create(model="mean", input=TEXTS).usage
    assert usage.prompt_tokens == usage.total_tokens == sum(map(len, ids))
    assert max(map(len, ids)) == 48


def test_token_ids_are_embedded_as_their_text(embedder, encoders):
    [ids] = encoders.registry.embedder("mean").ids(["a film"])
    by_text = embedder.embeddings.create(model="mean", input="a film").data[0].embedding
    for given in (ids, [ids]):
        answer = embedder.embeddings.create(model="mean", input=given)
        assert answer.data[0].embedding == by_text


def test_a_deterministic_server_embeds_each_text_alone(folders):
    with serving({"mean": folders["mean"]}, deterministic=True) as provider:
        client = provider.client(_strict_response_validation=False)
        together = client.embeddings.create(model="mean", input=TEXTS)
        for text, one in zip(TEXTS, together.data, strict=True):
            alone = client.embeddings.create(model="mean", input=text)
            assert alone.data[0].embedding == one.embedding


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": ["a", ""]}, "input"),
        ({"input": ["a", 1]}, "input"),
        ({"input": None}, "input"),
        ({"input": {"text": "a"}}, "input"),
        ({"input": [100_000]}, "input"),
        ({"input": [-1]}, "input"),
        ({"input": [5] * 49}, "input"),
        ({"input": ["a"] * 2049}, "input"),
        ({"encoding_format": "int8"}, "encoding_format"),
        ({"dimensions": 8}, "dimensions"),
        ({"model": "tiny-llama"}, "model"),
        ({"model": 3}, "model"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_bad_parameter_is_named_in_openais_shape(encoders, change, param):
    body = {"model": "mean", "input": "a film", **change}
    answer = httpx2.post(f"{encoders.url}/embeddings", json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, param)
    assert error["type"] == "invalid_request_error"
    assert error["message"].endswith(".")
    assert "a film" not in error["message"]


def test_a_model_that_is_not_served_is_named(embedder):
    with pytest.raises(
        openai.NotFoundError, match="'no' is not served here; the models are: plain"
    ):
        embedder.embeddings.create(model="no", input="a film")


def test_a_pooling_that_is_not_known_is_an_error_of_the_model(embedder):
    with pytest.raises(openai.InternalServerError, match="in a way that this server does not"):
        embedder.embeddings.create(model="max", input="a film")


def test_a_model_of_embeddings_writes_no_text(embedder):
    with pytest.raises(openai.BadRequestError, match="mean makes embeddings and no text"):
        embedder.completions.create(model="mean", prompt="a film")


def test_the_packaged_model_knows_which_texts_are_alike():
    """The figures are those of the model's own card, by sentence-transformers."""
    import torch

    from tunebench.server.inference import weights

    need_weights("all-minilm-l6-v2")
    assert weights.find("all-minilm-l6-v2").sha256.startswith("0872f5d7d0e806c4")
    texts = ["That is a happy person", "That is a happy dog", "Today is a sunny day"]
    with serving({"all-minilm-l6-v2": "all-minilm-l6-v2"}) as provider:
        answer = provider.client().embeddings.create(
            model="all-minilm-l6-v2", input=texts, encoding_format="float"
        )
    vectors = torch.tensor([one.embedding for one in answer.data])
    assert vectors.shape == (3, 384)
    assert vectors.norm(dim=1).tolist() == pytest.approx([1.0] * 3, abs=1e-5)
    happy, sunny = (vectors[0] @ vectors[1:].T).tolist()
    assert happy > 0.5 > sunny
