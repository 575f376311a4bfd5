"""Content that a cassette must not hold: texts of the data set, and secrets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Shorter texts, such as a label sent to ``/tokenize``, are often part of an answer.
_MIN_CHARACTERS = 40

_SECRET = re.compile(
    r"(?<![A-Za-z0-9_-])sk-[A-Za-z0-9_-]{16,}"  # a key as OpenAI and others make them
    r"|\bBearer +[A-Za-z0-9._~+/-]{8,}"
)


class LongTexts:
    """The texts that do not stand in an answer by chance: of 40 characters or more.

    They are gone through again for each answer that is as long, and not kept.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = texts

    def __iter__(self) -> Iterator[str]:
        return (text for text in self._texts if len(text) >= _MIN_CHARACTERS)


def long_texts(texts: Iterable[str]) -> list[str]:
    """The texts that do not stand in an answer by chance: of 40 characters or more."""
    return [text for text in texts if len(text) >= _MIN_CHARACTERS]


def repeats(value: Any, texts: Iterable[str]) -> bool:
    """Whether any string in a JSON value holds one of the texts, of 40 characters or more."""
    if isinstance(value, str):
        # Called for each stored string and each text of the data set: most are shorter than any.
        return len(value) >= _MIN_CHARACTERS and any(text in value for text in texts)
    if isinstance(value, list):
        return any(repeats(part, texts) for part in value)
    if isinstance(value, dict):
        return any(repeats(part, texts) for part in (*value, *value.values()))
    return False


def holds_secret(text: str, keys: Iterable[str] = ()) -> bool:
    """Whether a text holds what looks like an API key, or one of some known keys."""
    return bool(_SECRET.search(text)) or any(key in text for key in keys)
