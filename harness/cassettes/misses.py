"""Why a cassette cannot answer a request, in a sentence that leads to the mend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.cassettes.fingerprint import CassetteError, Fingerprint, text_sha256

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.cassettes.store import CassetteFile

_MAX_ITEMS_NAMED = 3


class CassetteMissError(CassetteError):
    """A request that no recorded answer fits, while nothing may be recorded."""


class MissExplainer:
    """Finds the recorded request nearest to one that was missed and says where they differ."""

    def __init__(self, file: CassetteFile, items: Mapping[str, str], hint: str) -> None:
        self._file = file
        self._items = items
        self._hint = hint

    def miss(self, asked: Fingerprint) -> CassetteMissError:
        """The error to raise: cassette, cell, item, nearest recorded request, difference, mend."""
        recording = self._file.header["recording"]
        what = f"{recording}, {self._name_items(asked)}"
        if not self._file.exists:
            return CassetteMissError(
                f"{what}: there is no cassette {self._file.path}, and replay sends nothing to a "
                f"provider; {self._hint}."
            )
        row = self._nearest(asked)
        if row is None:
            return CassetteMissError(
                f"{what}: {self._file.path} has no recorded request to {asked.endpoint!r}; "
                f"{self._hint}."
            )
        named = _join([*row["items"]]) or "no item"
        return CassetteMissError(
            f"{what}: {self._file.path} has no answer to this request; the nearest recorded one "
            f"({named}) differs in {self._differences(asked, row)}; undo that change, or "
            f"{self._hint}."
        )

    def _name_items(self, asked: Fingerprint) -> str:
        hashes = [text_sha256(text) for text in asked.texts]
        named = [self._items[sha] for sha in hashes if sha in self._items]
        return f"item {_join(named)}" if named else f"request {asked.endpoint!r}"

    def _nearest(self, asked: Fingerprint) -> dict[str, Any] | None:
        hashes = asked.prompt_sha256
        items = {self._items.get(sha) for sha in hashes} - {None}

        def likeness(row: dict[str, Any]) -> tuple[float, ...]:
            same_parameters = sum(
                row["parameters"].get(name) == value for name, value in asked.parameters.items()
            )
            return (
                len(set(hashes) & set(row["prompt_sha256"])),
                len(items & set(row["items"])),
                row["model"] == asked.model,
                same_parameters,
            )

        rows = (row for row in self._file.rows() if row["endpoint"] == asked.endpoint)
        return max(rows, key=likeness, default=None)

    def _differences(self, asked: Fingerprint, row: dict[str, Any]) -> str:
        """What differs, most telling first."""
        found = _parameter_differences(asked, row)
        hashes, recorded = asked.prompt_sha256, row["prompt_sha256"]
        items = {self._items[sha] for sha in hashes if sha in self._items}
        if items and row["items"] and items.isdisjoint(row["items"]):
            found.append("the items it asks for, all of them")
        elif len(recorded) != len(hashes):
            found.append(
                f"the number of prompts in the request (recorded {len(recorded)}, asked "
                f"{len(hashes)})"
            )
        elif recorded != hashes:
            changed = sum(a != b for a, b in zip(recorded, hashes, strict=True))
            found.append(
                f"the text of {changed} of {len(hashes)} prompts (prompt template, examples or "
                "data changed)"
            )
        return ", ".join(found) or "a parameter that cassettes do not store"


def _parameter_differences(asked: Fingerprint, row: dict[str, Any]) -> list[str]:
    found = []
    if row["model"] != asked.model:
        found.append(f"model (recorded {row['model']!r}, asked {asked.model!r})")
    for name in sorted(asked.parameters.keys() | row["parameters"].keys()):
        old = row["parameters"].get(name, "nothing")
        new = asked.parameters.get(name, "nothing")
        if old != new:
            found.append(f"{name} (recorded {old!r}, asked {new!r})")
    return found


def _join(items: list[str]) -> str:
    shown = ", ".join(items[:_MAX_ITEMS_NAMED])
    more = len(items) - _MAX_ITEMS_NAMED
    return f"{shown} and {more} more" if more > 0 else shown
