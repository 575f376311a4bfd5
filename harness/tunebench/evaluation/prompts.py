"""Prompts of many texts, made when they are needed: none of them is kept.

What is kept of a text is the SHA-256 of its prompt, 32 bytes, and where a prompt's item is looked
for by it, 12 more.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import ItemsView, Iterator, Mapping, Sequence, ValuesView
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from tunebench.cassettes import prompt_text, text_sha256

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Iterable

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from tunebench.api import Prompt

_V = TypeVar("_V")
_AT_ONCE = 2000  # rows


class _ByItem(Mapping[str, _V], Generic[_V]):
    """Values by item id, in an order; made a part at a time where they are gone through."""

    @abstractmethod
    def parts(self) -> Iterator[tuple[Sequence[str], Sequence[_V]]]:
        """The item ids and their values, some thousand at a time."""

    def __iter__(self) -> Iterator[str]:
        for items, _ in self.parts():
            yield from items

    def values(self) -> ValuesView[_V]:
        """The values, in their order."""
        return _Values(self)

    def items(self) -> ItemsView[str, _V]:
        """The pairs, in their order."""
        return _Items(self)


class _Values(ValuesView[_V]):
    _mapping: _ByItem[_V]

    def __iter__(self) -> Iterator[_V]:
        for _, values in self._mapping.parts():
            yield from values


class _Items(ItemsView[str, _V]):
    _mapping: _ByItem[_V]

    def __iter__(self) -> Iterator[tuple[str, _V]]:
        for items, values in self._mapping.parts():
            yield from zip(items, values, strict=True)


class Prompts(_ByItem["Prompt"]):
    """The prompts of rows by item id.

    Args:
        rows: item ids and texts.
        make: the prompt of a text.
    """

    def __init__(self, rows: pd.DataFrame, make: Callable[[str], Prompt]) -> None:
        self._rows, self._make = rows, make

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, item: str) -> Prompt:
        return self.at([self._places[item]])[0]

    def parts(self) -> Iterator[tuple[Sequence[str], Sequence[Prompt]]]:
        """The item ids and their prompts, some thousand at a time."""
        for start in range(0, len(self._rows), _AT_ONCE):
            rows = self._rows.iloc[start : start + _AT_ONCE]
            yield rows["item"].tolist(), list(map(self._make, rows["text"].tolist()))

    def at(self, positions: list[int]) -> list[Prompt]:
        """The prompts of some rows."""
        return list(map(self._make, self._rows["text"].iloc[positions].tolist()))

    def item(self, position: int) -> str:
        """The item id of a row."""
        return str(self._rows["item"].iloc[position])

    def ending_with(self, suffix: str) -> Prompts:
        """These prompts, which are texts, with a further text behind each."""
        return Prompts(self._rows, lambda text: f"{self._make(text)}{suffix}") if suffix else self

    @cached_property
    def _places(self) -> dict[str, int]:
        return {item: place for place, item in enumerate(self._rows["item"].tolist())}


class Hashes(_ByItem[str]):
    """SHA-256 (hex) of prompts by item id, computed whenever they are gone through."""

    def __init__(self, prompts: Prompts) -> None:
        self._prompts = prompts

    def __len__(self) -> int:
        return len(self._prompts)

    def __getitem__(self, item: str) -> str:
        return text_sha256(prompt_text(self._prompts[item]))

    def parts(self) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
        """The item ids and their hashes, some thousand at a time."""
        for items, prompts in self._prompts.parts():
            yield items, [text_sha256(prompt_text(prompt)) for prompt in prompts]


class Chosen(Sequence["Prompt"]):
    """Some of the prompts, by their positions."""

    def __init__(self, prompts: Prompts, positions: array[int] | range) -> None:
        self.prompts, self.positions = prompts, positions
        self._made: tuple[int, list[Prompt]] = (-1, [])

    @classmethod
    def all(cls, prompts: Prompts) -> Chosen:
        """All of them."""
        return cls(prompts, range(len(prompts)))

    def __len__(self) -> int:
        return len(self.positions)

    def item(self, at: int) -> str:
        """The item id of one of them."""
        return self.prompts.item(self.positions[at])

    def __getitem__(self, at: Any) -> Any:
        if not isinstance(at, slice):
            return self.prompts.at([self.positions[at]])[0]
        start, stop, _ = at.indices(len(self))
        number = start // _AT_ONCE
        before = number * _AT_ONCE
        if stop > before + _AT_ONCE:
            return self.prompts.at(list(self.positions[at]))
        made = self._made
        if made[0] != number:
            positions = list(self.positions[before : before + _AT_ONCE])
            self._made = made = number, self.prompts.at(positions)
        return made[1][start - before : stop - before]

    def __iter__(self) -> Iterator[Prompt]:
        for start in range(0, len(self), _AT_ONCE):
            yield from self[start : start + _AT_ONCE]


class Asked(Protocol):
    """Prompts that are asked, or their hashes alone, both by item id."""

    @property
    def prompts(self) -> Prompts | None:
        """The prompts; None where the data set is not on this machine."""

    @property
    def hashes(self) -> Mapping[str, str]:
        """SHA-256 (hex) of the prompts."""


class ItemsByHash(Mapping[str, str]):
    """Item ids by the SHA-256 (hex) of their prompts, of requests that are added."""

    def __init__(self) -> None:
        self._requests: list[Asked] = []
        self._found: list[tuple[NDArray[np.uint64], NDArray[np.uint32], list[str] | Prompts]] = []

    def add(self, requests: Iterable[Asked]) -> None:
        """Add the prompts of requests."""
        self._requests += requests
        self._found = []

    def __len__(self) -> int:
        return sum(len(request.hashes) for request in self._requests)

    def __iter__(self) -> Iterator[str]:
        for request in self._requests:
            yield from request.hashes.values()

    def __contains__(self, sha256: object) -> bool:
        return isinstance(sha256, str) and self.get(sha256) is not None

    def __getitem__(self, sha256: str) -> str:
        import numpy as np

        key = np.uint64(int(sha256[:16], 16))
        for keys, order, items in self._sorted():
            at = int(keys.searchsorted(key))
            if at < len(keys) and keys[at] == key:
                place = int(order[at])
                return items.item(place) if isinstance(items, Prompts) else items[place]
        raise KeyError(sha256)

    def _sorted(self) -> list[tuple[NDArray[np.uint64], NDArray[np.uint32], list[str] | Prompts]]:
        """Of each request the first 8 bytes of its hashes, sorted, and whose they are."""
        if not self._found:
            import numpy as np

            for request in self._requests:
                starts = (int(sha256[:16], 16) for sha256 in request.hashes.values())
                keys = np.fromiter(starts, dtype=np.uint64, count=len(request.hashes))
                order = keys.argsort(kind="stable").astype(np.uint32)
                items = request.prompts if request.prompts else list(request.hashes)
                self._found.append((keys[order], order, items))
        return self._found
