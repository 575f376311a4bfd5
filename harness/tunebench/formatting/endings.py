"""What the texts of a training file begin and end with: separators of prompts, stop sequences."""

from __future__ import annotations

import re
from os.path import commonprefix
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SEPARATORS = (" ->", "\n\n###\n\n", "\n\n===\n\n", "\n\n---\n\n", "\n\n===>\n\n", "\n\n--->\n\n")
LAST_SEPARATOR = "\n\n### =>\n\n"
ALL_SEPARATORS = (*SEPARATORS, LAST_SEPARATOR)
BLANK_PROMPTS = frozenset(s.strip() for s in (*ALL_SEPARATORS, ""))
COMPLETION_ENDINGS = ("\n", ".", " END", "***", "+++", "&&&", "$$$", "@@@", "%%%")

_SEPARATES = re.compile(r"[>#=:|→⇒\]*_~-]\s*\Z|\n")


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
