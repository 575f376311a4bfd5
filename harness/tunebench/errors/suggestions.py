"""Hints for misspelt names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like a misspelt one; None if none is like it.

    Case does not count, and neither does ``-`` for ``_``.
    """
    import difflib  # late: only a mistake needs it

    folded = {_folded(other): other for other in known}
    near = difflib.get_close_matches(_folded(name), folded, 1)
    return folded[near[0]] if near else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The hint of an error: the nearest known name, or all of them."""
    known = list(known)
    near = nearest(name, known)
    return f"did you mean {near!r}?" if near else f"known are {', '.join(known)}"


def _folded(name: str) -> str:
    return name.casefold().strip().replace("-", "_")
