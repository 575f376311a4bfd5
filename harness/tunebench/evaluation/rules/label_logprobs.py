"""The decision rule ``label_logprobs``: the likeliest of the labels is read.

Other tokens do not count, however likely they are. Labels are told apart by their first tokens
where these differ, and otherwise by whole labels (`tunebench.evaluation.rules.label_tree`).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunebench.errors import RequestError
from tunebench.evaluation.inputs import is_chat
from tunebench.evaluation.rules.base import Decision, Round, Rule, RuleKind, answer_format
from tunebench.evaluation.rules.label_tree import label_tree, whole_label_logprobs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tunebench.api import Answer
    from tunebench.evaluation.rules.label_tree import Branching
    from tunebench.experiment import Cell, Model
    from tunebench.formatting import AnswerFormat

# How many candidates the legacy completions API shows at most, and the chat API.
_MAX_LOGPROBS = 5
_MAX_CHAT_LOGPROBS = 20
# The API's largest bias: the labels' first tokens are then ahead of all others, while their
# difference to each other stays as it was.
_BIAS = 100


class LogprobsRule(Rule):
    """A rule that reads the log-probabilities of labels."""

    @abstractmethod
    def seen(self, *answers: Answer) -> tuple[dict[int, float], bool]:
        """The log-probability of each label that can be seen, by label id.

        The second value is False where the log-probability of a label is not a number.
        """

    def read(self, *answers: Answer) -> Decision:
        """The likeliest label, if one can be seen."""
        return likeliest(*self.seen(*answers))


@dataclass(frozen=True)
class LabelLogprobsRule(LogprobsRule):
    """The label whose first token is likeliest.

    Attributes:
        answers: the labels.
        bias_ids: first token id of each label, or None where they are unknown or the provider
            takes no ``logit_bias``; the labels are then looked for among the likeliest tokens
            (five, in a chat 20), and an answer that shows none of them is read as no label.
        limit: what the request calls its token limit.
        chat: whether the request is a chat's.
    """

    answers: AnswerFormat
    bias_ids: tuple[int, ...] | None
    limit: str = "max_tokens"
    chat: bool = False

    @property
    def rounds(self) -> tuple[Round, ...]:
        """One greedy token with its candidates' log-probabilities."""
        parameters: dict[str, Any] = {self.limit: 1, "temperature": 0}
        if self.chat:
            # As many as may be: some providers bias the choice and not what they show.
            parameters |= {"logprobs": True, "top_logprobs": _MAX_CHAT_LOGPROBS}
        else:
            parameters["logprobs"] = min(_MAX_LOGPROBS, len(self.bias_ids or range(_MAX_LOGPROBS)))
        if self.bias_ids is not None:
            parameters["logit_bias"] = _bias(self.bias_ids)
        return (Round(parameters),)

    def seen(self, *answers: Answer) -> tuple[dict[int, float], bool]:
        """Those of the labels' first tokens."""
        (answer,) = answers
        seen: dict[int, float] = {}
        known = True
        for token, logprob in answer.top_logprobs.items():
            label = self.answers.label_of_token(token)
            if label is None:
                continue
            # Of two tokens of one label, as " Pos" and " Positive", the likelier counts. What is
            # not a number, as the null or NaN of a provider that overflowed, is not seen.
            number = isinstance(logprob, int | float) and logprob == logprob
            if number and logprob > seen.get(label, -math.inf):
                seen[label] = logprob
            known = known and number
        return seen, known


@dataclass(frozen=True)
class WholeLabelsRule(LogprobsRule):
    """The likeliest of labels of which some begin with the same token.

    Attributes:
        tree: where their tokens differ.
    """

    tree: tuple[Branching, ...]

    @property
    def rounds(self) -> tuple[Round, ...]:
        """One greedy token at each branching, after the text that its labels share."""
        return tuple(
            Round(
                {
                    "max_tokens": 1,
                    "temperature": 0,
                    "logprobs": min(_MAX_LOGPROBS, len(branching.tokens)),
                    "logit_bias": _bias(branching.tokens),
                },
                branching.shared,
            )
            for branching in self.tree
        )

    def seen(self, *answers: Answer) -> tuple[dict[int, float], bool]:
        """Those of the labels among themselves."""
        shown = [answer.top_logprobs for answer in answers]
        return whole_label_logprobs(self.tree, shown), True


def likeliest(seen: Mapping[int, float], known: bool) -> Decision:
    """The decision for the likeliest label; `known` is whether all log-probabilities are."""
    # On equal log-probabilities the first label of the task wins.
    label = max(sorted(seen), key=lambda label: seen[label], default=None)
    return Decision(label, "unseen" if label is None else "likeliest", seen if known else None)


def _bias(ids: Sequence[int]) -> dict[str, int]:
    return {str(token): _BIAS for token in ids}


def made(cell: Cell, tokenize: Callable[[str], list[int]]) -> LabelLogprobsRule | WholeLabelsRule:
    """The rule of a cell.

    Raises:
        RequestError: the labels cannot be told apart by their tokens.
    """
    model = cell.experiment.models[cell.model]
    provider = cell.experiment.providers[model.provider]
    chat, answers = is_chat(cell), answer_format(cell)
    biased = "logit_bias" in provider.supports
    if model.label_token_ids is not None:
        ids = [[token] for token in model.label_token_ids]
    elif "tokenize" in provider.supports:
        ids = [tokenize(answers.completion(label)) for label in answers.labels]
    else:
        _check_first_words(answers.labels, model)
        return LabelLogprobsRule(answers, None, provider.max_tokens_field, chat)
    firsts = tuple(label[0] for label in ids)
    if len(set(firsts)) < len(firsts):
        if chat or model.label_token_ids is not None or not biased:
            raise _alike(answers.labels, firsts, model, chat, biased)
        completions = [answers.completion(label) for label in answers.labels]
        return WholeLabelsRule(label_tree(completions, ids, tokenize, model.name))
    bias_ids = firsts if biased else None
    return LabelLogprobsRule(answers, bias_ids, provider.max_tokens_field, chat)


def _alike(
    labels: Sequence[str], firsts: Sequence[int], model: Model, chat: bool, biased: bool
) -> RequestError:
    position = next(i for i, token in enumerate(firsts) if token in firsts[:i])
    twin = labels[firsts.index(firsts[position])]
    if chat:
        why, fix = "a chat cannot be asked what follows it", "ask the model for completions"
    elif not biased:
        why, fix = (
            "without `logit_bias` what follows it need not be shown",
            "ask a provider with both",
        )
    else:
        why, fix = "label_token_ids does not say what follows it", "ask a provider with /tokenize"
    return RequestError(
        f"the labels {twin!r} and {labels[position]!r} begin with the same token of {model.name} "
        f"({firsts[position]}), and {why}",
        hint=f"rename one, {fix}, or use the decision rule text",
    )


def _check_first_words(labels: Sequence[str], model: Model) -> None:
    """Refuse labels with the same first word: no token is longer, so they share their first."""
    words = [label.split(" ")[0] for label in labels]
    for position, word in enumerate(words):
        if word in words[:position]:
            raise RequestError(
                f"the labels {labels[words.index(word)]!r} and {labels[position]!r} begin with the "
                f"same word, and without `logit_bias` and the token ids of {model.name} "
                "label_logprobs sees first tokens only",
                hint="rename one, ask a provider with both, or use the decision rule text",
            )


RULE = RuleKind(
    described="read by the likeliest label",
    make=made,
    answer_tokens=lambda _: 1,
    needs=("logprobs",),
    has_probabilities=True,
)
