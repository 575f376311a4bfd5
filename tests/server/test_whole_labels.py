"""The likeliest whole label at a real server, against plain transformers."""

import json

import pytest

from tunebench.errors import RequestError

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")

from tunebench import Experiment
from tunebench.api import Client
from tunebench.evaluation.rules import WholeLabelsRule, rule_of

TEXTS = ["the film was good", "a tear", "an actor, a story", "bad and good", "the end of a story",
         "it was a bad story of a good actor", "nothing", "Positive or Negative"]  # fmt: skip

LABELS = [
    ("Position", "Possible", "Pole", "Negative"),
    ("very good", "very bad", "good", "bad"),
    ("good one", "good two", "good three", "good four"),
    ("the story of an actor", "the story of a tear", "the film", "sentence"),
    ("über", "übel", "film"),
    ("1", "2", "3", "4", "5"),
]


@pytest.fixture
def rule(served, tmp_path):
    """The rule of an experiment's only cell at the server, and what its rounds show of texts."""

    def rule(name, labels, texts):
        path = tmp_path / "experiment.toml"
        path.write_text(
            f"""
            [task]
            name = "tiny"
            dataset = "imdb_reviews"
            labels = {json.dumps(labels)}
            instruction = "Classify"
            test_size = 1
            [provider.here]
            base_url = "{served.url}"
            [[model]]
            name = "{name}"
            provider = "here"
            [matrix]
            decision_rules = ["label_logprobs"]
            """
        )
        (cell,) = Experiment.read(path).cells
        with Client(served.url, "none") as client:
            made = rule_of(cell, client)
            rounds = [
                client.complete(name, [text + asked.suffix for text in texts], asked.parameters)
                for asked in made.rounds
            ]
        answers = [[a for reply in replies for a in reply.answers] for replies in rounds]
        return made, [made.read(*of_text) for of_text in zip(*answers, strict=True)]

    return rule


def directly(oracle, prompt, ids):
    """Each label's log-probability, token by token, among the tokens that some label has there."""
    found = []
    for label in ids:
        total = 0.0
        for depth, token in enumerate(label):
            begun = label[:depth]
            allowed = {other[depth] for other in ids if other[:depth] == begun}
            row = oracle.logprobs([*oracle.ids(prompt), *begun])[-1]
            total += float(row[token] - row[sorted(allowed)].logsumexp(0))
        found.append(total)
    return found


@pytest.mark.parametrize("labels", LABELS, ids=str)
def test_the_label_taken_is_the_likeliest_of_all_token_by_token(rule, name, oracle, labels):
    prompts = [f"{text} ->" for text in TEXTS]
    made, decisions = rule(name, labels, prompts)
    assert isinstance(made, WholeLabelsRule)
    ids = [oracle.tokenizer(f" {label}", add_special_tokens=False)["input_ids"] for label in labels]
    assert len({label[0] for label in ids}) < len(labels)
    for prompt, decision in zip(prompts, decisions, strict=True):
        expected = directly(oracle, prompt, ids)
        got = [decision.logprobs[label] for label in range(len(labels))]
        assert got == pytest.approx(expected, abs=2e-3)
        assert decision.label == expected.index(max(expected))
        assert decision.reading == "likeliest"


def test_labels_that_differ_in_their_last_token_compare_as_whole_texts(rule, name, oracle):
    labels = ("good a", "good end", "good bad")
    prompts = [f"{text} ->" for text in TEXTS]
    made, decisions = rule(name, labels, prompts)
    ids = [oracle.tokenizer(f" {label}", add_special_tokens=False)["input_ids"] for label in labels]
    assert len({tuple(label[:-1]) for label in ids}) == len(made.rounds) == 1
    for prompt, decision in zip(prompts, decisions, strict=True):
        before = oracle.ids(prompt)
        whole = []
        for label in ids:
            rows = oracle.logprobs([*before, *label])[len(before) - 1 : -1]
            whole.append(sum(float(row[i]) for row, i in zip(rows, label, strict=True)))
        assert decision.label == whole.index(max(whole))


def test_labels_that_differ_within_a_character_are_refused(rule, name):
    with pytest.raises(RequestError, match=r"'über' and 'Ümit' share at tiny-.* are not a text"):
        rule(name, ("über", "Ümit"), ["a tear ->"])
