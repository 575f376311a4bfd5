import json
import threading
import time

import pytest

from tunebench.api import Answer
from tunebench.errors import RequestError

PROMPTS = [f"prompt {i}" for i in range(45)]


def texts(replies) -> list[str]:
    return [answer.text for reply in replies for answer in reply.answers]


def test_prompts_are_sent_in_lists_of_twenty(loopback, connect) -> None:
    replies = connect().complete("m", PROMPTS, {"max_tokens": 1, "stop": ["tive"]})
    assert [asked.fields["prompt"] for asked in loopback.asked] == [
        PROMPTS[:20],
        PROMPTS[20:40],
        PROMPTS[40:],
    ]
    assert {asked.path for asked in loopback.asked} == {"/v1/completions"}
    assert {tuple(sorted(asked.fields)) for asked in loopback.asked} == {
        ("max_tokens", "model", "prompt", "stop")
    }
    assert [len(reply.answers) for reply in replies] == [20, 20, 5]
    assert texts(replies) == [loopback.text_of(prompt) for prompt in PROMPTS]


def test_where_lists_are_not_taken_each_prompt_is_a_string_of_its_own(loopback, connect) -> None:
    replies = connect(prompts_per_request=1).complete("m", PROMPTS[:3], {})
    assert [asked.fields["prompt"] for asked in loopback.asked] == PROMPTS[:3]
    assert texts(replies) == [loopback.text_of(prompt) for prompt in PROMPTS[:3]]


def test_a_single_prompt_is_a_list_where_lists_are_taken(loopback, connect) -> None:
    connect().complete("m", PROMPTS[:1], {})
    assert loopback.asked[0].fields["prompt"] == PROMPTS[:1]


@pytest.mark.parametrize("concurrency", [1, 2])
def test_a_stream_takes_and_sends_prompts_as_they_are_needed(
    loopback, connect, concurrency: int
) -> None:
    prompts = [f"prompt {i}" for i in range(90)]
    stream = connect(prompts_per_request=1, concurrency=concurrency).stream("m", prompts, {})
    first = next(stream)
    assert len(loopback.asked) < 45
    assert texts([first, *stream]) == [loopback.text_of(prompt) for prompt in prompts]
    assert len(loopback.asked) == 90


def test_no_prompts_are_no_request(loopback, connect) -> None:
    assert connect().complete("m", [], {}) == []
    assert loopback.asked == []


def test_choices_out_of_order_are_put_in_the_order_of_the_prompts(loopback, connect) -> None:
    def shuffled(asked):
        reply = loopback.complete(asked)
        reply.body["choices"].sort(key=lambda choice: choice["text"])
        return reply

    loopback.answer = shuffled
    replies = connect().complete("m", PROMPTS, {})
    assert texts(replies) == [loopback.text_of(prompt) for prompt in PROMPTS]


def test_requests_under_way_are_as_many_as_allowed_and_no_more(loopback, connect) -> None:
    def slowly(asked):
        time.sleep(0.03)
        return loopback.complete(asked)

    loopback.answer = slowly
    client = connect(prompts_per_request=1, concurrency=4)
    replies = client.complete("m", PROMPTS[:16], {})
    assert loopback.most_at_once == 4
    assert texts(replies) == [loopback.text_of(prompt) for prompt in PROMPTS[:16]]


def test_answers_that_overtake_each_other_stay_in_order(loopback, connect) -> None:
    def later_ones_first(asked):
        time.sleep(0.15 if asked.fields["prompt"] == PROMPTS[0] else 0)
        return loopback.complete(asked)

    loopback.answer = later_ones_first
    replies = connect(prompts_per_request=1, concurrency=3).complete("m", PROMPTS[:9], {})
    assert texts(replies) == [loopback.text_of(prompt) for prompt in PROMPTS[:9]]


@pytest.mark.parametrize("concurrency", [1, 3])
def test_progress_counts_every_prompt_once(connect, concurrency: int) -> None:
    done: list[int] = []
    connect(concurrency=concurrency).complete("m", PROMPTS, {}, done=done.append)
    assert sorted(done) == [5, 20, 20]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_failure_is_asked_again(loopback, connect, said, status: int) -> None:
    def at_the_third_time(asked):
        if len(loopback.asked) < 3:
            return said({"error": {"message": "busy"}}, status, {"retry-after-ms": "1"})
        return loopback.complete(asked)

    loopback.answer = at_the_third_time
    replies = connect(retries=2).complete("m", PROMPTS[:2], {})
    assert texts(replies) == [loopback.text_of(prompt) for prompt in PROMPTS[:2]]
    assert len({asked.body for asked in loopback.asked}) == 1


@pytest.mark.parametrize("status", [429, 500])
def test_a_used_up_quota_is_asked_once_also_without_a_pacer(
    loopback, connect, said, status: int
) -> None:
    loopback.answer = lambda _: said({"error": {"code": "insufficient_quota"}}, status)
    with pytest.raises(RequestError, match="the account's quota is used up"):
        connect(retries=2).complete("m", PROMPTS[:1], {})
    assert len(loopback.asked) == 1


def test_without_retries_a_failure_is_asked_once(loopback, connect, said) -> None:
    loopback.answer = lambda _: said({"error": {"message": "busy"}}, 429)
    with pytest.raises(RequestError):
        connect().complete("m", PROMPTS, {})
    assert len(loopback.asked) == 1


def test_a_failure_for_good_says_what_the_provider_said_and_where(loopback, connect, said) -> None:
    loopback.answer = lambda _: said({"error": {"message": "prompt 3 is not allowed"}}, 400)
    with pytest.raises(RequestError) as raised:
        connect(retries=2).complete("m", PROMPTS, {})
    assert str(raised.value) == (
        f"model 'm' at {loopback.url}, prompts 1-20 of 45: the provider answered 400 "
        "(prompt 3 is not allowed); see the provider's log or documentation."
    )
    assert len(loopback.asked) == 1


@pytest.mark.parametrize("slow", [0, 1])
def test_after_a_failure_no_further_request_is_sent(loopback, connect, said, slow: int) -> None:
    failed = threading.Event()

    def second_one_fails(asked):
        if asked.fields["prompt"] == PROMPTS[1]:
            failed.set()
            return said({"error": {"message": "no"}}, 400)
        if asked.fields["prompt"] == PROMPTS[0] and slow:
            failed.wait(120)
            time.sleep(0.2)  # long enough for the other worker to take all that is left
        return loopback.complete(asked)

    loopback.answer = second_one_fails
    done: list[int] = []
    client = connect(prompts_per_request=1, concurrency=1 + slow)
    with pytest.raises(RequestError, match="prompts 2-2 of 45: the provider answered 400"):
        client.complete("m", PROMPTS, {}, done=done.append)
    assert sorted(asked.fields["prompt"] for asked in loopback.asked) == PROMPTS[:2]
    assert done == [1]  # the one under way was finished


LENGTHS = ["short " * n for n in (3, 9, 50, 7, 40, 5)]


def too_long(loopback, said, most: int):
    """Refuse each request with a prompt of more words."""

    def answer(asked):
        if any(len(prompt.split()) > most for prompt in asked.prompts):
            return said({"error": {"message": "This model's maximum context length is 8."}}, 400)
        return loopback.complete(asked)

    return answer


def test_of_prompts_that_are_refused_for_length_the_one_at_fault_is_found(
    loopback, connect, said
) -> None:
    loopback.answer = too_long(loopback, said, 45)
    with pytest.raises(RequestError, match="prompts 3-3 of 6: the provider answered 400") as raised:
        connect().complete("m", LENGTHS, {})
    assert raised.value.prompt == 2
    assert [asked.prompts for asked in loopback.asked] == [LENGTHS, [LENGTHS[2]]]


def test_of_texts_to_embed_the_one_that_is_too_long_is_found(loopback, connect, said) -> None:
    loopback.answer = too_long(loopback, said, 45)
    with pytest.raises(RequestError, match="texts 3-3 of 6: the provider answered 400") as raised:
        connect().embed("m", LENGTHS, {})
    assert raised.value.prompt == 2


def test_prompts_that_are_too_long_only_together_are_each_asked(loopback, connect, said) -> None:
    def answer(asked):
        if len(asked.prompts) > 1:
            return said({"error": {"message": "too many tokens"}}, 400)
        return loopback.complete(asked)

    loopback.answer = answer
    with pytest.raises(RequestError, match="prompts 1-6 of 6") as raised:
        connect().complete("m", LENGTHS, {})
    assert raised.value.prompt is None
    assert len(loopback.asked) == 7


@pytest.mark.parametrize(("status", "prompt"), [(400, 1), (422, 1), (401, None), (500, None)])
def test_a_refusal_of_one_prompt_says_which(loopback, connect, said, status, prompt) -> None:
    def answer(asked):
        if asked.fields["prompt"] == PROMPTS[1]:
            return said({"error": {"message": "no"}}, status)
        return loopback.complete(asked)

    loopback.answer = answer
    with pytest.raises(RequestError) as raised:
        connect(prompts_per_request=1).complete("m", PROMPTS, {})
    assert raised.value.prompt == prompt


CHOICE = {"index": 0, "text": " a", "finish_reason": "stop"}


def test_a_lone_surrogate_in_a_text_is_a_sentence(loopback, connect) -> None:
    with pytest.raises(RequestError, match=r"a text holds a lone surrogate \('\\ud800'\)"):
        connect().complete("m", ["fine", "broken \ud800"], {})
    assert loopback.asked == []


def test_usage_and_who_answered_are_kept(connect) -> None:
    replies = connect().complete("m", PROMPTS[:25], {})
    assert [(r.prompt_tokens, r.completion_tokens) for r in replies] == [(200, 20), (50, 5)]
    assert {(reply.model, reply.server) for reply in replies} == {("m", "loopback")}


def test_an_answer_without_usage_counts_no_tokens(loopback, connect, said) -> None:
    loopback.answer = lambda _: said({"choices": [CHOICE]})
    (reply,) = connect().complete("m", ["a text"], {})
    assert (reply.prompt_tokens, reply.completion_tokens) == (0, 0)


def test_log_probabilities_of_the_first_token_are_kept(loopback, connect, said) -> None:
    candidates = {" Positive": -0.5, " Negative": -1.5}
    choices = [
        CHOICE | {"logprobs": {"top_logprobs": [candidates, {" x": -9.0}]}},
        CHOICE | {"index": 1, "text": "", "logprobs": None},
        CHOICE | {"index": 2, "text": "", "logprobs": {"top_logprobs": []}},
    ]
    loopback.answer = lambda _: said({"choices": choices})
    (reply,) = connect().complete("m", ["a", "b", "c"], {"logprobs": 2})
    assert reply.answers == (
        Answer(" a", "stop", candidates),
        Answer("", "stop", {}),
        Answer("", "stop", {}),
    )


def test_the_key_goes_into_the_header(loopback, connect) -> None:
    connect(key="sk-mine").complete("m", PROMPTS[:1], {})
    assert loopback.asked[0].headers["authorization"] == "Bearer sk-mine"


def test_compression_is_not_asked_for(loopback, connect, said) -> None:
    client = connect()
    client.complete("m", PROMPTS[:1], {})
    client.tokenize("m", "a")
    assert [asked.headers["accept-encoding"] for asked in loopback.asked] == ["identity"] * 2


@pytest.mark.parametrize("root", ["/v1", "/v1/", ""])
def test_tokenize_stands_beside_the_api_root(loopback, connect, said, root: str) -> None:
    loopback.answer = lambda _: said({"tokens": [7, 8]})
    assert connect(loopback.root + root).tokenize("m", " Positive") == [7, 8]
    (asked,) = loopback.asked
    assert asked.path == "/tokenize"
    assert asked.fields == {"model": "m", "prompt": " Positive", "add_special_tokens": False}


def test_text_of_any_script_arrives_as_it_was_sent(loopback, connect) -> None:
    text = 'Ünïcode 🙂 "quoted"\n\t\\ end\u2028'
    connect().complete("m", [text], {})
    assert json.loads(loopback.asked[0].body)["prompt"] == [text]
