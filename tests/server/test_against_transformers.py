"""Greedy tokens and log-probabilities equal those of plain transformers in float32."""

import pytest

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")

HEAD = (
    "Classify following sentence as Positive or Negative\n#####\n"
    + "the story was good, and bad was the end of it; an actor made a film. " * 3
    + "-> Positive\n#####\n"
)
TEXTS = ["good ->", "a film was bad and the actor good, and so on and on ->", "é🙂 ->", "x" * 90]


def test_greedy_tokens_and_their_logprobs(client, name, oracle):
    prompts = [HEAD + text for text in TEXTS] + TEXTS
    answer = client.completions.create(
        model=name, prompt=prompts, max_tokens=12, temperature=0, logprobs=5
    )
    assert [choice.index for choice in answer.choices] == list(range(len(prompts)))
    for prompt, choice in zip(prompts, answer.choices, strict=True):
        ids = oracle.ids(prompt)
        made = oracle.greedy(ids, 12)
        rows = oracle.logprobs([*ids, *made])[len(ids) - 1 : -1]
        expected = [float(row[token]) for row, token in zip(rows, made, strict=True)]
        assert choice.logprobs.token_logprobs == pytest.approx(expected, abs=2e-4)
        text = oracle.tokenizer.decode([token for token in made if token != 1])
        assert choice.text == text
        for row, top in zip(rows, choice.logprobs.top_logprobs, strict=True):
            assert sorted(top.values(), reverse=True)[:5] == pytest.approx(
                row.topk(5).values.tolist(), abs=2e-4
            )


def test_a_cached_head_gives_the_same_answer_as_no_cache(client, served, name, oracle):
    from tunebench.server.inference.prefix import PrefixCache

    model = served.registry.get(name)
    model.prefixes = PrefixCache()
    for text in TEXTS:
        choice = client.completions.create(
            model=name, prompt=HEAD + text, max_tokens=1, temperature=0, logprobs=1
        ).choices[0]
        row = oracle.logprobs(oracle.ids(HEAD + text))[-1]
        assert choice.logprobs.token_logprobs[0] == pytest.approx(float(row.max()), abs=2e-4)
    assert len(model.prefixes) > 0


def test_echo_reports_the_prompts_own_tokens(served, name, oracle):
    prompt = HEAD + TEXTS[2]
    # OpenAI's null for the first token is not what its own client's types allow.
    answer = served.client(_strict_response_validation=False).completions.create(
        model=name, prompt=prompt, max_tokens=0, echo=True, logprobs=2
    )
    [choice] = answer.choices
    ids = oracle.ids(prompt)
    rows = oracle.logprobs(ids)
    expected = [float(row[token]) for row, token in zip(rows, ids[1:], strict=False)]
    assert choice.text == prompt
    assert choice.finish_reason == "length"
    assert choice.logprobs.token_logprobs[0] is None
    assert choice.logprobs.token_logprobs[1:] == pytest.approx(expected, abs=2e-4)
    assert answer.usage.completion_tokens == 0
    assert answer.usage.prompt_tokens == len(ids) == len(choice.logprobs.tokens)
    hidden = 1 if name == "tiny-gemma" else 0
    for token, offset in list(
        zip(choice.logprobs.tokens, choice.logprobs.text_offset, strict=True)
    )[hidden:]:
        assert token.startswith("bytes:") or prompt[offset:].startswith(token)


def test_echo_with_a_continuation_keeps_counting_offsets(served, name):
    lax = served.client(_strict_response_validation=False)
    settings = {"model": name, "max_tokens": 4, "temperature": 0, "logprobs": 1}
    plain = lax.completions.create(prompt="a film ->", **settings).choices[0]
    echoed = lax.completions.create(prompt="a film ->", echo=True, **settings).choices[0]
    assert echoed.text == "a film ->" + plain.text
    assert echoed.logprobs.token_logprobs[-4:] == plain.logprobs.token_logprobs
    assert echoed.logprobs.text_offset[-4:] == [9 + o for o in plain.logprobs.text_offset]


def test_reported_logprobs_include_the_logit_bias(client, name, oracle):
    ids = oracle.ids("a film ->")
    bias = {270: 100, 280: 100}
    choice = client.completions.create(
        model=name,
        prompt="a film ->",
        max_tokens=1,
        temperature=0,
        logprobs=2,
        logit_bias={str(token): value for token, value in bias.items()},
    ).choices[0]
    row = oracle.logprobs(ids, bias)[-1]
    assert list(choice.logprobs.top_logprobs[0].values()) == pytest.approx(
        row[[270, 280]].sort(descending=True).values.tolist(), abs=2e-4
    )
    assert choice.logprobs.tokens[0] == oracle.tokenizer.decode([int(row.argmax())])


def test_a_prompt_of_token_ids_is_answered_as_its_text(client, name, oracle):
    settings = {"model": name, "max_tokens": 5, "temperature": 0}
    ids = oracle.ids("a film ->")
    by_ids = client.completions.create(prompt=ids, **settings)
    by_text = client.completions.create(prompt="a film ->", **settings)
    two = client.completions.create(prompt=[ids, ids], **settings)
    assert by_ids.choices[0].text == by_text.choices[0].text
    assert by_ids.usage == by_text.usage
    assert [choice.text for choice in two.choices] == [by_text.choices[0].text] * 2


def test_a_long_prompt_is_computed_in_several_pieces(client, name, oracle):
    prompt = "film was good and bad " * 300
    ids = oracle.ids(prompt)[:1900]
    choice = client.completions.create(
        model=name, prompt=ids, max_tokens=1, temperature=0, logprobs=1
    ).choices[0]
    row = oracle.logprobs(ids)[-1]
    assert choice.logprobs.token_logprobs[0] == pytest.approx(float(row.max()), abs=5e-4)
