"""How an answer in words is read: by which rule it states a label, or why it states none.

``exact``
    It is the label, as the article reads it (`AnswerFormat.read`).
``casefolded``
    It is the label but for case, white space, quotation or emphasis marks around it and
    punctuation at its end.
``mentioned``
    It mentions exactly one of the labels as a whole word. Where one label lies within another that
    is mentioned, as "positive" in "very positive", only the longer one is. What a sentence denies
    ("not positive") is mentioned all the same.

An answer that begins by declining ("I'm sorry, but I can't …") is not searched for a label. One
that none of the rules reads is counted as a ``refusal``, ``empty``, ``several`` (labels are
mentioned), ``cut off`` (it was to be searched, and ended at the token limit) or ``chatter``.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from harness.formatting.prompts import AnswerFormat, FormatError

if TYPE_CHECKING:
    from collections.abc import Sequence

ReadingRule = Literal["exact", "casefolded", "mentioned"]

_AROUND = " \t\r\n\"'`*_“”„‘’‚«»‹›「」『』()[]"
_AT_THE_END = _AROUND + ".,;:!?…。！？，、；："

_DECLINES = re.compile(
    r"(?:(?:i'm|i am|we're|we are)? ?(?:so|very|truly)? ?sorry|(?:my )?apologies|i apologi[sz]e"
    r"|unfortunately|as an? [^,.]{1,40})?[\s,.;:!–—-]*(?:but |however,? )?"
    r"(?:i|we)(?: (?:cannot|can't|can not|could not|couldn't|won't|will not|must decline|decline)"
    r"|(?:'m| am|'re| are) (?:unable|not able|not allowed|not permitted))\b"
)
_APOLOGIZES = re.compile(r"(?:(?:i'm|i am|we're|we are) )?sorry\b|i apologi[sz]e\b|as an? ai\b")


@dataclass(frozen=True)
class Reader:
    """Reads answers by the rules of a task.

    Attributes:
        answers: the labels.
        rules: in the order in which they are tried.
    """

    answers: AnswerFormat
    rules: tuple[ReadingRule, ...]

    def read(
        self, text: str, *, refused: bool = False, cut_off: bool = False
    ) -> tuple[int | None, str]:
        """The label id that an answer states, or None, and how it was read.

        Args:
            text: the answer.
            refused: whether the provider itself calls it a refusal.
            cut_off: whether it ended at the token limit.
        """
        if refused:
            return None, "refusal"
        for rule in self.rules:
            label = self._by(rule, text)
            if label is not None:
                return label, rule
        return None, self._why_none(text, cut_off)

    def _by(self, rule: ReadingRule, text: str) -> int | None:
        if rule == "exact":
            return self.answers.read(text)
        if rule == "casefolded":
            bare = [_bare(label) for label in self.answers.labels]
            return bare.index(_bare(text)) if _bare(text) in bare else None
        mentioned = self._mentioned(text)
        return mentioned[0] if len(mentioned) == 1 and not _DECLINES.match(_bare(text)) else None

    def _mentioned(self, text: str) -> list[int]:
        return _mentioned(_folded(text), [_folded(label) for label in self.answers.labels])

    def _why_none(self, text: str, cut_off: bool) -> str:
        bare = _bare(text)
        if _DECLINES.match(bare) or _APOLOGIZES.match(bare):
            return "refusal"
        if len(self._mentioned(text)) > 1:
            return "several"
        # An answer that must be the label and nothing else is none, wherever it was stopped.
        if cut_off and "mentioned" in self.rules:
            return "cut off"
        return "chatter" if text.strip() else "empty"


def check_readable(labels: Sequence[str], rules: Sequence[ReadingRule]) -> None:
    """Refuse labels that the reading rules cannot tell apart.

    Raises:
        FormatError: two labels are the same to a rule, or nothing is left of one.
    """
    for rule, form in (("casefolded", _bare), ("mentioned", _folded)):
        if rule not in rules:
            continue
        seen: dict[str, str] = {}
        for label in labels:
            plain = form(label)
            if not plain:
                raise FormatError(
                    f"nothing is left of the label {label!r} without marks and punctuation, so "
                    f"the reading rule {rule!r} cannot find it: rename it, or take that rule out "
                    "of `reading`."
                )
            if plain in seen:
                raise FormatError(
                    f"the labels {seen[plain]!r} and {label!r} are the same to the reading rule "
                    f"{rule!r}: rename one, or take that rule out of `reading`."
                )
            seen[plain] = label


def _folded(text: str) -> str:
    """Without differences of case, of form (as of full width) and of white space."""
    plain = unicodedata.normalize("NFKC", text).replace("’", "'")
    return " ".join(unicodedata.normalize("NFKC", plain.casefold()).split())


def _bare(text: str) -> str:
    """Folded, and without what stands around a label."""
    return _folded(text.lstrip(_AROUND).rstrip(_AT_THE_END)).lstrip(_AROUND).rstrip(_AT_THE_END)


def _mentioned(text: str, labels: Sequence[str]) -> list[int]:
    """The ids of the labels that stand in a text as whole words, none within a longer one."""
    taken: list[tuple[int, int]] = []
    found = []
    for label in sorted(range(len(labels)), key=lambda i: -len(labels[i])):
        spans = [
            match.span()
            for match in re.finditer(re.escape(labels[label]), text)
            if _is_whole(text, *match.span())
            and not any(start <= match.start() and match.end() <= end for start, end in taken)
        ]
        if spans:
            found.append(label)
            taken += spans
    return sorted(found)


def _is_whole(text: str, start: int, end: int) -> bool:
    """Whether a part of a text is no part of a longer word, also of one with a hyphen."""
    before, after = text[max(0, start - 2) : start][::-1], text[end : end + 2]
    for edge, beyond in ((text[start], before), (text[end - 1], after)):
        # Chinese and Japanese set no spaces between words.
        if unicodedata.east_asian_width(edge) == "W":
            continue
        if beyond and _in_word(beyond[0]):
            return False
        if len(beyond) == 2 and beyond[0] in "-‐‑" and _in_word(beyond[1]):
            return False
    return True


def _in_word(character: str) -> bool:
    # Marks belong to the letter before them: the vowel signs of Hindi, for one.
    return character.isalnum() or character == "_" or unicodedata.category(character)[0] == "M"
