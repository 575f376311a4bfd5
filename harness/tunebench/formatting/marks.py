"""Prompts and completions as texts and labels: without the marks that a training file needs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tunebench.formatting.endings import (
    ALL_SEPARATORS,
    COMPLETION_ENDINGS,
    common_ending,
    is_separator,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

# What follows the text in a separator that is not a usual one: lines, a word with a colon, or
# other marks. What the texts themselves have in common before it stays.
_UNUSUAL = re.compile(r"\s*\n.*\Z|\s+\w+\s?:\s*\Z|\s*[^\w\s.,;!?)\]}\"'’”]{2,}\s*\Z", re.DOTALL)
_LONGEST = 200  # characters of a separator
_ENDINGS = ("###", "[END]", "<|endoftext|>", "</s>", *COMPLETION_ENDINGS)


def without_marks(
    prompts: Sequence[str], completions: Sequence[str]
) -> tuple[list[str], list[str], str, str]:
    """Texts and labels of prompts and completions; then the separator and the ending cut off.

    The separator is what all prompts end with, if that separates: a usual one such as an arrow, or
    another one such as a last line ``Label:``. The ending is a usual stop sequence of all
    completions. White space around a completion is not part of its label.
    """
    separator = _separator(prompts)
    texts = [prompt.removesuffix(separator) for prompt in prompts]
    bare = [completion.strip() for completion in completions]
    ending = _ending(sorted(set(bare)))
    labels = [label.removesuffix(ending).rstrip() for label in bare]
    return texts, labels, separator, ending


def lacks_separator(prompts: Sequence[str]) -> tuple[int, str] | None:
    """The position of the first prompt without the usual separator that most have, and that."""
    for separator in ALL_SEPARATORS:
        ends = [prompt.endswith(separator) for prompt in prompts]
        if len(ends) / 2 < sum(ends) < len(ends):
            return ends.index(False), separator
    return None


def _separator(prompts: Sequence[str]) -> str:
    shared = common_ending(prompts)
    for known in ALL_SEPARATORS:
        if shared.endswith(known):
            return known
    if not is_separator(shared, prompts):
        return ""
    found = _UNUSUAL.search(shared[-_LONGEST:])
    return found[0] if found else ""


def _ending(labels: Sequence[str]) -> str:
    for ending in _ENDINGS:
        cut = {label.removesuffix(ending).rstrip() for label in labels}
        if all(label.endswith(ending) for label in labels) and len(cut) == len(labels):
            return "" if "" in cut else ending
    return ""
