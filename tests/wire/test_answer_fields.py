"""Texts, ends, candidates and models: each field of a choice is read or named."""

import json
import math
from typing import Any

import pytest

from tunebench.wire import (
    Answer,
    Asked,
    Unusable,
    Usage,
    composed,
    other_model,
    read_answers,
    read_tokens,
    stored_choice,
)

from ..json_values import nested
from .plain_answers import CHAT, asked, body, choice, message, refused


@pytest.mark.parametrize("text", [None, 7, ["a"], {"content": "a"}, True])
def test_a_completion_has_a_text(text: Any) -> None:
    said = refused(body(choice(0), choice(1, text)), asked(2))
    assert said.startswith("choices[1].text is ")
    assert said.endswith(" and must be a text; is this the endpoint for completions?")


def test_half_a_character_is_no_text_and_a_candidates_is_replaced() -> None:
    halves = ("choices[0].text", "choices[0].message.content")
    for at, fields, of in zip(
        halves, (choice(0, "a \ud83d"), message("\udc4d b")), (asked(), CHAT), strict=True
    ):
        assert refused(body(fields), of).startswith(f"{at} holds half a surrogate pair (")
    top = {"top_logprobs": [{half: float(i - 2) for i, half in enumerate("\ud83d\ud83e")}]}
    (answer,) = read_answers(body(choice(logprobs=top)), asked(logprobs=True)).answers
    assert answer.top_logprobs == {"\ufffd": -1.0}


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        (message(""), Answer("", "stop")),
        (message("Yes", refusal=None, annotations=[]), Answer("Yes", "stop")),
        (message("Yes", refusal="no"), Answer("Yes", "stop")),
        (message(None, refusal="I will not."), Answer("", "stop", refused=True)),
        (message("No.", "content_filter"), Answer("No.", "content_filter", refused=True)),
        (message(None, "content_filter"), Answer("", "content_filter", refused=True)),
        (message(None, "length"), Answer("", "length")),
        (message([{"type": "text", "text": "Yes"}]), Answer("Yes", "stop")),
        (message([{"type": "output_text", "text": "Ye"}, {"type": "text", "text": "s"}]),
         Answer("Yes", "stop")),
        (message([{"type": "thinking", "thinking": "…"}, {"type": "text", "text": "Yes"}]),
         Answer("Yes", "stop")),
        (message([]), Answer("", "stop")),
    ],
)  # fmt: skip
def test_contents_refusals_and_answers_without_a_word(fields: Any, answer: Answer) -> None:
    assert read_answers(body(fields), CHAT).answers == (answer,)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        (choice(), "choices[0].message is null"),
        ({"finish_reason": "stop", "message": "Yes"}, 'choices[0].message is "Yes"'),
        (message(None), "choices[0].message.content is null"),
        (message(7), "choices[0].message.content is 7"),
        (message({"text": "Yes"}), "choices[0].message.content is {"),
        (message(["Yes"]), 'choices[0].message.content[0] is "Yes"'),
        (message([{"type": "text", "text": None}]), "choices[0].message.content[0] is {"),
        (message([{"type": "image_url", "text": "a"}]), "choices[0].message.content[0] is {"),
        (message([{"type": ["text"], "text": "a"}]), "choices[0].message.content[0] is {"),
        (message([{"type": "text", "text": "a"}, {}]), "choices[0].message.content[1] is {}"),
        (message("Yes", refusal=7), "choices[0].message.refusal is 7"),
    ],
)
def test_a_message_without_a_text_is_named_by_its_field(fields: Any, field: str) -> None:
    assert refused(body(fields), CHAT).startswith(field)


@pytest.mark.parametrize(
    ("reason", "read"),
    [("stop", "stop"), ("STOP", "stop"), (" eos ", "stop"), ("end_turn", "stop"),
     ("MAX_TOKENS", "length"), ("model_length", "length"), ("SAFETY", "content_filter")],
)  # fmt: skip
def test_providers_have_words_of_their_own_for_an_end(reason: str, read: str) -> None:
    fields = body(choice(finish_reason=reason))
    assert read_answers(fields, asked()).answers[0].finish_reason == read


@pytest.mark.parametrize(
    "reason", ["error", "abort", "cancelled", "tool_calls", "", None, 7, ["stop"]]
)
def test_an_answer_that_did_not_come_to_its_end_is_refused(reason: Any) -> None:
    said = refused(body(choice(0), choice(1, finish_reason=reason)), asked(2))
    assert said.startswith(
        f"choices[1].finish_reason is {json.dumps(reason)}, so the model did not"
    )


LEGACY = {"tokens": ["a"], "top_logprobs": [{"a": -0.5, "b": "-1.5"}, {"x": -9}]}
IN_CHATS = {
    "content": [
        {"token": "a", "top_logprobs": [{"token": "a", "logprob": -0.5}, {"token": "b",
         "logprob": -1.5}, {"token": "b", "logprob": -2, "bytes": [195]}]},
        {"token": ".", "top_logprobs": []},
    ]
}  # fmt: skip


@pytest.mark.parametrize("chat", [True, False])
@pytest.mark.parametrize("logprobs", [LEGACY, IN_CHATS, IN_CHATS | {"top_logprobs": []}])
def test_candidates_are_read_in_either_form_of_either_endpoint(chat: bool, logprobs: Any) -> None:
    fields = (message("a") if chat else choice(0, "a")) | {"logprobs": logprobs}
    (answer,) = read_answers(body(fields), asked(chat=chat, logprobs=True)).answers
    assert answer.top_logprobs == {"a": -0.5, "b": -1.5}
    (answer,) = read_answers(body(fields), asked(chat=chat)).answers
    assert answer.top_logprobs == {}


@pytest.mark.parametrize(
    ("logprobs", "field"),
    [
        (None, "logprobs holds no candidates of the first token, which were asked for"),
        ({}, "logprobs holds no candidates"),
        ({"top_logprobs": []}, "logprobs holds no candidates"),
        ({"top_logprobs": [{}]}, "logprobs holds no candidates"),
        ({"content": []}, "logprobs holds no candidates"),
        ({"content": [{"token": "a", "top_logprobs": []}]}, "logprobs holds no candidates"),
        ([], "logprobs is [] and must be an object"),
        ({"top_logprobs": {"a": -1}}, "logprobs is {"),
        ({"content": {"a": -1}}, "logprobs is {"),
        ({"top_logprobs": [None]}, "logprobs.top_logprobs[0] is null and must be an object"),
        ({"top_logprobs": [[["a", -1]]]}, "logprobs.top_logprobs[0] is ["),
        ({"top_logprobs": [{"a": None}]}, 'logprobs.top_logprobs[0]["a"] is null and must be'),
        ({"top_logprobs": [{"a": math.nan}]}, 'logprobs.top_logprobs[0]["a"] is NaN and must be'),
        ({"top_logprobs": [{"a": -(10**400)}]}, 'logprobs.top_logprobs[0]["a"] is -1000'),
        ({"top_logprobs": [{"a": nested(50)}]}, 'logprobs.top_logprobs[0]["a"] is [[[['),
        ({"content": [None]}, "logprobs.content[0].top_logprobs is null and must be a list"),
        ({"content": [{"token": "a"}]}, "logprobs.content[0].top_logprobs is null and must be a"),
        ({"content": [{"top_logprobs": ["a"]}]}, 'logprobs.content[0].top_logprobs[0] is "a"'),
        ({"content": [{"top_logprobs": [{"logprob": -1}]}]}, "logprobs.content[0].top_logprobs[0]"),
        ({"content": [{"top_logprobs": [{"token": "a", "logprob": True}]}]},
         "logprobs.content[0].top_logprobs[0].logprob is true and must be a number"),
    ],
)  # fmt: skip
def test_candidates_that_cannot_be_read_are_named_by_their_field(logprobs: Any, field: str) -> None:
    said = refused(body(choice(logprobs=logprobs)), asked(logprobs=True))
    assert said.startswith(f"choices[0].{field}")


def test_where_nothing_was_said_there_are_no_candidates() -> None:
    for fields in (choice(0, "", logprobs=None), choice(0, "", logprobs={"top_logprobs": []})):
        (answer,) = read_answers(body(fields), asked(logprobs=True)).answers
        assert answer == Answer("", "stop")


SAME = [
    ("gpt-4.1", "gpt-4.1-2025-04-14"), ("gpt-4.1-2025-04-14", "gpt-4.1"), ("m", "M"),
    ("qwen", "qwen:latest"), ("org/m", "m"), ("m", "a/b/m"), ("m", "m@main"), ("m", "m@a.b-1"),
    ("gpt-3.5-turbo", "gpt-3.5-turbo-0125"), ("m-20250101", "m"),
]  # fmt: skip
OTHER = [
    ("gpt-4.1", "gpt-4.1-mini"), ("gpt-4.1", "gpt-4"), ("m-7b", "m-13b"), ("m", "m:7b"),
    ("m-2", "m"), ("m", "m-123"), ("a@b", "c@b"), ("m", "\x1b[31m"), ("m", "n" * 999),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "answered"), [*SAME, ("m", ""), ("m", None), ("m", 7)])
def test_a_version_of_the_model_is_the_model(asked: str, answered: Any) -> None:
    assert other_model(asked, answered, None) is None


@pytest.mark.parametrize(("asked", "answered"), OTHER)
def test_another_model_is_refused(asked: str, answered: str) -> None:
    said = refused(body(choice()) | {"model": answered}, Asked(asked, 1, False, False))
    assert said.startswith(f"the model {json.dumps(answered[:9])[:8]}")
    assert said.isprintable()
    assert len(said) < 300
    assert other_model(asked, answered, answered) is None


def test_a_model_that_is_known_by_another_name_has_no_further_ones() -> None:
    assert other_model("m", "m", "known") is None
    assert other_model("m", "m-2025-01-01", "known") is not None


@pytest.mark.parametrize("tokens", [[7], [0, 50_000]])
def test_token_ids_are_read(tokens: list[int]) -> None:
    assert read_tokens({"tokens": tokens, "count": 1}) == tokens


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ([], "no list `tokens`"), ({}, "no list `tokens`"), ({"tokens": []}, "no list `tokens`"),
        ({"tokens": {"a": 1}}, "no list `tokens`"), ({"tokens": [1, "2"]}, 'is "2" and must be a'),
        ({"tokens": [1.0]}, "is 1.0"), ({"tokens": [True]}, "is true"), ({"tokens": [-1]}, "is -1"),
    ],
)  # fmt: skip
def test_what_is_no_list_of_token_ids_is_refused(fields: Any, said: str) -> None:
    with pytest.raises(Unusable) as raised:
        read_tokens(fields)
    assert said in str(raised.value)


@pytest.mark.parametrize("chat", [True, False])
@pytest.mark.parametrize(
    "answers",
    [
        (Answer("a", "stop", {"a": -0.1, "\ufffd": -7.25}), Answer("", "length")),
        (Answer("No", "content_filter", refused=True), Answer('"\\\n', "length")),
        (Answer("", "content_filter", refused=True), Answer("", "stop", refused=True)),
    ],
)
def test_stored_choices_are_read_as_they_were(answers: tuple[Answer, ...], chat: bool) -> None:
    if not chat:
        answers = tuple(one for one in answers if one.refused == (one.finish_reason[0] == "c"))
    stored = [json.dumps(stored_choice(one, chat=chat)).encode() for one in answers]
    whole = json.loads(composed(stored, "m", "fp", Usage(7, None)))
    logprobs = bool(answers[0].top_logprobs)
    read = read_answers(whole, asked(len(answers), chat=chat, logprobs=logprobs))
    assert read.answers == answers
    assert (read.model, read.server, read.usage) == ("m", "fp", Usage(7, None))
