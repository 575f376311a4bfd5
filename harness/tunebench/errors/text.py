"""Text from elsewhere made safe to print: no control characters, CI commands or API keys."""

from __future__ import annotations

import base64
import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Control characters (C0 and C1), marks that change the writing direction, separators that some
# programs take for a line break, and lone surrogates, which UTF-8 cannot encode.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_BREAKS = re.compile("[\t\n\v\f\r\x85\u2028\u2029]+")
# At the start of a line (GitHub), and anywhere in one (GitHub's older form, Azure, TeamCity).
_COMMAND = re.compile(r"^(\s*):(?=:)")
_OLD_COMMAND = re.compile(r"#(?=#(?:vso|teamcity)?\[)", re.IGNORECASE)

# A shorter key is a placeholder, such as "none" or "x", that may occur in any text.
_SHORTEST_SECRET = 8
_secrets: set[str] = set()
# What a provider's program, a proxy or a log may break a long word with.
_BREAK = r"[\s\xad\u200b-\u200f\u2060\ufeff]*"


def keep_secret(value: str) -> None:
    """Register an API key, which is hidden from now on wherever text is printed or stored.

    Placeholders of fewer than eight characters are not hidden: they occur in ordinary words.
    """
    if len(value) >= _SHORTEST_SECRET:
        _secrets.add(value)


def hidden(text: str) -> str:
    """The text with ``***`` in place of each registered API key.

    A key is found as it is, with white space or invisible characters in it, with characters
    escaped as in a URL, in JSON or in HTML, and in Base64.
    """
    # A key may begin with another one.
    for secret in sorted(_secrets, key=len, reverse=True):
        if len(text) >= len(secret):
            text = _spellings(secret).sub("***", text)
    return text


@lru_cache(maxsize=64)
def _spellings(secret: str) -> re.Pattern[str]:
    """A pattern of all the ways to write a key that `hidden` finds."""
    return re.compile("|".join([_BREAK.join(map(_character, secret)), *_in_base64(secret)]))


def _character(character: str) -> str:
    """A pattern of a character as it is, and escaped."""
    code = ord(character)
    url = "".join(f"%{byte:02x}" for byte in character.encode(errors="surrogatepass"))
    escaped = rf"{url}|\\u{code:04x}|&#0*{code};|&#x0*{code:x};"
    return rf"(?:\\?{re.escape(character)}|(?i:{escaped}))"


def _in_base64(secret: str) -> Iterator[str]:
    """A key in Base64, whose letters depend on where in a group of three bytes it begins."""
    content = secret.encode(errors="surrogatepass")
    for before in range(3):
        whole = base64.b64encode(bytes(before) + content).decode().rstrip("=")
        # Its first and its last letter hold bits of its neighbours, too.
        own = whole[(0, 2, 3)[before] : len(whole) - bool((before + len(content)) % 3)]
        yield re.escape(own)
        yield re.escape(own.translate(str.maketrans("+/", "-_")))


def without_secrets(value: object) -> object:
    """The JSON value with each registered API key hidden, in names and values."""
    if not _secrets:
        return value
    if isinstance(value, str):
        return hidden(value)
    if isinstance(value, list):
        return [without_secrets(part) for part in value]
    if isinstance(value, dict):
        return {hidden(str(name)): without_secrets(part) for name, part in value.items()}
    return value


def printable(text: str) -> str:
    r"""The text as one line that is safe in a terminal and in a CI log, without API keys.

    Line breaks become a space, other control characters are written as ``\x1b``, and a workflow
    command such as ``::error`` or ``##[error]`` is broken by a space.
    """
    text = hidden(text)
    if text.isascii() and text.isprintable():
        if text.lstrip(" ")[:2] != "::" and "##" not in text:
            return text
    else:
        text = _UNSAFE.sub(_escaped, _BREAKS.sub(" ", text))
    return _OLD_COMMAND.sub("# ", _COMMAND.sub(r"\1: ", text))


def holds_control(text: str) -> bool:
    """Whether the text has control characters, or characters that UTF-8 cannot encode."""
    return _UNSAFE.search(text) is not None


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


def named_at(item: str, places: Mapping[str, str]) -> str:
    """An item with its place in the user's file, as ``3f24 (tickets.csv, line 12)``, if known."""
    return f"{item} ({places[item]})" if item in places else item
