"""Common properties of the rows of a training file: ends, case, task, classes."""

from __future__ import annotations

import re
import sys
from collections import Counter
from typing import TYPE_CHECKING, Literal

from tunebench.formatting import (
    ALL_SEPARATORS as ALL_SEPARATORS,
)
from tunebench.formatting import (
    BLANK_PROMPTS as BLANK_PROMPTS,
)
from tunebench.formatting import (
    COMPLETION_ENDINGS as COMPLETION_ENDINGS,
)
from tunebench.formatting import (
    LAST_SEPARATOR as LAST_SEPARATOR,
)
from tunebench.formatting import (
    SEPARATORS as SEPARATORS,
)
from tunebench.formatting import (
    common_beginning as common_beginning,
)
from tunebench.formatting import (
    common_ending as common_ending,
)
from tunebench.formatting import (
    is_separator as is_separator,
)
from tunebench.formatting import (
    separator_of as separator_of,
)
from tunebench.formatting import (
    stands_before_the_end as stands_before_the_end,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunebench.training_data.rows import Rows

Task = Literal["classification", "generation", "open-ended"]

# Completions are classes if each has more rows than this on average.
ROWS_PER_CLASS = 3

_BATCH = 1000  # texts
_AFFIRMATIVE = ("positive", "pos", "yes", "y", "true", "1", "+1", "+")
_NEGATION = re.compile(r"(?:not|non|no)(?:[\s_-]+|(?=[a-z]))|un|in|ir|il|im|dis")


def infer_task(rows: Rows) -> Task:
    """The task of the rows: open-ended without prompts, classification if completions recur."""
    if rows.chat is None and all(prompt.strip() in BLANK_PROMPTS for prompt in rows.prompts):
        return "open-ended"
    different = len(set(rows.completions))
    return "classification" if different * ROWS_PER_CLASS < len(rows) else "generation"


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
