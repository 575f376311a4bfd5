"""Decision rules of chats, and of labels that share a token."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from tunebench.api import Answer
from tunebench.errors import RequestError
from tunebench.evaluation.rules import Decision, Rule

from ..rule_example import rules_at, saying, showing

CHAT = 'endpoint = "chat"'


@pytest.fixture
def rule(loopback, said, tmp_path: Path) -> Callable[..., Rule]:
    """Makes the rule of an experiment's only cell."""
    return rules_at(loopback, said, tmp_path)


def test_a_chat_may_say_more_than_the_label_and_is_stopped_at_nothing(rule) -> None:
    assert rule("text", provider=CHAT).rounds[0].parameters == {
        "max_tokens": 3 + 16,
        "temperature": 0,
    }
    newer = CHAT + '\nmax_tokens_field = "max_completion_tokens"'
    assert rule("text", provider=newer, task="max_tokens = 400").rounds[0].parameters == {
        "max_completion_tokens": 400,
        "temperature": 0,
    }


def test_a_chat_shows_candidates_for_the_label_as_it_begins_a_turn(rule) -> None:
    made = rule("label_logprobs", provider=CHAT)
    assert made.rounds[0].parameters == {
        "max_tokens": 1,
        "temperature": 0,
        "logprobs": True,
        "top_logprobs": 20,
        "logit_bias": {"40": 100, "43": 100},
    }
    assert made.read(Answer("", "length", {"Neg": -1, "Positive": -2, "The": -0.1})).label == 0
    assert made.read(Answer("", "length", {" Positive": -1, "Neg": -2})).label == 1


def test_a_chat_without_token_ids_shows_the_twenty_likeliest(rule) -> None:
    made = rule("label_logprobs", provider=CHAT, supports=("logprobs", "logit_bias"))
    assert made.rounds[0].parameters == {
        "max_tokens": 1,
        "temperature": 0,
        "logprobs": True,
        "top_logprobs": 20,
    }


def test_a_chat_cannot_tell_labels_apart_behind_a_shared_token(rule) -> None:
    with pytest.raises(RequestError) as raised:
        rule("label_logprobs", labels=("Ugly", "Very bad", "Very good"), provider=CHAT)
    assert str(raised.value) == (
        "the labels 'Very bad' and 'Very good' begin with the same token of m (90), and a chat "
        "cannot be asked what follows it; rename one, ask the model for completions, or use the "
        "decision rule text."
    )


def test_a_chat_is_read_by_all_rules_and_completions_by_the_articles(rule) -> None:
    said = Answer("It is positive.", "stop")
    assert rule("text").read(said) == Decision(None, "chatter")
    assert rule("text", provider=CHAT).read(said) == Decision(1, "mentioned")
    exact = rule("text", provider=CHAT, task='reading = ["exact", "casefolded"]')
    assert exact.read(said) == Decision(None, "chatter")
    assert exact.read(saying("positive.")) == Decision(1, "casefolded")
    assert rule("text", provider=CHAT).read(saying("Posi")).label is None  # nothing stopped it


def test_what_the_provider_calls_a_refusal_is_one(rule) -> None:
    made = rule("text", provider=CHAT)
    assert made.read(Answer("", "stop", refused=True)) == Decision(None, "refusal")
    assert made.read(Answer("A fine film that", "length")) == Decision(None, "cut off")


def test_a_label_whose_tokens_begin_another_label_is_refused(rule) -> None:
    with pytest.raises(RequestError) as raised:
        rule("label_logprobs", labels=("Negative", "Neg"))
    assert str(raised.value) == (
        "the tokens of the label 'Negative' begin those of 'Neg' at m, so label_logprobs cannot "
        "tell where it ends; rename one, or use the decision rule text."
    )


def test_labels_that_share_a_token_are_asked_behind_it(rule) -> None:
    made = rule("label_logprobs", labels=("Very bad", "Very good"))
    (asked,) = made.rounds
    assert asked.suffix == " Very"
    assert asked.parameters == {
        "max_tokens": 1,
        "temperature": 0,
        "logprobs": 2,
        "logit_bias": {"81": 100, "82": 100},
    }
    assert made.read(showing(bad=-2, good=-1)).label == 1


def test_a_label_apart_and_two_alike_take_two_rounds(rule) -> None:
    made = rule("label_logprobs", labels=("Very bad", "Negative", "Very good"))
    assert [(x.suffix, list(x.parameters["logit_bias"])) for x in made.rounds] == [
        ("", ["80", "50"]),
        (" Very", ["81", "82"]),
    ]
    first = showing(Very=math.log(0.6), Negative=math.log(0.4))
    even, bad = ({"bad": -1, "good": -1}, {"bad": math.log(0.9), "good": math.log(0.1)})
    assert made.read(first, showing(**even)).label == 1
    assert made.read(first, showing(**bad)).label == 0
    seen = made.read(first, showing(**bad)).logprobs
    assert {i: math.exp(x) for i, x in seen.items()} == pytest.approx({0: 0.54, 1: 0.4, 2: 0.06})
    assert made.read(showing(x=-1), showing(**bad)).reading == "unseen"


def test_labels_with_a_word_in_common_need_token_ids(rule) -> None:
    with pytest.raises(RequestError, match="'Very bad' and 'Very good' begin with the same word"):
        rule("label_logprobs", labels=("Very bad", "Very good"), supports=("logprobs",))
