"""The two decision rules: what a cell asks for, and how it reads an answer.

``text`` is the article's: the greedy completion must be a label. ``label_logprobs`` takes the
likeliest of the labels, whatever else the model would rather have said.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from harness.errors import TunebenchError
from harness.formatting.prompts import AnswerFormat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.api.client import Answer, Client
    from harness.experiment import Cell

# The legacy completions API gives at most this many candidates.
_MAX_LOGPROBS = 5
# The API's largest bias: the labels' first tokens are then ahead of all others, while their
# difference to each other stays as it was.
_BIAS = 100


class RuleError(TunebenchError):
    """A decision rule that cannot work with these labels at this provider."""


class Rule(Protocol):
    """What a decision rule gives a cell."""

    @property
    def parameters(self) -> dict[str, Any]:
        """Fields of the request's body beside model and prompt."""

    def read(self, answer: Answer) -> int | None:
        """The label id an answer states, or None if it states none."""


@dataclass(frozen=True)
class TextRule:
    """The greedy text, with the labels' common ending put back, equals a label."""

    answers: AnswerFormat
    max_tokens: int

    @property
    def parameters(self) -> dict[str, Any]:
        """At most the longest label's tokens, stopped at the labels' common ending."""
        return {"max_tokens": self.max_tokens, "stop": self.answers.stop, "temperature": 0}

    def read(self, answer: Answer) -> int | None:
        """The label stated, or None."""
        return self.answers.read(answer.text)


@dataclass(frozen=True)
class LabelLogprobsRule:
    """The label whose first token is likeliest.

    Attributes:
        answers: the labels.
        bias_ids: first token id of each label, or None where they are unknown or the provider
            takes no ``logit_bias``; the labels are then looked for among the five likeliest
            tokens, and an answer that shows none of them is read as no label.
    """

    answers: AnswerFormat
    bias_ids: tuple[int, ...] | None

    @property
    def parameters(self) -> dict[str, Any]:
        """One greedy token with its candidates' log-probabilities."""
        parameters: dict[str, Any] = {
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": _MAX_LOGPROBS,
        }
        if self.bias_ids is not None:
            parameters["logprobs"] = min(_MAX_LOGPROBS, len(self.bias_ids))
            parameters["logit_bias"] = {str(token): _BIAS for token in self.bias_ids}
        return parameters

    def read(self, answer: Answer) -> int | None:
        """The likeliest label, or None if none can be seen."""
        seen = label_logprobs(self.answers, answer)
        # On equal log-probabilities the first label of the task wins.
        return max(sorted(seen), key=lambda label: seen[label], default=None)


def label_logprobs(answers: AnswerFormat, answer: Answer) -> dict[int, float]:
    """The natural log-probabilities of the labels that an answer shows, by label id.

    What is no number, as the null or NaN of a provider that overflowed, is not seen.
    """
    seen: dict[int, float] = {}
    for token, logprob in answer.top_logprobs.items():
        label = answers.label_of_token(token)
        # Two tokens of one label, as " Pos" and " Positive": the likelier speaks for it.
        known = isinstance(logprob, int | float) and logprob > seen.get(label, -math.inf)  # type: ignore[arg-type]
        if label is not None and known:
            seen[label] = logprob
    return seen


def rule_of(cell: Cell, client: Client) -> Rule:
    """The rule of a cell, with what it has to know of the model's tokens.

    Raises:
        RuleError: the labels cannot be told apart by their first tokens, or the provider gives no
            log-probabilities.
    """
    task = cell.experiment.task
    model = cell.experiment.models[cell.model]
    supports = cell.experiment.providers[model.provider].supports
    answers = AnswerFormat.of(task.labels)

    def label_tokens() -> list[list[int]]:
        return [client.tokenize(model.provider_id, answers.completion(x)) for x in task.labels]

    if cell.decision_rule == "text":
        if task.max_tokens is not None:
            return TextRule(answers, task.max_tokens)
        counts = [len(ids) for ids in label_tokens()] if "tokenize" in supports else None
        return TextRule(answers, answers.max_tokens(counts))
    if "logprobs" not in supports:
        raise RuleError(
            f"provider {model.provider!r} gives no log-probabilities (`supports`), which the "
            "decision rule label_logprobs needs; take that rule out of [matrix] decision_rules."
        )
    if "logit_bias" not in supports:
        return LabelLogprobsRule(answers, None)
    if model.label_token_ids is not None:
        firsts = model.label_token_ids
    elif "tokenize" in supports:
        firsts = [ids[0] for ids in label_tokens()]
    else:
        return LabelLogprobsRule(answers, None)
    _check_distinct(task.labels, firsts, cell.model)
    return LabelLogprobsRule(answers, tuple(firsts))


def _check_distinct(labels: Sequence[str], firsts: Sequence[int], model: str) -> None:
    for position, token in enumerate(firsts):
        if token in firsts[:position]:
            twin = labels[firsts.index(token)]
            raise RuleError(
                f"the labels {twin!r} and {labels[position]!r} begin with the same token of "
                f"{model} ({token}), so label_logprobs cannot tell them apart; rename one, or use "
                "the decision rule text."
            )
