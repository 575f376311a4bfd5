"""A deterministic server's answers are bit-identical, whatever else it computes or caches."""

import random

import pytest

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")

HEAD = "Classify following sentence as Positive or Negative\n#####\n" + (
    "A quiet film about a lighthouse keeper who learns to dance, and about the sea. "
    "It takes its time, which is more than can be said of its ending, and yet the two leads "
    "play as though nobody had told them that the money had run out in the second week. "
)
HEADS = ["", HEAD + "-> Positive\n#####\n", HEAD * 3 + "-> Negative\n#####\n"]
TAILS = [
    "Dull. ->",
    "I laughed twice, both times at the wrong moment, and left before the end. ->",
    "Two hours\nof rain,\nand I would not have missed a minute of it: " + "what a finale, " * 20,
    "é🙂 ->",
]
PROMPTS = [head + tail for head in HEADS for tail in TAILS]


def ask(provider, name, prompts, tokens):
    with provider.client() as client:
        answer = client.completions.create(
            model=name, prompt=prompts, max_tokens=tokens, temperature=0, logprobs=5
        )
    return [(choice.text, choice.logprobs) for choice in answer.choices]


@pytest.mark.parametrize("name", ["tiny-llama", "tiny-gemma"])
def test_answers_are_the_same_alone_together_and_in_any_order(deterministic, name):
    check(deterministic, name, tokens=4, orders=4)


def test_the_real_model_in_bfloat16(smollm2):
    check(smollm2, "smollm2-135m", tokens=2, orders=1)


def check(provider, name, tokens, orders):
    from tunebench.server.inference.prefix import PrefixCache

    model = provider.registry.get(name)
    alone = []
    for prompt in PROMPTS:
        model.prefixes = PrefixCache()
        alone += ask(provider, name, prompt, tokens)
    shuffler = random.Random(5)
    for _ in range(orders):
        order = shuffler.sample(range(len(PROMPTS)), len(PROMPTS))
        model.prefixes = PrefixCache()
        for _warm in range(2):
            answers = ask(provider, name, [PROMPTS[i] for i in order], tokens)
            assert answers == [alone[i] for i in order]


def test_echoed_logprobs_are_the_same_bits_with_a_warm_head(deterministic):
    from tunebench.server.inference.prefix import PrefixCache

    client = deterministic.client(_strict_response_validation=False)
    settings = {"model": "tiny-gemma", "prompt": PROMPTS[5], "max_tokens": 2, "temperature": 0}
    model = deterministic.registry.get("tiny-gemma")
    model.prefixes = PrefixCache()
    cold = client.completions.create(**settings, echo=True, logprobs=1).choices[0]
    warm = client.completions.create(**settings, echo=True, logprobs=1).choices[0]
    plain = client.completions.create(**settings, logprobs=1).choices[0]
    assert cold.logprobs == warm.logprobs
    assert cold.logprobs.token_logprobs[-2:] == plain.logprobs.token_logprobs


def test_the_fingerprint_names_the_mode(deterministic, served):
    settings = {"model": "tiny-llama", "prompt": "a", "max_tokens": 1}
    prints = [
        provider.client().completions.create(**settings).system_fingerprint
        for provider in (deterministic, served)
    ]
    assert [text.rpartition("_")[2] for text in prints] == ["deterministic", "batched"]
