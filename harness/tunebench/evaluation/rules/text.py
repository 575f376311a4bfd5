"""The decision rule ``text``: the greedy answer must state a label."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from tunebench.evaluation.inputs import is_chat
from tunebench.evaluation.rules.base import Decision, Round, Rule, RuleKind, answer_format
from tunebench.formatting import Reader

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunebench.api import Answer
    from tunebench.experiment import Cell

# A chat may say more than the label: "The sentiment of this review is positive."
_CHATTER_TOKENS = 16
_KEPT = 256  # decisions


@dataclass(frozen=True)
class TextRule(Rule):
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
        return self._read(answer.text, answer.refused, answer.finish_reason)

    @cached_property
    def _read(self) -> Callable[[str, bool, str], Decision]:
        # The same few answers come again and again.
        @lru_cache(_KEPT)
        def read(text: str, refused: bool, finish_reason: str) -> Decision:
            cut_off = finish_reason == "length"
            return Decision(*self.reader.read(text, refused=refused, cut_off=cut_off))

        return read


def _made(cell: Cell, tokenize: Callable[[str], list[int]]) -> TextRule:
    experiment, chat, answers = cell.experiment, is_chat(cell), answer_format(cell)
    name = experiment.models[cell.model].provider
    provider = experiment.providers[name]
    max_tokens = experiment.task.max_tokens
    if max_tokens is None:
        counts = None
        if "tokenize" in provider.supports:
            counts = [len(tokenize(answers.completion(label))) for label in answers.labels]
        max_tokens = answers.max_tokens(counts) + (_CHATTER_TOKENS if chat else 0)
    reader = Reader(answers, experiment.reading(name))
    return TextRule(reader, max_tokens, provider.max_tokens_field, stop=not chat)


def _answer_tokens(cell: Cell) -> int:
    task = cell.experiment.task
    longest = max(len(label.encode()) for label in task.labels)
    return task.max_tokens or longest + (_CHATTER_TOKENS if is_chat(cell) else 0)


RULE = RuleKind(described="", make=_made, answer_tokens=_answer_tokens)
