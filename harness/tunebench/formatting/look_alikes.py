"""Labels that look the same although their characters differ.

Such labels are one to their author and two to a program: a composed and a decomposed accent, a
zero-width space, a byte order mark, a no-break space, a full-width letter.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DIFFER_BY = "spaces, invisible characters or how a letter is encoded"

# Unicode's Default_Ignorable_Code_Point, and the control characters that are not white space.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
# NFKC would turn "10²" into the number 102; and it takes quadratic time for endless accents.
_PIECE = re.compile(r"[^\s²³¹⁰⁴-⁹₀-₉]{1,128}")
# Typewriter and typeset forms; a braille blank is a space. NFKC leaves these apart.
_SAME = str.maketrans("‐‑−’ʼ\u2800", "---'' ")


def look(text: str) -> str:
    """The visible form of a text, equal for texts that look the same.

    Invisible characters are dropped, each run of white space is one space, and letters, digits,
    hyphens and apostrophes have one form each (Unicode's normal form KC, but "10²" is not "102").
    """
    visible = _INVISIBLE.sub("", text)
    plain = visible
    if not visible.isascii():
        plain = _PIECE.sub(lambda piece: unicodedata.normalize("NFKC", piece[0]), visible)
    return " ".join(plain.translate(_SAME).split())


def twins(labels: Sequence[str], form: Callable[[str], str] = look) -> tuple[str, str] | None:
    """The first two labels that have the same form, or None."""
    seen: dict[str, str] = {}
    for label in labels:
        other = seen.setdefault(form(label), label)
        if other != label:
            return other, label
    return None


def shown(label: str, beside: str) -> str:
    r"""A label in quotes; if it looks like `beside`, what differs is escaped (``\u200b``)."""
    if look(label) != look(beside):
        return repr(label)
    return "".join(
        c.encode("ascii", "backslashreplace").decode()
        if _INVISIBLE.match(c) or c not in beside + "'\"\\"
        else c
        for c in repr(label)
    )
