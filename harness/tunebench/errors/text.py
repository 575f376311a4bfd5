"""Text from elsewhere made safe to print: no control characters, CI commands or API keys."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def keep_secret(value: str) -> None:
    """Register an API key, which is hidden from now on wherever text is printed or stored.

    Placeholders of fewer than eight characters are not hidden: they occur in ordinary words.
    """
    if len(value) >= _SHORTEST_SECRET:
        _secrets.add(value)


def hidden(text: str) -> str:
    """The text with ``***`` in place of each registered API key."""
    # A key may begin with another one.
    for secret in sorted(_secrets, key=len, reverse=True):
        if secret in text:
            text = text.replace(secret, "***")
    return text


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
