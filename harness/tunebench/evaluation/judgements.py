"""Judgements: what was read of answers, compared with labels."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from sys import intern
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tunebench.api import Answer
    from tunebench.evaluation.rules import Rule

# The same few short answers come again and again: each is kept once.
_SHORT = 64


class Readings:
    """How answers were read: a number for each, since few are different."""

    def __init__(self, readings: Iterable[str] = ()) -> None:
        self._numbers: dict[str, int] = {}
        self._of_each = array("I")
        for reading in readings:
            self.append(reading)

    def append(self, reading: str) -> None:
        """Add that of a further answer."""
        self._of_each.append(self._numbers.setdefault(reading, len(self._numbers)))

    @property
    def column(self) -> Any:
        """As a column of a frame, of categories: a byte for each where they are few."""
        few = len(self._numbers) <= np.iinfo(np.int8).max
        codes = np.asarray(self._of_each).astype("int8" if few else "int64")
        return pd.Categorical.from_codes(codes, pd.Index(list(self._numbers), dtype="str"))


@dataclass(frozen=True)
class Seen:
    """What was read of the answers to texts, in their order.

    Attributes:
        labels: the label ids, -1 where an answer stated none.
        readings: how each was read, or why not.
        logprobs: see `tunebench.evaluation.rules.Decision`; empty where no answer has any.
        texts: the answers as they were given; empty where a rule asks more than once.
    """

    labels: array[int]
    readings: Readings
    logprobs: Sequence[Mapping[int, float] | None]
    texts: Sequence[str]

    @classmethod
    def of(cls, rule: Rule, answers: Sequence[Iterable[Answer]]) -> Seen:
        """Read answers, those of each round, one text after the other."""
        labels, readings = array("i"), Readings()
        logprobs: list[Mapping[int, float] | None] = []
        texts: list[str] = []
        asked = [_noted(answers[0], texts)] if len(answers) == 1 else answers
        for decision in rule.decide(asked):
            if decision.logprobs is not None:
                logprobs += [None] * (len(labels) - len(logprobs))
                logprobs.append(decision.logprobs)
            labels.append(-1 if decision.label is None else decision.label)
            readings.append(decision.reading)
        if logprobs:
            logprobs += [None] * (len(labels) - len(logprobs))
        return cls(labels, readings, logprobs, texts)


def _noted(answers: Iterable[Answer], texts: list[str]) -> Iterator[Answer]:
    for answer in answers:
        texts.append(intern(answer.text) if len(answer.text) <= _SHORT else answer.text)
        yield answer


def judge(
    items: Iterable[str],
    labels: Iterable[int],
    predictions: Sequence[int | None],
    readings: Readings | None = None,
) -> pd.DataFrame:
    """Judge one prediction for each text.

    Args:
        items: item ids.
        labels: the true label ids.
        predictions: the label ids that were read; None, or -1, where an answer stated no label.
        readings: how each was read, or why it states none; None where nothing was read.

    Returns:
        A frame with the columns ``item``, ``label``, ``prediction`` (nullable integer),
        ``correct`` (bool) and, if given, ``reading``, in the given order. An answer that states
        no label is not correct.
    """
    frame = pd.DataFrame(
        {
            "item": items if isinstance(items, pd.Series) else list(items),
            "label": labels if isinstance(labels, pd.Series) else list(labels),
            "prediction": _nullable(predictions),
        },
        copy=False,  # of what the data set has
    )
    frame["correct"] = (frame["prediction"] == frame["label"]).fillna(False).astype(bool)
    if readings is not None:
        frame["reading"] = readings.column
    return frame


def _nullable(predictions: Sequence[int | None]) -> pd.arrays.IntegerArray:
    """As ``pd.array(predictions, dtype="Int64")``, without an object for each."""
    known = (-1 if one is None else one for one in predictions)
    values = np.fromiter(known, dtype=np.int64, count=len(predictions))
    return pd.arrays.IntegerArray(values, values < 0)
