import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import Experiment
from harness.api import Answer, Client
from harness.decision_rules import Decision, LabelLogprobsRule, Rule, RuleError, TextRule, rule_of
from harness.formatting.prompts import AnswerFormat
from harness.formatting.reading import Reader
from harness.label_tree import LabelTreeError

# A stand-in for a tokenizer: the ids of each label behind a space.
TOKENS = {
    " Negative": [50],
    " Positive": [51],
    " not good": [60, 70],
    " rather good": [61, 62, 70],
    " Neg": [50],
    " Very bad": [80, 81],
    " Very good": [80, 82],
    " Very": [80],
    " Very ": [80, 9],
    "Negative": [40, 41, 42],
    "Positive": [43],
    "Very bad": [90, 81],
    "Very good": [90, 82],
    "Ugly": [91],
}


@pytest.fixture
def rule(loopback, said, tmp_path: Path) -> Iterator[Callable[..., Rule]]:
    """The rule of an experiment's only cell, at a provider that tokenizes as `TOKENS` says."""
    loopback.answer = lambda asked: said({"tokens": TOKENS[asked.fields["prompt"]]})

    def rule(
        decision_rule: str,
        *,
        labels: tuple[str, ...] = ("Negative", "Positive"),
        supports: tuple[str, ...] = ("lists", "logprobs", "logit_bias", "tokenize"),
        task: str = "",
        provider: str = "",
        model: str = "",
    ) -> Rule:
        path = tmp_path / "experiment.toml"
        path.write_text(
            f"""
            [task]
            name = "films"
            dataset = "films"
            labels = {json.dumps(labels)}
            instruction = "Classify"
            test_size = 1
            {task}
            [provider.here]
            base_url = "{loopback.url}"
            supports = {json.dumps(supports)}
            {provider}
            [[model]]
            name = "m"
            id = "org/m"
            provider = "here"
            {model}
            [matrix]
            decision_rules = ["{decision_rule}"]
            """
        )
        (cell,) = Experiment.read(path).cells
        with Client(loopback.url, "none") as client:
            return rule_of(cell, client)

    yield rule
    for asked in loopback.asked:
        assert asked.fields["model"] == "org/m"


def saying(text: str) -> Answer:
    return Answer(text, "stop")


def showing(**logprobs: float) -> Answer:
    return Answer("", "length", {" " + token: value for token, value in logprobs.items()})


def test_text_asks_for_the_labels_tokens_and_stops_at_their_ending(rule) -> None:
    assert rule("text").rounds[0].parameters == {
        "max_tokens": 1,
        "stop": ["tive"],
        "temperature": 0,
    }


def test_text_allows_for_the_label_of_most_tokens(rule) -> None:
    of_many = rule("text", labels=("not good", "rather good"))
    assert of_many.rounds[0].parameters == {"max_tokens": 3, "stop": ["good"], "temperature": 0}
    assert [of_many.read(saying(text)).label for text in (" not ", " rather", " good", "")] == [
        0,
        1,
        None,
        None,
    ]


def test_text_takes_max_tokens_from_the_experiment_file(rule, loopback) -> None:
    assert rule("text", task="max_tokens = 7").rounds[0].parameters["max_tokens"] == 7
    assert loopback.asked == []


def test_text_takes_the_labels_bytes_where_nothing_counts_tokens(rule, loopback) -> None:
    assert rule("text", supports=("lists",)).rounds[0].parameters["max_tokens"] == len(" Positive")
    assert loopback.asked == []


def test_text_reads_what_was_said_and_no_log_probabilities(rule) -> None:
    answer = Answer(" Posi", "stop", {" Negative": -0.1})
    assert rule("text").read(answer).label == 1
    assert rule("text").read(Answer(" Perhaps", "length", {" Negative": -0.1})).label is None


def test_label_logprobs_lifts_the_labels_first_tokens(rule) -> None:
    assert rule("label_logprobs").rounds[0].parameters == {
        "max_tokens": 1,
        "temperature": 0,
        "logprobs": 2,
        "logit_bias": {"50": 100, "51": 100},
    }


def test_label_logprobs_takes_token_ids_from_the_experiment_file(rule, loopback) -> None:
    given = rule("label_logprobs", model="label_token_ids = [8, 9]")
    assert given.rounds[0].parameters["logit_bias"] == {"8": 100, "9": 100}
    assert loopback.asked == []


def test_label_logprobs_uses_the_first_token_of_a_label_of_several(rule) -> None:
    of_many = rule("label_logprobs", labels=("not good", "rather good"))
    assert of_many.rounds[0].parameters["logit_bias"] == {"60": 100, "61": 100}
    assert of_many.read(showing(rather=-2)).label == 1
    assert of_many.read(showing(**{"not": -1, "rather": -2})).label == 0


def test_a_label_whose_tokens_begin_another_label_is_refused(rule) -> None:
    with pytest.raises(LabelTreeError) as raised:
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


def test_token_ids_that_are_the_same_are_refused(rule) -> None:
    with pytest.raises(RuleError, match="'Negative' and 'Positive' begin with the same token"):
        rule("label_logprobs", model="label_token_ids = [8, 8]")


def test_labels_with_a_word_in_common_need_token_ids(rule) -> None:
    with pytest.raises(RuleError, match="'Very bad' and 'Very good' begin with the same word"):
        rule("label_logprobs", labels=("Very bad", "Very good"), supports=("logprobs",))


CHAT = 'endpoint = "chat"'


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
    with pytest.raises(RuleError) as raised:
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


def test_without_log_probabilities_the_rule_is_refused(rule) -> None:
    with pytest.raises(RuleError, match="provider 'here' gives no log-probabilities"):
        rule("label_logprobs", supports=("lists", "logit_bias", "tokenize"))


@pytest.mark.parametrize(
    "supports", [("logprobs",), ("logprobs", "tokenize"), ("logprobs", "logit_bias")]
)
def test_without_a_bias_or_its_token_ids_the_five_likeliest_are_asked_for(
    rule, loopback, supports: tuple[str, ...]
) -> None:
    assert rule("label_logprobs", supports=supports).rounds[0].parameters == {
        "max_tokens": 1,
        "temperature": 0,
        "logprobs": 5,
    }
    assert loopback.asked == []


def test_of_more_labels_than_the_api_shows_the_likeliest_is_still_seen() -> None:
    answers = AnswerFormat.of([f"label{i}" for i in range(7)])
    biased = LabelLogprobsRule(answers, tuple(range(7)))
    assert biased.rounds[0].parameters["logprobs"] == 5
    assert len(biased.rounds[0].parameters["logit_bias"]) == 7


@pytest.fixture
def likeliest() -> LabelLogprobsRule:
    return LabelLogprobsRule(AnswerFormat.of(["Negative", "Positive"]), None)


@pytest.mark.parametrize(
    ("shown", "label_id"),
    [
        ({"Negative": -1, "Positive": -2}, 0),
        ({"Positive": -1, "Negative": -2}, 1),
        ({"Positive": -3, "The": -0.1, "I": -0.2}, 1),
        ({"The": -0.1, "I": -0.2}, None),
        ({}, None),
        ({"Positive": -1, "Negative": -1}, 0),  # on a tie the first label of the task wins
        ({"Pos": -3, "Negative": -2, "Positive": -1}, 1),
        ({"Pos": -1, "Negative": -2, "Positive": -3}, 1),
        ({"Nega": -5, "Negative": -2, "Positive": -3}, 0),
        ({"Positively": -0.1, "Negative": -8}, 0),
        ({"": -0.1, "positive": -0.2}, None),
    ],
)
def test_the_likeliest_label_that_is_seen_is_read(
    likeliest, shown: dict[str, float], label_id: int | None
) -> None:
    assert likeliest.read(showing(**shown)).label == label_id


def test_a_token_that_may_begin_several_labels_speaks_for_none() -> None:
    rule = LabelLogprobsRule(AnswerFormat.of(["Negative", "Neutral"]), None)
    assert rule.read(showing(Ne=-0.1)).label is None
    assert rule.read(showing(Ne=-0.1, Neut=-4)).label == 1


def test_what_the_model_would_rather_have_said_does_not_matter(likeliest) -> None:
    assert likeliest.read(Answer(" Negative", "length", {" Positive": -4.0})).label == 1


def test_both_rules_are_plain_values() -> None:
    answers = AnswerFormat.of(["Negative", "Positive"])
    same: list[tuple[Any, Any]] = [
        (TextRule(Reader(answers, ("exact",)), 1), TextRule(Reader(answers, ("exact",)), 1)),
        (LabelLogprobsRule(answers, (1, 2)), LabelLogprobsRule(answers, (1, 2))),
    ]
    assert all(left == right for left, right in same)
