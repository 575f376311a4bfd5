"""The API of completions and chat: shapes, counts, stop texts, sampling, tokens."""

import concurrent.futures
import time

import httpx2
import pytest

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")

PROMPT = "a film was good ->"


def complete(client, **changes):
    settings = {"model": "tiny-llama", "prompt": PROMPT, "max_tokens": 12, "temperature": 0}
    return client.completions.create(**(settings | changes))


def test_models_are_listed_and_found(client):
    assert [model.id for model in client.models.list()] == ["tiny-llama", "tiny-gemma"]
    assert client.models.retrieve("tiny-gemma").id == "tiny-gemma"


def test_health_needs_no_model(served):
    answer = httpx2.get(served.url.removesuffix("/v1") + "/health").json()
    assert answer["status"] == "ok"
    assert answer["models"] == ["tiny-llama", "tiny-gemma"]


def test_usage_counts_prompt_and_completion_tokens(client, served):
    ids = served.registry.get("tiny-llama").tokenizer(PROMPT)["input_ids"]
    usage = complete(client, prompt=[PROMPT, PROMPT], max_tokens=3, n=2).usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (2 * len(ids), 2 * 2 * 3)


def test_the_fingerprint_names_version_weights_format_and_torch(client):
    fingerprint = complete(client).system_fingerprint
    assert fingerprint.startswith("tunebench-")
    assert "_float32_torch-" in fingerprint


def test_a_stop_text_ends_the_completion_wherever_tokens_end(client):
    whole = complete(client).choices[0]
    assert whole.finish_reason == "length"
    for start in range(len(whole.text) - 3):
        stop = whole.text[start : start + 3]
        choice = complete(client, stop=[stop]).choices[0]
        assert choice.text == whole.text[: whole.text.index(stop)]
        assert choice.finish_reason == "stop"


def test_the_token_in_which_a_stop_text_begins_is_still_reported(client):
    whole = complete(client, logprobs=1).choices[0]
    first = whole.logprobs.tokens[0]
    choice = complete(client, logprobs=1, stop=first[-1]).choices[0]
    assert choice.text == first[:-1]
    assert choice.logprobs.tokens == [first]
    assert choice.logprobs.token_logprobs == whole.logprobs.token_logprobs[:1]


def test_the_earliest_of_several_stop_texts_ends(client):
    text = complete(client).choices[0].text
    assert complete(client, stop=[text[6:8], text[2:4]]).choices[0].text == text[:2]


def test_the_end_token_is_reported_but_not_part_of_the_text(client):
    choice = complete(client, logit_bias={"1": 100}, logprobs=1).choices[0]
    assert (choice.text, choice.finish_reason) == ("", "stop")
    assert choice.logprobs.tokens == ["<eos>"]


def test_n_completions_of_each_prompt_come_together(client):
    answer = complete(client, prompt=[PROMPT, "bad ->"], n=2)
    texts = [choice.text for choice in answer.choices]
    assert len(texts) == 4
    assert texts[0] == texts[1]
    assert texts[2] == texts[3]
    assert texts[0] != texts[2]


def test_a_seed_repeats_an_answer_wherever_the_prompt_stands(client):
    settings = {"temperature": 1.5, "seed": 4}
    alone = complete(client, **settings).choices[0].text
    among = complete(client, prompt=["bad", PROMPT, "x"], **settings).choices[1].text
    assert alone == among
    assert alone != complete(client, temperature=1.5, seed=5).choices[0].text


def test_n_samples_of_one_seed_differ(client):
    choices = complete(client, temperature=1.5, seed=4, n=3).choices
    assert len({choice.text for choice in choices}) == 3


def test_without_a_seed_answers_differ(client):
    texts = {complete(client, temperature=1.5).choices[0].text for _ in range(3)}
    assert len(texts) > 1


@pytest.mark.parametrize("narrow", [{"temperature": 1e-9}, {"temperature": 1, "top_p": 1e-6}])
def test_narrow_sampling_is_greedy(client, narrow):
    assert complete(client, **narrow).choices[0].text == complete(client).choices[0].text


def test_logprobs_zero_reports_only_the_chosen_tokens(client):
    logprobs = complete(client, logprobs=0, max_tokens=2).choices[0].logprobs
    assert len(logprobs.tokens) == len(logprobs.token_logprobs) == 2
    assert logprobs.top_logprobs is None


def test_a_sampled_token_outside_the_likeliest_is_added_to_them(client):
    logprobs = complete(client, temperature=2, seed=1, logprobs=1).choices[0].logprobs
    assert {len(top) for top in logprobs.top_logprobs} <= {1, 2}
    assert logprobs.tokens != complete(client, logprobs=0).choices[0].logprobs.tokens
    assert all(
        token in top for token, top in zip(logprobs.tokens, logprobs.top_logprobs, strict=True)
    )


def test_concurrent_requests_get_their_own_answers(client):
    prompts = [f"{word} was {end} ->" for word in ("film", "story", "actor") for end in "abcdef"]
    alone = [complete(client, prompt=prompt).choices[0].text for prompt in prompts]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda p: complete(client, prompt=p).choices[0].text, prompts))
    assert together == alone


def test_chat_uses_the_template(client):
    settings = {"model": "tiny-llama", "max_completion_tokens": 6, "temperature": 0}
    chat = client.chat.completions.create(
        messages=[{"role": "user", "content": "a film"}], logprobs=True, top_logprobs=3, **settings
    )
    same = complete(client, prompt="<user>a film\n<assistant>", max_tokens=6, logprobs=3)
    [choice] = chat.choices
    assert choice.message.content == same.choices[0].text
    assert [t.logprob for t in choice.logprobs.content] == same.choices[0].logprobs.token_logprobs
    assert all(len(token.top_logprobs) == 3 for token in choice.logprobs.content)
    raw = b"".join(bytes(token.bytes) for token in choice.logprobs.content)
    raw = raw.removesuffix(b"<eos>")
    assert raw.decode(errors="replace") == choice.message.content
    assert chat.usage.prompt_tokens == same.usage.prompt_tokens


def test_chat_takes_text_parts_stop_and_n(client):
    parts = [{"type": "text", "text": "a "}, {"type": "text", "text": "film"}]
    settings = {"model": "tiny-llama", "max_tokens": 8, "temperature": 0}
    whole = client.chat.completions.create(
        messages=[{"role": "user", "content": "a film"}], **settings
    )
    text = whole.choices[0].message.content
    cut = client.chat.completions.create(
        messages=[{"role": "user", "content": parts}], stop=text[3:5], n=2, **settings
    )
    assert [choice.message.content for choice in cut.choices] == [text[: text.index(text[3:5])]] * 2
    assert cut.choices[0].logprobs is None


@pytest.mark.parametrize("path", ["/tokenize", "/v1/tokenize"])
def test_tokenize_adds_no_first_token_by_default(served, path):
    url = served.url.removesuffix("/v1") + path
    body = {"model": "tiny-gemma", "prompt": " good"}
    ids = served.registry.get("tiny-gemma").tokenizer(" good")["input_ids"]
    plain = httpx2.post(url, json=body).json()
    assert plain == {"count": len(ids) - 1, "max_model_len": 2048, "tokens": ids[1:]}
    assert httpx2.post(url, json=body | {"add_special_tokens": True}).json()["tokens"] == ids


def test_messages_are_tokenized_by_the_template(served):
    body = {"model": "tiny-llama", "messages": [{"role": "user", "content": "a film"}]}
    ids = served.registry.get("tiny-llama").tokenizer("<user>a film\n<assistant>")["input_ids"]
    assert httpx2.post(served.url + "/tokenize", json=body).json()["tokens"] == ids


def test_after_a_disconnect_nothing_more_is_computed(client, served, monkeypatch):
    model = served.registry.get("tiny-llama")
    model.rows()
    passes, step = [], model.decoder.step
    monkeypatch.setattr(model.decoder, "step", lambda *a: passes.append(1) or step(*a))
    endless = {"model": "tiny-llama", "prompt": [PROMPT] * 5, "max_tokens": 2000}
    leaving_soon = httpx2.Timeout(120, read=0.2)
    with pytest.raises(httpx2.ReadTimeout):
        httpx2.post(
            f"{served.url}/completions",
            json=endless | {"logit_bias": {"1": -100}},
            timeout=leaving_soon,
        )
    while served.worker._together:
        time.sleep(0.01)
    # Together, five prompts take 2000 passes.
    assert len(passes) < 1999
