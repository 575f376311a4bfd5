"""The error of a request that a cassette cannot answer: why, and how to fix it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebench.cassettes.stored import ANSWERED
from tunebench.errors import CassetteMissError, named_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tunebench.cassettes.fingerprint import Fingerprint
    from tunebench.cassettes.reading import StoredAnswer
    from tunebench.cassettes.store import CassetteFile

_MAX_ITEMS_NAMED = 3


def miss(
    file: CassetteFile,
    items: Mapping[str, str],
    hint: str,
    asked: Fingerprint,
    places: Mapping[str, str],
) -> CassetteMissError:
    """The error of a request: cassette, cell, items, nearest recorded row, difference, fix.

    `items` has item ids by prompt SHA-256; `hint` says how to record what is missing; `places` says
    where items are in the user's file, as far as that is known.
    """
    missing = {sha256 for sha256 in asked.prompt_sha256 if not file.holds(asked.digest, sha256)}
    named = [items[sha256] for sha256 in asked.prompt_sha256 if sha256 in missing & items.keys()]
    shown = [named_at(item, places) for item in named]
    what = f"item {_join(shown)}" if named else f"request {asked.endpoint!r}"
    if not file.exists:
        folder = file.path.parent
        problem = f"there is no cassette in {folder}, and replay sends nothing to a provider"
    elif (nearest := _nearest(file, asked, missing, named)) is None:
        problem = f"{file.path} has no recorded request to {asked.endpoint!r}"
        if others := _endpoints_of_items(file):
            problem += f", but answers of {others}: the provider's `endpoint` has changed"
            hint = f"undo that change, or {hint}"
    else:
        problem = f"{file.path} has no answer to this"
        if differences := _differences(asked, nearest, missing, named):
            problem += f"; the nearest recorded row ({nearest.row.item or 'no item'}) differs in "
            problem += ", ".join(differences)
            hint = f"undo that change, or {hint}"
        elif asked.endpoint not in ANSWERED and (recorded := _endpoints_of_items(file)):
            # The tokens of labels are recorded before any text.
            problem += "; the labels, or the provider's `endpoint`, are not those of the recorded "
            problem += f"answers of {recorded}"
            hint = f"undo that change, or {hint}"
        else:
            hint = f"these texts are not recorded yet: {hint}"
    return CassetteMissError(problem, where=f"{file.header['recording']}, {what}", hint=hint)


def _endpoints_of_items(file: CassetteFile) -> str:
    """The endpoints that answered the texts of the data set."""
    return ", ".join(sorted({repr(row.request.endpoint) for row in file.rows() if row.row.item}))


def _nearest(
    file: CassetteFile, asked: Fingerprint, missing: set[str], named: list[str]
) -> StoredAnswer | None:
    """The recorded row that is most like the missing ones."""

    def likeness(stored: StoredAnswer) -> tuple[bool, bool, bool, int]:
        recorded = stored.request
        parameters = recorded.parameters or {}
        return (
            stored.row.prompt in missing,
            stored.row.item in named,
            recorded.model == asked.model,
            sum(parameters.get(name) == value for name, value in asked.parameters.items()),
        )

    rows = (row for row in file.rows() if row.request.endpoint == asked.endpoint)
    return max(rows, key=likeness, default=None)


def _differences(
    asked: Fingerprint, nearest: StoredAnswer, missing: set[str], named: list[str]
) -> list[str]:
    """How the nearest row differs."""
    found = _parameter_differences(asked, nearest)
    if not found and nearest.request.digest != asked.digest:
        found.append("a parameter that cassettes do not store")
    if nearest.row.prompt not in missing and nearest.row.item in named:
        found.append("the text of the prompt (instruction, labels, examples or data changed)")
    return found


def _parameter_differences(asked: Fingerprint, nearest: StoredAnswer) -> list[str]:
    recorded = nearest.request
    stored = recorded.parameters or {}
    found = []
    if recorded.model != asked.model:
        found.append(f"model (recorded {recorded.model!r}, asked {asked.model!r})")
    for name in sorted(asked.parameters.keys() | stored.keys()):
        old, new = stored.get(name, "nothing"), asked.parameters.get(name, "nothing")
        if old != new:
            found.append(f"{name} (recorded {old!r}, asked {new!r})")
    return found


def _join(items: list[str]) -> str:
    shown = ", ".join(items[:_MAX_ITEMS_NAMED])
    more = len(items) - _MAX_ITEMS_NAMED
    return f"{shown} and {more} more" if more > 0 else shown
