"""Foreign text made safe to print: control characters, workflow commands and secrets."""

from __future__ import annotations

import re

# Control characters of both kinds, marks that turn the direction of writing, separators that some
# programs take for a line break, and lone surrogates, which no file in UTF-8 can hold.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_BREAKS = re.compile("[\t\n\v\f\r\x85\u2028\u2029]+")
# At the start of a line (GitHub), and anywhere in one (GitHub's older form, Azure, TeamCity).
_COMMAND = re.compile(r"^(\s*):(?=:)")
_OLD_COMMAND = re.compile(r"#(?=#(?:vso|teamcity)?\[)", re.IGNORECASE)

# A shorter key is a placeholder, such as "none" or "x", that may stand in any text.
_SHORTEST_SECRET = 8
_secrets: set[str] = set()


def keep_secret(value: str) -> None:
    """Have a key hidden wherever text is printed or stored from now on.

    Placeholders of fewer than eight characters are not hidden: they stand in ordinary words.
    """
    if len(value) >= _SHORTEST_SECRET:
        _secrets.add(value)


def hidden(text: str) -> str:
    """A text with three asterisks in place of each known key."""
    # A key may begin with another one.
    for secret in sorted(_secrets, key=len, reverse=True):
        if secret in text:
            text = text.replace(secret, "***")
    return text


def without_secrets(value: object) -> object:
    """A JSON value whose strings, names included, hold no known key."""
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
    r"""A text in one line that does nothing to a terminal or a CI log, and holds no known key.

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
    """Whether a text does something to a terminal, or cannot be written in UTF-8."""
    return _UNSAFE.search(text) is not None


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()
