"""The two decision rules: what a cell asks for, and how it reads an answer.

``text`` is the article's: the greedy answer must state a label (`tunebench.formatting.reading`).
``label_logprobs`` takes the likeliest of the labels, whatever else the model would rather have
said: by their first tokens where these differ, and by whole labels where they do not
(`tunebench.evaluation.label_tree`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from tunebench.errors import RequestError
from tunebench.evaluation.inputs import is_chat
from tunebench.evaluation.label_tree import label_tree, whole_label_logprobs
from tunebench.formatting import AnswerFormat, Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tunebench.api import Answer, Client
    from tunebench.evaluation.label_tree import Branching
    from tunebench.experiment import Cell, Model, Provider

# How many candidates the legacy completions API shows at most, and the chat API.
_MAX_LOGPROBS = 5
_MAX_CHAT_LOGPROBS = 20
# The API's largest bias: the labels' first tokens are then ahead of all others, while their
# difference to each other stays as it was.
_BIAS = 100
# A chat may say more than the label: "The sentiment of this review is positive."
CHATTER_TOKENS = 16


# What a model's `parameters` may say otherwise than the rule, which is then told with the results:
# some models take one temperature only, some providers show few candidates.
_OVERRIDABLE = ("temperature", "top_logprobs")


@dataclass(frozen=True)
class Round:
    """What each text of a cell is asked once.

    Attributes:
        parameters: fields of the request's body beside model and prompt.
        suffix: what is put behind each prompt.
    """

    parameters: dict[str, Any]
    suffix: str = ""


@dataclass(frozen=True)
class Decision:
    """What was read of the answers for one text.

    Attributes:
        label: the label id, or None.
        reading: how it was read, or why none was: a reading rule or what
            `tunebench.formatting.reading` names, or ``likeliest`` or ``unseen``.
        logprobs: the labels' natural log-probabilities by label id, as far as they are seen; None
            where they were not asked for, or one is not a number.
    """

    label: int | None
    reading: str
    logprobs: Mapping[int, float] | None = None


class Rule(Protocol):
    """What a decision rule gives a cell."""

    @property
    def rounds(self) -> tuple[Round, ...]:
        """What every text is asked, one round or more."""

    def read(self, *answers: Answer) -> Decision:
        """The decision on a text, from its answer of each round."""


@dataclass(frozen=True)
class TextRule:
    """The greedy text states a label.

    Attributes:
        reader: reads it.
        max_tokens: the most tokens that an answer may have.
        limit: what the request calls that limit.
        stop: whether the answer is stopped at the labels' common ending. A chat's is not: it
            may begin with a line break, or say the ending in another word.
    """

    reader: Reader
    max_tokens: int
    limit: str = "max_tokens"
    stop: bool = True

    @property
    def rounds(self) -> tuple[Round, ...]:
        """One greedy answer."""
        parameters: dict[str, Any] = {self.limit: self.max_tokens, "temperature": 0}
        if self.stop:
            parameters["stop"] = self.reader.answers.stop
        return (Round(parameters),)

    def read(self, *answers: Answer) -> Decision:
        """The label stated."""
        (answer,) = answers
        cut_off = answer.finish_reason == "length"
        return Decision(*self.reader.read(answer.text, refused=answer.refused, cut_off=cut_off))


@dataclass(frozen=True)
class LabelLogprobsRule:
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

    def read(self, *answers: Answer) -> Decision:
        """The likeliest label, if one can be seen."""
        (answer,) = answers
        seen: dict[int, float] = {}
        known = True
        for token, logprob in answer.top_logprobs.items():
            label = self.answers.label_of_token(token)
            if label is None:
                continue
            # Two tokens of one label, as " Pos" and " Positive": the likelier speaks for it. What
            # is not a number, as the null or NaN of a provider that overflowed, is not seen.
            number = isinstance(logprob, int | float) and logprob == logprob
            if number and logprob > seen.get(label, -math.inf):
                seen[label] = logprob
            known = known and number
        return _likeliest(seen, known)


@dataclass(frozen=True)
class WholeLabelsRule:
    """The likeliest of labels of which some begin with the same token.

    Attributes:
        tree: where their tokens part.
    """

    tree: tuple[Branching, ...]

    @property
    def rounds(self) -> tuple[Round, ...]:
        """One greedy token at each branching, behind what its labels share."""
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

    def read(self, *answers: Answer) -> Decision:
        """The likeliest label, if one can be seen."""
        return _likeliest(
            whole_label_logprobs(self.tree, [answer.top_logprobs for answer in answers]), True
        )


def _likeliest(seen: Mapping[int, float], known: bool) -> Decision:
    # On equal log-probabilities the first label of the task wins.
    label = max(sorted(seen), key=lambda label: seen[label], default=None)
    return Decision(label, "unseen" if label is None else "likeliest", seen if known else None)


def _bias(ids: Sequence[int]) -> dict[str, int]:
    return {str(token): _BIAS for token in ids}


def fields_of(asked: Round, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a request beside model and prompt.

    Args:
        asked: what the rule asks for, which holds but for what may be overridden.
        parameters: of the model.
    """
    own = {name: value for name, value in parameters.items() if name not in _OVERRIDABLE}
    return {**own, **asked.parameters, **_overriding(asked, parameters)}


def overrides_of(rule: Rule, parameters: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What a model's `parameters` say otherwise than its rule: the rule's value and theirs."""
    return {
        name: (asked.parameters[name], value)
        for asked in rule.rounds
        for name, value in _overriding(asked, parameters).items()
    }


def _overriding(asked: Round, parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: parameters[name]
        for name in _OVERRIDABLE
        if name in parameters
        and name in asked.parameters
        and parameters[name] != asked.parameters[name]
    }


def rule_of(cell: Cell, client: Client) -> Rule:
    """The rule of a cell, with what it has to know of the model's tokens.

    Raises:
        RequestError: the labels cannot be told apart by their tokens, or the provider gives no
            log-probabilities.
        RequestError: the tokens of one label begin those of another.
    """
    task = cell.experiment.task
    model = cell.experiment.models[cell.model]
    provider = cell.experiment.providers[model.provider]
    chat = is_chat(cell)
    answers = AnswerFormat.of_chat(task.labels) if chat else AnswerFormat.of(task.labels)

    def tokenize(text: str) -> list[int]:
        return client.tokenize(model.provider_id, text)

    if cell.decision_rule == "label_logprobs":
        return _logprobs_rule(model, provider, answers, tokenize)
    most = task.max_tokens
    if most is None:
        counts = None
        if "tokenize" in provider.supports:
            counts = [len(tokenize(answers.completion(label))) for label in task.labels]
        most = answers.max_tokens(counts) + (CHATTER_TOKENS if chat else 0)
    reader = Reader(answers, cell.experiment.reading(model.provider))
    return TextRule(reader, most, provider.max_tokens_field, stop=not chat)


def _logprobs_rule(
    model: Model,
    provider: Provider,
    answers: AnswerFormat,
    tokenize: Callable[[str], list[int]],
) -> Rule:
    chat = provider.endpoint == "chat"
    if "logprobs" not in provider.supports:
        raise RequestError(
            f"provider {model.provider!r} gives no log-probabilities (`supports`), which the "
            "decision rule label_logprobs needs; take that rule out of [matrix] decision_rules."
        )
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
    why = (
        "and a chat cannot be asked what follows it; rename one, ask the model for completions"
        if chat
        else "and without `logit_bias` what follows it need not be shown; rename one, ask a "
        "provider with both"
        if not biased
        else "and label_token_ids says nothing of what follows it; rename one, ask a provider with "
        "/tokenize"
    )
    return RequestError(
        f"the labels {twin!r} and {labels[position]!r} begin with the same token of {model.name} "
        f"({firsts[position]}), {why}, or use the decision rule text."
    )


def _check_first_words(labels: Sequence[str], model: Model) -> None:
    """No token goes beyond a word: labels that begin with the same one share their first token."""
    words = [label.split(" ")[0] for label in labels]
    for position, word in enumerate(words):
        if word in words[:position]:
            raise RequestError(
                f"the labels {labels[words.index(word)]!r} and {labels[position]!r} begin with the "
                f"same word, and without `logit_bias` and the token ids of {model.name} "
                "label_logprobs sees first tokens only; rename one, ask a provider with both, or "
                "use the decision rule text."
            )
