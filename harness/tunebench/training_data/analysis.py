"""Common properties of the rows of a training file: ends, case, task, classes."""

from __future__ import annotations

import re
import sys
from collections import Counter
from os.path import commonprefix
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tunebench.training_data.rows import Rows

Task = Literal["classification", "generation", "open-ended"]

# Completions are classes if each has more rows than this on average.
ROWS_PER_CLASS = 3

SEPARATORS = (" ->", "\n\n###\n\n", "\n\n===\n\n", "\n\n---\n\n", "\n\n===>\n\n", "\n\n--->\n\n")
LAST_SEPARATOR = "\n\n### =>\n\n"
ALL_SEPARATORS = (*SEPARATORS, LAST_SEPARATOR)
BLANK_PROMPTS = frozenset(s.strip() for s in (*ALL_SEPARATORS, ""))
COMPLETION_ENDINGS = ("\n", ".", " END", "***", "+++", "&&&", "$$$", "@@@", "%%%")

_SEPARATES = re.compile(r"[>#=:|→⇒\]*_~-]\s*\Z|\n")
_BATCH = 1000  # texts
_AFFIRMATIVE = ("positive", "pos", "yes", "y", "true", "1", "+1", "+")
_NEGATION = re.compile(r"(?:not|non|no)(?:[\s_-]+|(?=[a-z]))|un|in|ir|il|im|dis")


def infer_task(rows: Rows) -> Task:
    """The task of the rows: open-ended without prompts, classification if completions recur."""
    if rows.chat is None and all(prompt.strip() in BLANK_PROMPTS for prompt in rows.prompts):
        return "open-ended"
    different = len(set(rows.completions))
    return "classification" if different * ROWS_PER_CLASS < len(rows) else "generation"


def common_beginning(texts: Iterable[str]) -> str:
    """The longest beginning of all texts."""
    return commonprefix(list(texts))  # noqa: RUF071 - character by character, as it must be


def common_ending(texts: Sequence[str]) -> str:
    """The longest ending of all texts."""
    shared = texts[0]
    for text in texts:
        if not text.endswith(shared):
            shared = common_beginning([shared[::-1], text[::-1]])[::-1]
    return shared


def is_separator(ending: str, texts: Sequence[str]) -> bool:
    """Whether the common ending of the prompts shows a model that the prompt is over.

    It does if it ends with a mark that separates (as ``->``, ``###`` or ``:``) or holds a line
    break. A full stop, a quotation mark, a letter or a digit ends a sentence, not a prompt. White
    space alone does it only if it holds a line break and is nowhere else in a prompt.
    """
    if not _SEPARATES.search(ending):
        return False
    return bool(ending.strip()) or not stands_before_the_end(ending, texts)


def separator_of(texts: Sequence[str]) -> str:
    """The end that a new prompt needs: the known separator of all prompts, or all they share.

    A common end of the texts before a known separator is not part of it.
    """
    ending = common_ending(texts)
    return next((known for known in ALL_SEPARATORS if ending.endswith(known)), ending)


def stands_before_the_end(ending: str, texts: Sequence[str]) -> bool:
    """Whether the ending of all texts is also earlier in one of them."""
    return any(text.find(ending) != len(text) - len(ending) for text in texts)


def mostly_upper(texts: Sequence[str]) -> bool:
    """Whether more than a third of the cased letters are capitals that have a small form."""
    import numpy as np

    counts = np.zeros(sys.maxunicode + 1, dtype=np.int64)
    for start in range(0, len(texts), _BATCH):
        joined = "".join(texts[start : start + _BATCH])
        found = np.bincount(np.frombuffer(joined.encode("utf-32-le"), np.uint32))
        counts[: len(found)] += found
    upper = lower = 0
    for code in np.flatnonzero(counts).tolist():
        character = chr(code)
        if character.isalpha():
            upper += int(counts[code]) * (character.isupper() and character.lower() != character)
            lower += int(counts[code]) * character.islower()
    return upper * 2 > lower


def classes_of(rows: Rows) -> dict[str, int]:
    """Rows of each label (the completion without the space before it), most first."""
    counts: Counter[str] = Counter()
    for completion, n in Counter(rows.completions).most_common():
        counts[completion.removeprefix(" ")] += n
    return dict(counts)


def positive_class(counts: dict[str, int]) -> tuple[str, str]:
    """Which of two classes is the positive one, and why.

    The one whose name affirms (``positive``, ``yes``, ``true``, ``1``, …); else the one that the
    other's name negates (``spam`` of ``not spam``); else the rarer; else the later by alphabet.
    Which class is more frequent does not show which one the task looks for.
    """
    names = sorted(counts)
    plain = [name.strip().lower() for name in names]
    for i in (0, 1):
        if plain[i] in _AFFIRMATIVE and plain[1 - i] not in _AFFIRMATIVE:
            return names[i], "its name affirms"
    for i in (0, 1):
        negated = _NEGATION.match(plain[1 - i])
        if negated and plain[1 - i][negated.end() :] == plain[i]:
            return names[i], f"{names[1 - i]!r} negates it"
    if counts[names[0]] != counts[names[1]]:
        return min(names, key=lambda name: counts[name]), "it is the rarer"
    return names[1], "both are as frequent and it is the later by alphabet"
