"""What is sent to a chat, and what is read of its answers."""

from typing import Any

import pytest

from tunebench.api import Answer
from tunebench.errors import RequestError

CONVERSATIONS = [
    [{"role": "system", "content": "Classify"}, {"role": "user", "content": f"text {i}"}]
    for i in range(3)
]


def chatting(said, *choices: Any) -> Any:
    return lambda asked: said({"model": asked.fields["model"], "choices": list(choices)})


def message(content: Any, reason: str = "stop", **other: Any) -> dict[str, Any]:
    return {"index": 0, "message": {"role": "assistant", "content": content, **other},
            "finish_reason": reason}  # fmt: skip


def test_conversations_are_sent_one_by_one(loopback, client, said) -> None:
    loopback.answer = chatting(said, message("Positive"))
    replies = client.complete("m", CONVERSATIONS, {"max_tokens": 9, "reasoning_effort": "low"})
    assert [asked.path for asked in loopback.asked] == ["/v1/chat/completions"] * 3
    assert [asked.fields for asked in loopback.asked] == [
        {"model": "m", "messages": messages, "max_tokens": 9, "reasoning_effort": "low"}
        for messages in CONVERSATIONS
    ]
    assert [reply.answers for reply in replies] == [(Answer("Positive", "stop"),)] * 3
    assert {reply.model for reply in replies} == {"m"}


@pytest.mark.parametrize(
    ("choice", "answer"),
    [
        (message(""), Answer("", "stop")),
        (message(None, refusal="I will not."), Answer("", "stop", refused=True)),
        (message("No.", "content_filter"), Answer("No.", "content_filter", refused=True)),
        (message(None, "content_filter"), Answer("", "content_filter", refused=True)),
        (message(None, "length"), Answer("", "length")),
        (message("Yes", refusal=None, annotations=[]), Answer("Yes", "stop")),
    ],
)
def test_refusals_and_answers_without_a_word_are_told_apart(
    loopback, client, said, choice, answer
) -> None:
    loopback.answer = chatting(said, choice)
    (reply,) = client.complete("m", CONVERSATIONS[:1], {})
    assert reply.answers == (answer,)


def test_candidates_of_the_first_token_are_kept(loopback, client, said) -> None:
    top = [
        {"token": "Positive", "logprob": -0.5, "bytes": [80]},
        {"token": "\ufffd", "logprob": -1.0, "bytes": [195]},
        {"token": "\ufffd", "logprob": -2.0, "bytes": [196]},
    ]
    content = [{"token": "Positive", "logprob": -0.5, "top_logprobs": top},
               {"token": ".", "logprob": -9, "top_logprobs": []}]  # fmt: skip
    loopback.answer = chatting(said, message("Positive.") | {"logprobs": {"content": content}})
    (reply,) = client.complete("m", CONVERSATIONS[:1], {"logprobs": True})
    assert reply.answers[0].top_logprobs == {"Positive": -0.5, "\ufffd": -1.0}


@pytest.mark.parametrize("logprobs", [None, {}, {"content": None}, {"content": []}])
def test_no_candidates_are_none(loopback, client, said, logprobs: Any) -> None:
    loopback.answer = chatting(said, message("Positive") | {"logprobs": logprobs})
    (reply,) = client.complete("m", CONVERSATIONS[:1], {})
    assert reply.answers[0].top_logprobs == {}


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ([], "one prompt was asked and 0 choices came back; the provider may have filtered the "
         "text: see its log."),
        ([{"index": 0, "text": "Positive", "finish_reason": "stop"}],
         "choices[0].message is null and must be an object; is this the endpoint for chat?"),
        ([message(None)],
         "choices[0].message.content is null and must be a text; record again; if it stays so, "
         "set a larger max_tokens in the model's `parameters`."),
        ([message(["Positive"])],
         'choices[0].message.content[0] is "Positive" and must be a part of type text.'),
        ([message("Positive", "error")],
         'choices[0].finish_reason is "error", so the model did not come to the end of its answer; '
         "see the provider's log, and record again."),
    ],
)  # fmt: skip
def test_a_choice_that_cannot_be_used_is_a_sentence(
    loopback, client, said, choices, sentence: str
) -> None:
    loopback.answer = chatting(said, *choices)
    with pytest.raises(RequestError) as raised:
        client.complete("m", CONVERSATIONS, {})
    assert str(raised.value) == f"model 'm' at {loopback.url}, prompts 1-1 of 3: {sentence}"


def test_a_filtered_completion_is_a_refusal(loopback, client, said) -> None:
    choice = {"index": 0, "text": "", "finish_reason": "content_filter"}
    loopback.answer = chatting(said, choice)
    (reply,) = client.complete("m", ["a text"], {})
    assert reply.answers == (Answer("", "content_filter", refused=True),)
