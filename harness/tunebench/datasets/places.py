"""Where the items of a user's table are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from tunebench.datasets.labelled_texts import LabelledTexts


class Places(Mapping[str, str]):
    """Places such as ``tickets.csv, line 12`` by item id, which is 16 hexadecimal digits."""

    def __init__(self) -> None:
        self._items: list[Sequence[str]] = []
        self._lines: list[Sequence[int]] = []
        # From which item on they are of a file, and how their places begin.
        self._begin: list[tuple[int, str]] = []
        self._sorted: tuple[NDArray[np.uint64], NDArray[np.int64]] | None = None

    def add(self, items: Sequence[str], rows: LabelledTexts) -> None:
        """Add the places of rows, given their item ids; both are kept as they are."""
        position = len(self)
        for file, same in groupby(rows.files or [rows.path.name]):
            self._begin.append((position, f"{file}, {rows.unit} "))
            position += sum(1 for _ in same)
        self._items.append(items)
        self._lines.append(rows.places)
        self._sorted = None

    def __len__(self) -> int:
        return sum(map(len, self._items))

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(self._items)

    def __getitem__(self, item: str) -> str:
        import numpy as np

        if self._sorted is None:
            items = np.fromiter((int(item, 16) for item in self), np.uint64, count=len(self))
            order = items.argsort(kind="stable")
            self._sorted = items[order], order
        items, order = self._sorted
        try:
            wanted = np.uint64(int(item, 16))
        except (ValueError, OverflowError):
            raise KeyError(item) from None
        # Of one that is there twice, the last counts.
        at = int(items.searchsorted(wanted, side="right")) - 1
        if at < 0 or items[at] != wanted:
            raise KeyError(item)
        position = int(order[at])
        begin = next(begin for first, begin in reversed(self._begin) if first <= position)
        for lines in self._lines:
            if position < len(lines):
                break
            position -= len(lines)
        return f"{begin}{lines[position]}"
