"""The error of a request that a cassette cannot answer: why, and how to fix it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebench.errors import CassetteMissError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tunebench.cassettes.fingerprint import Fingerprint
    from tunebench.cassettes.reading import StoredAnswer
    from tunebench.cassettes.store import CassetteFile

_MAX_ITEMS_NAMED = 3


class MissExplainer:
    """Explains which prompts a cassette does not answer, and how the nearest rows differ."""

    def __init__(self, file: CassetteFile, items: Mapping[str, str], hint: str) -> None:
        self._file = file
        self._items = items
        self._hint = hint

    def miss(self, asked: Fingerprint) -> CassetteMissError:
        """The error to raise: cassette, cell, items, nearest recorded row, difference, fix."""
        recording = self._file.header["recording"]
        missing = [
            sha256 for sha256 in asked.prompt_sha256 if not self._file.holds(asked.digest, sha256)
        ]
        named = [self._items[sha256] for sha256 in missing if sha256 in self._items]
        what = f"{recording}, {f'item {_join(named)}' if named else f'request {asked.endpoint!r}'}"
        path, hint = self._file.path, self._hint
        if not self._file.exists:
            problem = (
                f"there is no cassette in {path.parent}, and replay sends nothing to a provider"
            )
        elif (nearest := self._nearest(asked, set(missing), set(named))) is None:
            problem = f"{path} has no recorded request to {asked.endpoint!r}"
        else:
            problem = f"{path} has no answer to this"
            hint = self._difference(asked, nearest, set(missing), set(named))
        return CassetteMissError(problem, where=what, hint=hint)

    def _nearest(
        self, asked: Fingerprint, missing: set[str], named: set[str]
    ) -> StoredAnswer | None:
        """The recorded row that is most like the missing ones."""

        def likeness(stored: StoredAnswer) -> tuple[bool, bool, bool, int]:
            recorded = stored.request
            return (
                stored.row.prompt in missing,
                stored.row.item in named,
                recorded.model == asked.model,
                sum(
                    (recorded.parameters or {}).get(name) == value
                    for name, value in asked.parameters.items()
                ),
            )

        rows = (row for row in self._file.rows() if row.request.endpoint == asked.endpoint)
        return max(rows, key=likeness, default=None)

    def _difference(
        self, asked: Fingerprint, nearest: StoredAnswer, missing: set[str], named: set[str]
    ) -> str:
        """The hint: how the nearest row differs, and what to do."""
        recorded, item = nearest.request, nearest.row.item
        differences = _parameter_differences(asked, nearest)
        if not differences and recorded.digest != asked.digest:
            differences.append("a parameter that cassettes do not store")
        if nearest.row.prompt not in missing and item in named:
            differences.append("the text of the prompt (prompt template, examples or data changed)")
        if not differences:
            return f"these texts are not recorded yet: {self._hint}"
        return (
            f"the nearest recorded row ({item or 'no item'}) differs in {', '.join(differences)}; "
            f"undo that change, or {self._hint}"
        )


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
