"""Cutting of long texts at a word boundary."""

from __future__ import annotations

from typing import Literal

Keep = Literal["start", "end"]


def shortened(text: str, most: int, keep: Keep = "start") -> str:
    """A text of at most `most` characters: its beginning or its end, in whole words.

    A text that is short enough is returned as it is. A word that is itself longer than half of the
    limit, and a script without spaces, are cut anywhere.
    """
    if len(text) <= most:
        return text
    if keep == "end":
        return shortened(text[::-1], most)[::-1]
    bare = text.lstrip()
    part = bare[:most]
    if len(bare) > most and not bare[most].isspace() and not part[-1].isspace():
        *words, torn = part.rsplit(maxsplit=1)
        if words and len(torn) <= most / 2:
            part = words[0]
    return part.rstrip()
