"""Labels that a text mentions as whole words or numbers.

Words end at Unicode's word boundaries (UAX #29), except that a hyphen, ``&``, ``@`` and ``+`` join
the words around them: ``non-positive``, ``positive's``, ``cat.py`` and ``cat@home.org`` mention
neither ``positive`` nor ``cat``. An address with ``://`` is one word, and so are ``n/a`` and the
marks ``A-`` and ``A+``.

A number includes its sign, decimals, groups of digits, exponent, fraction, range, time and per cent
sign. So ``-1``, ``.1``, ``3.1``, ``1,000``, ``1 000``, ``1e-5``, ``1/5``, ``1-2``, ``1:30``, ``1%``
and ``1+`` do not mention ``1``. ``1.``, ``1)``, ``#1``, ``$1`` and ``+1`` do.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

from tunebench.formatting.look_alikes import look

if TYPE_CHECKING:
    from collections.abc import Sequence

# A word or number in a text's shape. Every part must take linear time: texts are foreign.
_WHOLE = re.compile(
    r"""
      [a-z0-9]++://\S*+                                # an address
    | (?: -\$?\.?(?=[0-9]) | (?<![a-z0-9.])\.(?=[0-9]) )?  # a sign, a currency, a decimal point
      [a-z0-9]++
      (?:
        (?: [-@&+] | _++
          | (?<=[a-z])\.(?=[a-z])
          | (?<=[0-9])(?:\.{1,3}|[,:'*^]|[ ]?/[ ]?)(?=[0-9])
          | (?<=[0-9])[ ](?=[0-9]{3}(?![a-z0-9])|[0-9]++/[0-9])
          | '(?=[a-z0-9]{1,2}(?![a-z0-9]))
          | (?<=\b[a-z])/ | /(?=[a-z]\b)               # n/a, w/o; not yes/no
        )
        [a-z0-9]++
      )*+
      (?: [ ]?% | \++ | (?<=\b[a-z])[-#]               # 10%, 18+, A-, C#
        | (?:(?<=\b[a-z])|(?<=\b[a-z]{2}))'(?=[a-z]{3})  # the article of l'amour; not amour
      )?
    """,
    re.VERBOSE,
)
_FOREIGN_DIGIT = re.compile(r"(?![0-9])\d")
_DASH_AS_MINUS = re.compile("[–‒➖](?=[0-9])")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_SHAPES = {"٪": "%", "‰": "%", "٫": ".", "·": ".", "٬": ",", "⁄": "/", "∕": "/", "×": "*"}


def folded(text: str) -> str:
    """A text without differences of looks, case, minus signs and digits of scripts."""
    plain = look(look(text).casefold())
    plain = _FOREIGN_DIGIT.sub(lambda digit: str(unicodedata.digit(digit[0])), plain)
    return _DASH_AS_MINUS.sub("-", plain)


def mentioned(text: str, labels: Sequence[str]) -> list[int]:
    """The ids of the labels that a text mentions, without those inside longer ones.

    Text and labels are folded.
    """
    inside = bytearray(len(text) + 1)  # whether a word goes on there
    for whole in _WHOLE.finditer(_NOT_ASCII.sub(lambda other: _shape(other[0]), text)):
        inside[whole.start() + 1 : whole.end()] = b"\1" * (whole.end() - whole.start() - 1)
    taken = bytearray(len(text))
    found: list[int] = []
    for label in sorted(range(len(labels)), key=lambda i: -len(labels[i])):
        name = labels[label]
        start = text.find(name)
        while start >= 0:
            end = start + len(name)
            if inside[start] or inside[end] or taken.find(0, start, end) < 0:
                start = text.find(name, start + 1)
                continue
            taken[start:end] = b"\1" * len(name)
            if label not in found[-1:]:
                found.append(label)
            start = text.find(name, end)
    return sorted(found)


@lru_cache(maxsize=4096)
def _shape(character: str) -> str:
    """The role of a character in a word: a letter, a mark that may join, or ``|``, a boundary."""
    kind = unicodedata.category(character)
    # Marks belong to the letter before them, as the vowel signs of Hindi do; a keycap's frame not.
    if character.isalnum() or kind in {"Mn", "Mc"}:
        # Chinese and Japanese have no spaces between words; their numerals form numbers.
        wide = unicodedata.east_asian_width(character) == "W"
        return "|" if wide and unicodedata.numeric(character, None) is None else "a"
    return "$" if kind == "Sc" else _SHAPES.get(character, "|")
