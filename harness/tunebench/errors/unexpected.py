"""Any exception as one sentence, so that a bug never hides the rest of a run's output."""

from __future__ import annotations

import traceback
from pathlib import Path

from tunebench.errors.base import TunebenchError


def describe_error(what: str, error: Exception) -> str:
    """One sentence for any exception: a `TunebenchError`'s own, or `what` with its cause.

    An exception that is neither ours nor the operating system's is a bug: the sentence then names
    the file and line that raised it.

    Args:
        what: what failed, a clause without a full stop.
        error: the exception, as it was caught.
    """
    if isinstance(error, TunebenchError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{what} ({error.strerror})."
    message = "".join(str(error).strip().splitlines()[:1])
    cause = f"{type(error).__name__}: {message}" if message else type(error).__name__
    raised_at = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"{what} ({cause}, {Path(raised_at.filename).name}, line {raised_at.lineno}): this is a "
        "bug in tunebench; please report it."
    )
