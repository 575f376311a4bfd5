"""The rule of a cell at a provider that tokenizes by a table, and answers to read by it."""

import json
from collections.abc import Callable
from pathlib import Path

from tunebench import Experiment
from tunebench.api import Answer, Client
from tunebench.evaluation.rules import Rule, rule_of

# A stand-in for a tokenizer: the ids of each label; any other text is one token, 0.
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


def rules_at(loopback, said, folder: Path) -> Callable[..., Rule]:
    """The rule of an experiment's only cell, at a provider that tokenizes as `TOKENS` says."""
    loopback.answer = lambda asked: said({"tokens": TOKENS.get(asked.fields["prompt"], [0])})

    def rule(
        decision_rule: str,
        *,
        labels: tuple[str, ...] = ("Negative", "Positive"),
        supports: tuple[str, ...] = ("lists", "logprobs", "logit_bias", "tokenize"),
        task: str = "",
        provider: str = "",
        model: str = "",
    ) -> Rule:
        path = folder / "experiment.toml"
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

    return rule


def saying(text: str) -> Answer:
    return Answer(text, "stop")


def showing(**logprobs: float) -> Answer:
    return Answer("", "length", {" " + token: value for token, value in logprobs.items()})
