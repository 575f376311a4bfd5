"""Reading of an answer in words: by which rule it states a label, or why it states none.

``exact``
    It is the label, as the article reads it (`AnswerFormat.read`).
``casefolded``
    It is the label except for case, white space, quotation or emphasis marks around it and
    punctuation at its end.
``json``
    It holds a JSON object with the key ``label``, whose value is the label, exactly or casefolded:
    ``{"label": "Positive", "why": "…"}``. Text and code fences around it and other keys do not
    matter. Objects within objects are not looked at, and several objects must state the same.
``mentioned``
    It mentions exactly one of the labels as a whole word or number
    (`tunebench.formatting.mentions`).
    Where one label is part of another that is mentioned, as "positive" in "very positive", only
    the longer one counts. A label that a sentence denies ("not positive") is mentioned, too.

Only the text after a model's thoughts is read (`tunebench.formatting.thoughts`).

An answer that begins by declining ("I'm sorry, but I can't …") is not searched for a label; nor,
with the rule ``json``, is one whose JSON object states something that is not a label. An answer
that no rule can read is counted as a ``refusal``, ``empty``, ``several`` (labels are mentioned, or
stated by objects), ``cut off`` (a thought was not finished, or the answer had to be searched and
ended at the token limit) or ``chatter`` (any other text, as when a model explains instead of
naming a label).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from tunebench.errors import ExperimentError
from tunebench.formatting.look_alikes import twins
from tunebench.formatting.mentions import folded, mentioned
from tunebench.formatting.thoughts import behind_thoughts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunebench.formatting.prompts import AnswerFormat

ReadingRule = Literal["exact", "casefolded", "json", "mentioned"]

_AROUND = " \t\r\n\"'`*_“”„‘’‚«»‹›「」『』()[]"
_AT_THE_END = _AROUND + ".,;:!?…。！？，、；："

# These match at the beginning only; each has at most one part that may be long.
_DECLINES = re.compile(
    r"(?:(?:i'm|i am|we're|we are)? ?(?:so|very|truly)? ?sorry|(?:my )?apologies|i apologi[sz]e"
    r"|unfortunately|as an? [^,.]{1,40})?[\s,.;:!–—-]*(?:but |however,? )?"
    r"(?:i|we)(?: (?:cannot|can't|can not|could not|couldn't|won't|will not|must decline|decline)"
    r"|(?:'m| am|'re| are) (?:unable|not able|not allowed|not permitted))\b"
)
_APOLOGIZES = re.compile(r"(?:(?:i'm|i am|we're|we are) )?sorry\b|i apologi[sz]e\b|as an? ai\b")

# Numbers stay as they are written: 3.0 is not the label 3.
_DECODER = json.JSONDecoder(
    object_pairs_hook=tuple, parse_int=str, parse_float=str, parse_constant=str
)
_BRACE = re.compile("{")
_STRING_OR_BRACE = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*+"?|[{}]')


@dataclass(frozen=True)
class Reader:
    """Reads answers by the rules of a task.

    Attributes:
        answers: the labels.
        rules: the rules, in the order in which they are tried.
    """

    answers: AnswerFormat
    rules: tuple[ReadingRule, ...]

    def read(
        self, text: str, *, refused: bool = False, cut_off: bool = False
    ) -> tuple[int | None, str]:
        """The label id that an answer states, or None, and how it was read."""
        if refused:
            return None, "refusal"
        said = behind_thoughts(text)
        if said is None:
            return None, "cut off"
        plain = folded(said)
        stated = self._stated(said) if "json" in self.rules else set()
        for rule in self.rules:
            label = self._by(rule, said, plain, stated)
            if label is not None:
                return label, rule
        return None, self._why_none(plain, stated, cut_off)

    def _by(self, rule: ReadingRule, text: str, plain: str, stated: set[int | None]) -> int | None:
        if rule == "exact":
            return self.answers.read(text)
        if rule == "casefolded":
            return self._casefolded(plain)
        if rule == "json":
            return next(iter(stated)) if len(stated) == 1 else None
        if stated or _DECLINES.match(_bare(plain)):
            return None
        found = mentioned(plain, self._folded_labels)
        return found[0] if len(found) == 1 else None

    @cached_property
    def _folded_labels(self) -> list[str]:
        return [folded(label) for label in self.answers.labels]

    @cached_property
    def _bare_labels(self) -> list[str]:
        return [_bare_label(label) for label in self.answers.labels]

    def _casefolded(self, plain: str) -> int | None:
        bare = _bare(plain)
        return self._bare_labels.index(bare) if bare in self._bare_labels else None

    def _stated(self, text: str) -> set[int | None]:
        """The ids of the labels that JSON objects state, with None for other values."""
        labels = self.answers.labels
        return {
            labels.index(value) if value in labels else self._casefolded(folded(value))
            for value in _values(text)
        }

    def _why_none(self, plain: str, stated: set[int | None], cut_off: bool) -> str:
        bare = _bare(plain)
        if _DECLINES.match(bare) or _APOLOGIZES.match(bare):
            return "refusal"
        if len(stated - {None} if stated else mentioned(plain, self._folded_labels)) > 1:
            return "several"
        # An answer that must be the label and nothing else is chatter, wherever it was stopped.
        if cut_off and {"json", "mentioned"} & set(self.rules):
            return "cut off"
        return "chatter" if plain else "empty"


def check_readable(labels: Sequence[str], rules: Sequence[ReadingRule]) -> None:
    """Refuse labels that the reading rules cannot find or tell apart.

    Raises:
        ExperimentError: one holds the mark of a thought, a rule sees two as the same, or it sees
            nothing of one.
    """
    for label in labels:
        if behind_thoughts(label) != label:
            problem = f"the label {label!r} holds a mark with which a model's thoughts begin or end"
            raise ExperimentError(f"{problem}, and those are not read", hint="rename it")
    for rule in rules:
        if rule == "exact":
            continue
        form = folded if rule == "mentioned" else _bare_label
        for label in labels:
            if not form(label):
                raise ExperimentError(
                    f"nothing is left of the label {label!r} without marks and punctuation, so "
                    f"the reading rule {rule!r} cannot find it",
                    hint="rename it, or take that rule out of `reading`",
                )
        if alike := twins(labels, form):
            raise ExperimentError(
                f"the labels {alike[0]!r} and {alike[1]!r} are the same to the reading rule "
                f"{rule!r}",
                hint="rename one, or take that rule out of `reading`",
            )


def _bare(plain: str) -> str:
    """A folded text without the marks around a label."""
    return plain.lstrip(_AROUND).rstrip(_AT_THE_END)


def _bare_label(label: str) -> str:
    return _bare(folded(label))


def _values(text: str) -> list[str]:
    """The values of the key ``label`` in the outermost JSON objects of a text.

    A value that is neither a string, a number nor a boolean is "".
    """
    values: list[str] = []
    for start, end in _braces(text):
        try:
            pairs = _DECODER.decode(text[start:end])
        except (ValueError, RecursionError):
            continue
        values += [_written(value) for key, value in pairs if key == "label"]
    return values


def _braces(text: str) -> list[tuple[int, int]]:
    """Where the outermost braces open and close again."""
    found: list[tuple[int, int]] = []
    begun: list[int] = []
    end = 0
    # Outside braces a quotation mark does not begin a JSON string.
    while mark := (_STRING_OR_BRACE if begun else _BRACE).search(text, end):
        end = mark.end()
        if mark[0] == "{":
            begun.append(mark.start())
        elif mark[0] == "}":
            start = begun.pop()
            while found and found[-1][0] > start:
                found.pop()
            found.append((start, end))
    return found


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else ""
