import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from tunebench.api import Answer
from tunebench.errors import ExperimentError, RequestError
from tunebench.evaluation import RULES, rules
from tunebench.evaluation.rules import LabelLogprobsRule, Rule, TextRule
from tunebench.experiment import OVERRIDABLE, DecisionRule
from tunebench.formatting.prompts import AnswerFormat
from tunebench.formatting.reading import Reader

from ..rule_example import rules_at, saying, showing


@pytest.fixture
def rule(loopback, said, tmp_path: Path) -> Iterator[Callable[..., Rule]]:
    """Makes the rule of an experiment's only cell."""
    yield rules_at(loopback, said, tmp_path)
    for asked in loopback.asked:
        assert asked.fields["model"] == "org/m"


def test_every_decision_rule_is_a_name_of_the_experiment_file() -> None:
    modules = {module.name for module in pkgutil.iter_modules(rules.__path__)}
    assert modules - {"base", "label_tree"} == set(get_args(DecisionRule))


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("provider", ["", 'endpoint = "chat"'])
def test_what_a_rule_sends_is_not_a_models_to_set(rule, name: str, provider: str) -> None:
    for field in rule(name, provider=provider).rounds[0].parameters.keys() - OVERRIDABLE.keys():
        with pytest.raises(ExperimentError, match=f"cannot set {field}, because"):
            rule(name, provider=provider, model=f"parameters = {{ {field} = 1 }}")


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


def test_token_ids_that_are_the_same_are_refused(rule) -> None:
    with pytest.raises(RequestError, match="'Negative' and 'Positive' begin with the same token"):
        rule("label_logprobs", model="label_token_ids = [8, 8]")


def test_without_log_probabilities_the_rule_is_refused(rule) -> None:
    with pytest.raises(RequestError, match="needs logprobs, which the provider 'here' does not"):
        rule("label_logprobs", supports=("lists", "logit_bias", "tokenize"))


@pytest.mark.parametrize(
    "supports", [("logprobs",), ("logprobs", "tokenize"), ("logprobs", "logit_bias")]
)
def test_without_a_bias_or_its_token_ids_the_five_likeliest_are_asked_for(
    rule, supports: tuple[str, ...]
) -> None:
    assert rule("label_logprobs", supports=supports).rounds[0].parameters == {
        "max_tokens": 1,
        "temperature": 0,
        "logprobs": 5,
    }


@pytest.mark.parametrize(
    ("supports", "model"),
    [(("logprobs", "tokenize"), ""), (("logprobs",), "label_token_ids = [8, 8]")],
)
def test_without_a_bias_labels_that_share_their_first_token_are_refused(
    rule, supports: tuple[str, ...], model: str
) -> None:
    said = "'Neg' and 'Negative' begin with the same token .* without `logit_bias` what"
    with pytest.raises(RequestError, match=said):
        rule("label_logprobs", labels=("Neg", "Negative"), supports=supports, model=model)


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
