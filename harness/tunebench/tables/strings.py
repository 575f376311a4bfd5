"""Many texts in little memory."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd

_AT_ONCE = 2000
_MANY = 100_000  # of so many values a set takes 100 bytes each


class Strings(Sequence[str]):
    """Texts in one buffer of UTF-8: of each are kept its bytes and 8 more, where it ends.

    Attributes:
        content: all of them, one behind the other.
        ends: 0, and where each ends in the content.

    Raises:
        UnicodeEncodeError: one holds half a surrogate pair.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self.content, self.ends = bytearray(), array("q", [0])
        for text in texts:
            self.append(text)

    def append(self, text: str) -> None:
        """Add a text."""
        self.content += text.encode()
        self.ends.append(len(self.content))

    def __len__(self) -> int:
        return len(self.ends) - 1

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return [self[i] for i in range(len(self))[at]]
        place = range(len(self))[at]
        return self.content[self.ends[place] : self.ends[place + 1]].decode()

    def __iter__(self) -> Iterator[str]:
        content = self.content
        return (content[start:end].decode() for start, end in pairwise(self.ends))


class Values(Sequence[Any]):
    """The values of a column, of which some thousand are objects at a time."""

    def __init__(self, column: pd.Series) -> None:
        self._column = column

    def __len__(self) -> int:
        return len(self._column)

    def __getitem__(self, at: Any) -> Any:
        found = self._column.iloc[at]
        return found.tolist() if isinstance(at, slice | list) else found

    def __iter__(self) -> Iterator[Any]:
        for start in range(0, len(self), _AT_ONCE):
            yield from self[start : start + _AT_ONCE]


def are_different(values: Sequence[Any]) -> bool:
    """Whether no two values are equal; of many values, whether no two hashes are."""
    if len(values) < _MANY:
        return len(set(values)) == len(values)
    import numpy as np

    hashes = np.fromiter(map(hash, values), dtype=np.int64, count=len(values))
    hashes.sort()
    return not (hashes[1:] == hashes[:-1]).any()
