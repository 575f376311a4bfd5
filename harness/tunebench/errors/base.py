"""The one exception that users see."""

from __future__ import annotations

from tunebench.errors.text import printable


class TunebenchError(Exception):
    """What went wrong, where (file, line, cell, item) and what to do, in one sentence.

    Every error that a user can cause or fix is one of these. The plugin turns it into a collection
    error, or into a failed case while tests run; the command line prints it and exits with 2.
    Whatever words of others the sentence quotes, as a text it is one line that is safe to print,
    and holds no API key.
    """

    def __str__(self) -> str:
        return printable(super().__str__())
