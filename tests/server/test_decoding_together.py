"""Without --deterministic the tokens after prompts are decoded together, a row for each."""

import threading

import httpx2
import pytest

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")

from .conftest import serving

PROMPTS = ["a film", "the film was good and the end was bad ->", "é🙂", "an actor, a story, a tear"]
ENDLESS = {"logit_bias": {"1": -100}}  # the end token


def ask(provider, name, **body):
    whole = {"model": name, "temperature": 0, **ENDLESS, **body}
    answer = httpx2.post(f"{provider.url}/completions", json=whole, timeout=120)
    assert answer.status_code == 200, answer.text
    return answer.json()


def texts(answer):
    return [choice["text"] for choice in answer["choices"]]


@pytest.fixture
def passes(served, name, monkeypatch):
    """How many rows each pass for new tokens had."""
    model = served.registry.get(name)
    model.rows()
    counts, step = [], model.decoder.step
    monkeypatch.setattr(
        model.decoder, "step", lambda ids, rows: counts.append(len(ids)) or step(ids, rows)
    )
    return counts


def test_prompts_and_their_completions_share_passes(served, name, passes):
    alone = [texts(ask(served, name, prompt=prompt, max_tokens=30)) for prompt in PROMPTS]
    assert set(passes) == {1}
    passes.clear()
    together = texts(ask(served, name, prompt=PROMPTS, max_tokens=30, n=2))
    assert together == [text for [text] in alone for _ in range(2)]
    # The first token of each is the prompt's.
    assert sum(passes) == 2 * len(PROMPTS) * 29
    assert max(passes) == 2 * len(PROMPTS)


def test_a_prompt_joins_those_that_are_decoded_and_leaves_before_them(served, name, passes):
    expected = texts(ask(served, name, prompt="a tear", max_tokens=5))
    long_alone = texts(ask(served, name, prompt=PROMPTS[1], max_tokens=600))
    passes.clear()
    got = []
    thread = threading.Thread(
        target=lambda: got.append(texts(ask(served, name, prompt=PROMPTS[1], max_tokens=600)))
    )
    thread.start()
    while not passes:
        assert thread.is_alive()
    assert texts(ask(served, name, prompt="a tear", max_tokens=5)) == expected
    assert thread.is_alive()
    thread.join(120)
    assert got == [long_alone]
    assert {1, 2} <= set(passes)


def test_an_error_of_one_completion_does_not_end_the_others(served, name, monkeypatch):
    from tunebench.server.inference import completion

    choose = completion.choose

    def failing(logits, parameters, source):
        return 1 / 0 if parameters.max_tokens == 7 else choose(logits, parameters, source)

    monkeypatch.setattr(completion, "choose", failing)
    got = []
    thread = threading.Thread(
        target=lambda: got.append(ask(served, name, prompt=PROMPTS[0], max_tokens=300))
    )
    thread.start()
    body = {"model": name, "prompt": "a", "max_tokens": 7}
    assert httpx2.post(f"{served.url}/completions", json=body, timeout=120).status_code == 500
    thread.join(120)
    assert got[0]["usage"]["completion_tokens"] == 300


def test_a_constraint_bounds_the_tokens_and_ends_the_completion(served):
    import torch

    from tunebench.server.inference.completion import Work
    from tunebench.server.inference.queue import Client
    from tunebench.server.inference.sampling import SamplingParameters

    model = served.registry.get("tiny-llama")

    class OneOf:
        def __init__(self):
            self.ids = [40, 41, 42]

        @property
        def finished(self):
            return not self.ids

        def allowed(self):
            return torch.arange(model.vocabulary_size) == self.ids[0]

        def accept(self, token_id):
            assert token_id == self.ids.pop(0)

    work = Work(model, (5, 6), SamplingParameters(max_tokens=9, n=2), constraint=OneOf)
    [future] = served.worker.submit([work], Client("a", 1))
    expected = model.token_bytes.text([40, 41, 42])
    for completion in future.result(120).completions:
        assert (completion.text, completion.finish_reason) == (expected, "stop")


def test_weights_of_eight_bits_are_named_and_answer_nearly_the_same(tiny_folders):
    from tunebench.server.inference.decoder import has_int8

    if not has_int8():
        pytest.skip("PyTorch has no fast kernel for eight bits here")
    name = "tiny-llama"
    given = list(range(40, 52))
    with (
        serving(tiny_folders, "bfloat16") as own,
        serving(tiny_folders, "bfloat16", int8=True) as few,
    ):
        settings = {"prompt": given, "max_tokens": 2, "logprobs": 3}
        exact, near = ask(own, name, **settings), ask(few, name, **settings)
        models = httpx2.get(f"{few.url}/models").json()["data"]
        assert few.registry.get(name).decoder is not None
    assert {"prompt": "bfloat16", "new_tokens": "int8"} in [one["weights"] for one in models]
    assert "_bfloat16-int8_" in near["system_fingerprint"]
    assert "int8" not in exact["system_fingerprint"]
    tops = [answer["choices"][0]["logprobs"]["top_logprobs"] for answer in (exact, near)]
    assert tops[0][0] == tops[1][0]
    assert tops[0][1] != tops[1][1]
    common = set(tops[0][1]) & set(tops[1][1])
    assert common
    for token in common:
        assert tops[1][1][token] == pytest.approx(tops[0][1][token], abs=0.5)


def test_a_network_of_another_form_is_decoded_by_its_own_pass(tmp_path):
    import transformers

    from .conftest import make_tokenizer

    tokenizer = make_tokenizer(bos=False)
    config = transformers.PhiConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_attention_heads=4,
        num_hidden_layers=1,
        max_position_embeddings=256,
        bos_token_id=0,
        eos_token_id=1,
    )
    network = transformers.AutoModelForCausalLM.from_config(config).eval()
    tokenizer.save_pretrained(tmp_path)
    network.save_pretrained(tmp_path)
    with serving({"other": str(tmp_path)}) as provider:
        together = texts(ask(provider, "other", prompt=PROMPTS, max_tokens=5))
        alone = [texts(ask(provider, "other", prompt=one, max_tokens=5))[0] for one in PROMPTS]
        assert provider.registry.get("other").decoder is None
    assert together == alone
