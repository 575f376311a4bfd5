"""The key of a provider that a command talks to."""

from __future__ import annotations

import os

from harness.errors import TunebenchError


class NoKeyError(TunebenchError):
    """A variable that holds no key."""


def key_of(variable: str | None) -> str:
    """The key that an environment variable holds; one that says so where none is needed.

    Raises:
        NoKeyError: the variable is not set, or empty.
    """
    if variable is None:
        return "none"
    key = os.environ.get(variable, "")
    if not key:
        raise NoKeyError(f"the environment has no {variable}; set it to the provider's key.")
    return key
