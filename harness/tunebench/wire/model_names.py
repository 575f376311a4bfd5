"""Names of models: a provider may answer with a version of the name that was asked."""

from __future__ import annotations

import re
from typing import Any

from tunebench.wire.values import Unusable, shown

# How a date begins, or a number of at least four digits.
_VERSION = re.compile(r"-\d{4}")


def other_model(asked: str, answered: Any, known: str | None) -> Unusable | None:
    """The error of an answer by another model than was asked; None if it is the same.

    `known` is the name that the answer is known to have, if it is another.

    ``gpt-4.1`` may be answered by ``gpt-4.1-2025-04-14``, and with or without folders before it.
    """
    if not isinstance(answered, str) or not answered or answered in (asked, known):
        return None
    if known is None and _base(answered) == _base(asked):
        return None
    return Unusable(
        f"the model {shown(answered)} answered instead",
        hint="if that is the one you mean, write its name as the model's `id`, or as `answers_as` "
        "if it is only another name of it, and record again",
    )


def _base(name: str) -> str:
    """A name without folders, date, default tag and revision; in linear time."""
    name = name.rsplit("/", 1)[-1].lower()
    head, at, revision = name.rpartition("@")
    if at and head and revision:
        return head
    if name.endswith(":latest"):
        return name.removesuffix(":latest")
    bare = name.rstrip("0123456789-")
    version = _VERSION.search(name, len(bare))
    return name if version is None else name[: version.start()]
