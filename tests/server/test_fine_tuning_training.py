"""Training and the adapters it makes, on tiny models, against plain transformers and peft."""

import copy

import pytest

torch = pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")

from tunebench.errors import TunebenchError  # noqa: E402
from tunebench.server.tuning.batches import Encoder, make  # noqa: E402
from tunebench.server.tuning.examples import Example  # noqa: E402
from tunebench.server.tuning.job_requests import Plan  # noqa: E402

WORDS = ["a film", "an actor and a story", "the end was bad", "a tear, the film was good " * 3]
EXAMPLES = [
    Example(f"{number} {WORDS[number % 4]} ->", [" good", " bad"][number % 3 == 0])
    for number in range(18)
]


def plan(**changes):
    values = {"n_epochs": 2, "batch_size": 4, "learning_rate_multiplier": 5.0, "seed": 3}
    return Plan(**values | changes)


@pytest.fixture
def network(oracle):
    return oracle.model


def train(network, tokenizer, changes=None, *, kept_bytes=1 << 30, validation=EXAMPLES[:7]):
    from tunebench.server.tuning.training import Trainer

    torch.set_num_threads(1)
    trainer = Trainer(
        copy.deepcopy(network),
        tokenizer,
        plan(**changes or {}),
        EXAMPLES,
        validation,
        kept_bytes=kept_bytes,
    )
    assert list(trainer.epochs(0, lambda row: None))[-1] * trainer.steps == len(trainer.rows)
    return trainer


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_kept_outputs_change_nothing(oracle, network, dropout):
    changes = {"lora_layers": 1, "lora_dropout": dropout}
    kept = train(network, oracle.tokenizer, changes)
    again = train(network, oracle.tokenizer, changes, kept_bytes=0)
    assert (kept.kept, again.kept) == (True, False)
    assert kept.rows == again.rows
    assert len({row["training_loss"] for row in kept.rows}) == len(kept.rows) == 10


def test_kept_outputs_change_nothing_in_bfloat16(oracle, network):
    network.bfloat16()
    kept = train(network, oracle.tokenizer, {"lora_layers": 1})
    again = train(network, oracle.tokenizer, {"lora_layers": 1}, kept_bytes=0)
    assert (kept.kept, again.kept) == (True, False)
    for one, other in zip(kept.rows, again.rows, strict=True):
        assert one["training_loss"] == pytest.approx(other["training_loss"], rel=2e-2)


def test_outputs_that_do_not_fit_are_not_kept_the_training_rows_first(oracle, network):
    tokens = sum(batch.ids.numel() for batch in batches(oracle))
    trainer = train(network, oracle.tokenizer, {"lora_layers": 1}, kept_bytes=tokens * 32 * 4 + 100)
    assert trainer.kept
    whole = train(network, oracle.tokenizer, {"lora_layers": 1}, kept_bytes=0)
    assert trainer.rows == whole.rows
    short = train(network, oracle.tokenizer, {"lora_layers": 1}, kept_bytes=tokens * 32 * 4 - 1)
    assert not short.kept
    every = train(network, oracle.tokenizer, {"lora_layers": 9})
    assert not every.kept


def batches(oracle, size=4, max_tokens=256):
    encoder = Encoder(oracle.tokenizer, max_tokens)
    return make([encoder.encode(one) for one in EXAMPLES], size, 3)


def plain_loss(network, batch):
    with torch.no_grad():
        logits = network(batch.ids).logits[batch.rows, batch.places]
    return torch.nn.functional.cross_entropy(logits, batch.targets).item()


def test_the_loss_counts_only_the_completions(oracle, network):
    """An adapter begins at zero, so the first steps' losses at rate 0 are the base's."""
    trainer = train(network, oracle.tokenizer, {"learning_rate_multiplier": 1e-30})
    total = count = 0
    for one in EXAMPLES:
        prompt = oracle.ids(one.prompt)
        ids = [*prompt, *oracle.tokenizer(one.completion, add_special_tokens=False).input_ids, 1]
        labels = [-100] * len(prompt) + ids[len(prompt) :]
        with torch.no_grad():
            loss = network(torch.tensor([ids]), labels=torch.tensor([labels])).loss
        total += float(loss) * (len(ids) - len(prompt))
        count += len(ids) - len(prompt)
    steps = trainer.rows[: trainer.steps]
    sizes = [len(batch.targets) for batch in batches(oracle)]
    assert sum(sizes) == count
    own = [plain_loss(network, batch) for batch in batches(oracle)]
    assert sorted(row["training_loss"] for row in steps) == pytest.approx(sorted(own), rel=1e-4)
    mean = sum(loss * size for loss, size in zip(own, sizes, strict=True))
    assert mean == pytest.approx(total, rel=1e-4)


def test_prompts_keep_their_last_tokens_and_what_the_tokenizer_puts_first(oracle, name):
    encoder = Encoder(oracle.tokenizer, 8)
    long = Example("the film was good and the end was bad -> Negative an actor ->", " good")
    found = encoder.encode(long)
    ids = oracle.ids(long.prompt)
    expected = [0, *ids[-7:]] if name == "tiny-gemma" else ids[-8:]
    assert list(found.prompt) == expected
    assert found.completion[-1] == oracle.tokenizer.eos_token_id
    short = encoder.encode(Example("a ->", " good"))
    assert list(short.prompt) == oracle.ids("a ->")


def test_batches_hold_every_row_once_and_rows_of_similar_length(oracle):
    made = batches(oracle)
    assert sorted(member for batch in made for member in batch.members) == list(range(18))
    lengths = [batch.ids.shape[1] for batch in made]
    assert lengths == sorted(lengths)
    assert len(made) == 5


def test_the_seed_decides_the_training(oracle, network):
    one = train(network, oracle.tokenizer, {"lora_dropout": 0.2})
    same = train(network, oracle.tokenizer, {"lora_dropout": 0.2})
    other = train(network, oracle.tokenizer, {"lora_dropout": 0.2, "seed": 4})
    assert one.rows == same.rows
    assert one.rows != other.rows


def test_it_learns(oracle, network):
    changes = {"n_epochs": 12, "lora_layers": 9, "learning_rate_multiplier": 30.0}
    trainer = train(network, oracle.tokenizer, changes)
    assert trainer.rows[-1]["validation_loss"] < 0.5 * trainer.rows[0]["training_loss"]
    assert trainer.rows[-1]["elapsed_examples"] == 12 * len(EXAMPLES)


def test_a_resumed_training_equals_an_uninterrupted_one(oracle, network, tmp_path):
    from tunebench.server.tuning.training import Trainer

    changes = {"lora_dropout": 0.2, "n_epochs": 3}
    unbroken = train(network, oracle.tokenizer, changes)
    first = train(network, oracle.tokenizer, changes | {"n_epochs": 1})
    first.save(tmp_path / "epoch-1")
    second = Trainer(
        copy.deepcopy(network),
        oracle.tokenizer,
        plan(**changes),
        EXAMPLES,
        EXAMPLES[:7],
        kept_bytes=1 << 30,
    )
    second.resume(tmp_path / "epoch-1")
    list(second.epochs(1, lambda row: None))
    assert second.rows == unbroken.rows
    assert not list(tmp_path.glob(".unfinished-*"))


@pytest.mark.parametrize("labels", [(" good", " bad"), (" good", " good and the end", " bad")])
def test_labels_are_scored_by_their_log_probabilities(oracle, network, labels):
    """Also labels of several tokens, and one that begins like another."""
    from tunebench.server.inference.head import Head
    from tunebench.server.tuning.evaluation import Evaluation

    rows = [Example(one.prompt, labels[n % len(labels)]) for n, one in enumerate(EXAMPLES)]
    encoder = Encoder(oracle.tokenizer, 256)
    evaluation = Evaluation(encoder, plan(positive_class="good"), rows, rows)
    head = Head(network)

    def logits_of(batch):
        return head(network.base_model(batch.ids).last_hidden_state[batch.rows, batch.places])

    found = evaluation.measure(logits_of)
    right = 0
    for row in rows:
        scores = {}
        for label in labels:
            prompt = oracle.ids(row.prompt)
            ids = oracle.tokenizer(label, add_special_tokens=False).input_ids
            logprobs = oracle.logprobs([*prompt, *ids])
            places = range(len(prompt) - 1, len(prompt) - 1 + len(ids))
            scores[label] = sum(
                float(logprobs[place, token]) for place, token in zip(places, ids, strict=True)
            )
        right += max(scores, key=scores.get) == row.completion
    assert found["classification/accuracy"] == right / len(rows)
    assert found["classification/auroc"] is not None


def test_completions_that_hardly_repeat_are_not_classes(oracle, network):
    from tunebench.server.tuning.evaluation import Evaluation

    rows = [Example(one.prompt, f" {n}") for n, one in enumerate(EXAMPLES)]
    evaluation = Evaluation(Encoder(oracle.tokenizer, 256), plan(), rows, rows)
    assert not evaluation.labels


def test_a_learning_rate_too_high_or_a_text_too_long_is_an_error(oracle, network):
    network.lm_head.weight.data[5] = float("inf")
    with pytest.raises(TunebenchError, match=r"is not finite; .* smaller learning_rate"):
        train(network, oracle.tokenizer, validation=())
    network.config.max_position_embeddings = 20
    with pytest.raises(TunebenchError, match=r"the model takes 20; .* smaller max_tokens"):
        train(network, oracle.tokenizer, validation=())


def test_too_many_cut_prompts_are_refused_unless_a_length_is_given(oracle, network, monkeypatch):
    from tunebench.server.tuning import lengths
    from tunebench.server.tuning.training import Trainer

    rows = [Example("a film " * n, [" good", " bad"][n % 2]) for n in range(1, 21)]
    sizes = [len(oracle.ids(row.prompt)) for row in rows]
    beside = max(len(oracle.tokenizer(one).input_ids) for one in (" good", " bad"))
    beside += 0 if oracle.tokenizer.chat_template else -1  # the first token of a prompt
    beside += 1  # the end token

    def trainer(context, **changes):
        network.config.max_position_embeddings = context
        copied = copy.deepcopy(network)
        return Trainer(copied, oracle.tokenizer, plan(**changes), rows, rows[:5], kept_bytes=0)

    allowed = trainer(sizes[17] + beside)
    assert (allowed.max_tokens, allowed.cut) == (sizes[17], (2, 0))
    with pytest.raises(TunebenchError, match=r"^3 of 25 prompts have more than \d+ tokens, "):
        trainer(sizes[16] + beside)
    told = trainer(2048, max_tokens=sizes[9])
    assert (told.max_tokens, told.cut) == (sizes[9], (10, 0))
    monkeypatch.setattr(lengths, "free_memory", lambda _: 1 << 20)
    with pytest.raises(TunebenchError, match=r"the free memory is small; .* a smaller batch_size"):
        trainer(2048)


@pytest.fixture
def adapter(oracle, network, tmp_path):
    """A folder with an adapter that changes much."""
    trainer = train(network, oracle.tokenizer, {"lora_layers": 9, "n_epochs": 4})
    trainer.save(tmp_path / "adapter")
    return tmp_path / "adapter"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_an_adapter_beside_its_base_answers_as_with_peft(
    oracle, name, tiny_folders, adapter, dtype
):
    import peft

    from tunebench.server.inference.models import ModelRegistry, choose_dtype
    from tunebench.server.tuning.lora import adapted, adapter_weights

    registry = ModelRegistry({name: tiny_folders[name]}, choose_dtype(dtype))
    registry.register("ft", name, lambda base: adapted(base, "ft", adapter))
    base, tuned = registry.get(name), registry.get("ft")
    theirs = peft.PeftModel.from_pretrained(oracle.model.to(choose_dtype(dtype)), adapter)
    ids = torch.tensor([oracle.ids(EXAMPLES[3].prompt)])
    before = base.logits(base.forward(ids, None)[0][0])
    for _ in range(2):
        ours = tuned.logits(tuned.forward(ids, None)[0][0])
        with torch.inference_mode():
            hidden = theirs.get_base_model().base_model(ids).last_hidden_state[0]
            expected = tuned.logits(hidden)
        # In bfloat16 a cache and none round differently, in the base as well.
        assert torch.allclose(ours, expected, atol=1e-5 if dtype == "float32" else 0.2)
        again = base.logits(base.forward(ids, None)[0][0])
        assert torch.equal(again, before)
    assert (ours - before).abs().max() > 0.1
    rows = tuned.rows()
    assert tuned.decoder not in (None, base.decoder)
    rows.add(tuned.forward(ids[:, :-1], None)[1])
    decoded = rows.step([int(ids[0, -1])])[0]
    assert torch.allclose(decoded, ours[-1], atol=1e-4 if dtype == "float32" else 0.5)
    assert tuned.prefixes is not base.prefixes
    assert tuned.sha256 != base.sha256

    own = {id(weight) for _, weight in adapter_weights(tuned.network)}
    shared = {weight.data_ptr() for weight in base.network.parameters()}
    others = [weight for weight in tuned.network.parameters() if id(weight) not in own]
    assert {weight.data_ptr() for weight in others} == shared
    assert all(weight.dtype == torch.float32 for _, weight in adapter_weights(tuned.network))
    assert tuned._head is base._head
    assert not any(".lora_" in key for key in base.network.state_dict())


def test_a_damaged_adapter_is_an_error(name, tiny_folders, adapter):
    from tunebench.server.inference.models import ModelRegistry
    from tunebench.server.tuning.lora import adapted

    registry = ModelRegistry({name: tiny_folders[name]}, torch.float32)
    (adapter / "adapter_model.safetensors").write_bytes(b"torn")
    with pytest.raises(TunebenchError, match="cannot be loaded"):
        adapted(registry.get(name), "ft", adapter)


def test_messages_are_encoded_as_in_chat_requests(oracle, name):
    if name == "tiny-gemma":
        pytest.skip("it has no chat template")
    turns = (("system", "Good or bad?"), ("user", "a film " * 20))
    example = Example(turns, "good")
    asked = oracle.tokenizer.apply_chat_template(
        [{"role": role, "content": content} for role, content in turns],
        add_generation_prompt=True,
        return_dict=True,
    )["input_ids"]
    whole = Encoder(oracle.tokenizer, 1000).encode(example)
    assert list(whole.prompt) == asked
    good = oracle.tokenizer("good", add_special_tokens=False)["input_ids"]
    assert list(whole.completion) == [*good, oracle.tokenizer.eos_token_id]
    short = oracle.tokenizer.decode(Encoder(oracle.tokenizer, 40).encode(example).prompt)
    assert short.startswith("<system>Good or bad?\n<user>")
    assert short.endswith("a film \n<assistant>")
    assert 0 < short.count("film") < 20
