"""What can be said of rows by looking at them: shared ends, case, repeats, task, classes."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from tunebench.formatting import AnswerFormat

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tunebench.training_data.rows import Rows

Task = Literal["classification", "generation", "open-ended"]

# A class has more rows than this on average, or the completions are no classes.
ROWS_PER_CLASS = 3

SEPARATORS = (" ->", "\n\n###\n\n", "\n\n===\n\n", "\n\n---\n\n", "\n\n===>\n\n", "\n\n--->\n\n")
LAST_SEPARATOR = "\n\n### =>\n\n"
ALL_SEPARATORS = (*SEPARATORS, LAST_SEPARATOR)
NOTHING = frozenset(s.strip().encode() for s in (*ALL_SEPARATORS, ""))
COMPLETION_ENDINGS = ("\n", ".", " END", "***", "+++", "&&&", "$$$", "@@@", "%%%")

_SEPARATES = re.compile(r"[>#=:|→⇒\]*_~-]\s*\Z|\n")
_BATCH = 1 << 20  # bytes counted at a time


def infer_task(rows: Rows) -> Task:
    """What the rows teach: open-ended without prompts, classification if completions recur."""
    if rows.chat is None and all(prompt.strip() in NOTHING for prompt in rows.prompts):
        return "open-ended"
    different = len(set(rows.completions))
    return "classification" if different * ROWS_PER_CLASS < len(rows) else "generation"


def common_beginning(texts: Sequence[bytes]) -> str:
    """The longest beginning of all texts, in whole characters."""
    shared = texts[0]
    for text in texts:
        while not text.startswith(shared):
            shared = shared[: _alike(shared, text)]
    return shared.decode(errors="ignore")


def common_ending(texts: Sequence[bytes]) -> str:
    """The longest ending of all texts, in whole characters."""
    shared = texts[0]
    for text in texts:
        if not text.endswith(shared):
            shared = shared[len(shared) - _alike(shared[::-1], text[::-1]) :]
    return shared.decode(errors="ignore")


def _alike(one: bytes, other: bytes) -> int:
    """How many bytes both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))


def is_separator(ending: str, texts: Sequence[bytes]) -> bool:
    """Whether the prompts' common ending tells a model that the prompt is over.

    It does if it ends in a mark that sets things apart (as ``->``, ``###`` or ``:``) or holds a
    line break. A full stop, a quotation mark, a letter or a digit ends a sentence, not a prompt.
    White space alone does it only if it holds a line break and stands nowhere else.
    """
    if not _SEPARATES.search(ending):
        return False
    return bool(ending.strip()) or not stands_before_the_end(ending, texts)


def separator_of(texts: Sequence[bytes]) -> str:
    """What to end a prompt with when asking: the known separator of all prompts, or all they share.

    What the texts themselves happen to end with, before a known separator, is no part of it.
    """
    ending = common_ending(texts)
    return next((known for known in ALL_SEPARATORS if ending.endswith(known)), ending)


def stands_before_the_end(ending: str, texts: Sequence[bytes]) -> bool:
    """Whether the ending of all texts also stands earlier in one of them."""
    end = ending.encode()
    return any(text.find(end) != len(text) - len(end) for text in texts)


def mostly_upper(texts: Sequence[bytes]) -> bool:
    """Whether more than a third of the cased letters are capitals that have a small form."""
    counts = np.zeros(0x110000, dtype=np.int64)
    for batch in _batches(texts):
        if batch.isascii():
            found = np.bincount(np.frombuffer(batch, np.uint8))
        else:
            found = np.bincount(np.frombuffer(batch.decode().encode("utf-32-le"), np.uint32))
        counts[: len(found)] += found
    upper = lower = 0
    for code in np.flatnonzero(counts).tolist():
        character = chr(code)
        if character.isalpha():
            upper += int(counts[code]) * (character.isupper() and character.lower() != character)
            lower += int(counts[code]) * character.islower()
    return upper * 2 > lower


def _batches(texts: Sequence[bytes]) -> Iterator[bytes]:
    batch: list[bytes] = []
    size = 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if size >= _BATCH:
            yield b"".join(batch)
            batch, size = [], 0
    yield b"".join(batch)


def firsts(rows: Rows) -> bytearray:
    """A flag a row: whether no earlier row has its prompt and its completion.

    Rows are compared only where their hashes agree, so that no table of all rows is needed.
    """
    pairs = zip(rows.prompts, rows.completions, strict=True)
    hashes = np.fromiter((hash(pair) for pair in pairs), dtype=np.int64, count=len(rows))
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    same = np.flatnonzero(ordered[1:] == ordered[:-1])
    flags = bytearray(b"\1") * len(rows)
    seen: dict[tuple[bytes, bytes], int] = {}
    for place in same.tolist():
        for position in (int(order[place]), int(order[place + 1])):
            pair = rows.prompts[position], rows.completions[position]
            flags[position] = seen.setdefault(pair, position) == position
    return flags


def repeated_prompts(rows: Rows) -> int:
    """How many rows have the prompt of another row; by hash, so that no table is needed."""
    hashes = np.fromiter(map(hash, rows.prompts), dtype=np.int64, count=len(rows))
    return len(rows) - len(np.unique(hashes))


@dataclass(frozen=True)
class Classes:
    """The classes of a classification file.

    Attributes:
        counts: rows of each label (the completion without the space before it), most first.
        stop: where an answer is to stop: what all labels end with, or the end of the line.
        positive: with two classes, the one that precision and recall are said of.
        reason: why that one.
    """

    counts: dict[str, int]
    stop: str
    positive: str | None
    reason: str


def classes_of(rows: Rows) -> Classes:
    """Count the classes and suggest a stop and a positive class."""
    counted = Counter(rows.completions)
    counts: dict[str, int] = {}
    for completion, n in counted.most_common():
        label = completion.decode().removeprefix(" ")
        counts[label] = counts.get(label, 0) + n
    positive, reason = positive_class(counts) if len(counts) == 2 else (None, "")
    return Classes(counts, AnswerFormat.of(list(counts)).stop[0], positive, reason)


_AFFIRMATIVE = ("positive", "pos", "yes", "y", "true", "1", "+1", "+")
_NEGATION = re.compile(r"(?:not|non|no)(?:[\s_-]+|(?=[a-z]))|un|in|ir|il|im|dis")


def positive_class(counts: dict[str, int]) -> tuple[str, str]:
    """Which of two classes is the positive one, and why.

    The one whose name affirms (``positive``, ``yes``, ``true``, ``1``, …); else the one that the
    other's name negates (``spam`` of ``not spam``); else the rarer; else the later by alphabet.
    The more frequent class says nothing about which one is looked for.
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
