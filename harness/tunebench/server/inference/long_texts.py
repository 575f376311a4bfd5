"""Texts far longer than a model reads: their end is never tokenized."""

from collections.abc import Callable

_CHARACTERS = 16  # × tokens: more than nearly all texts have


def beginning(text: str, tokens: int, fills: Callable[[str], bool]) -> str:
    """The text, or of a far longer one a beginning that decides what the model reads.

    A token depends on what follows it only nearby, within its word. So a beginning will do whose
    first half is already more than enough. Where much of a text makes few tokens, as long runs of
    spaces do, the beginning grows until it is enough, or is the whole text.

    Args:
        text: any text.
        tokens: that the model reads at the most.
        fills: whether a part of the text has enough tokens.
    """
    half = _CHARACTERS * tokens
    while 2 * half < len(text):
        if fills(text[:half]):
            return text[: 2 * half]
        half *= 4
    return text
