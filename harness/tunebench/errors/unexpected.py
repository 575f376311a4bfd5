"""Errors that nobody foresaw, in a sentence: they must not hide what else there is to say."""

from __future__ import annotations

import traceback
from pathlib import Path

from tunebench.errors.base import TunebenchError


def describe_error(what: str, error: Exception) -> str:
    """An error as a sentence: its own if it is one of ours, or else where it was raised.

    Args:
        what: what could not be done, without a full stop.
        error: why.
    """
    if isinstance(error, TunebenchError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{what} ({error.strerror})."
    said = "".join(str(error).strip().splitlines()[:1])
    told = f"{type(error).__name__}: {said}" if said else type(error).__name__
    last = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"{what} ({told}, {Path(last.filename).name}, line {last.lineno}): this is a fault of "
        "tunebench; please report it."
    )
