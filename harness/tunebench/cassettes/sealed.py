"""The rows of a cassette's sealed shards, by their keys; in memory are 28 bytes a row."""

from __future__ import annotations

from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any

from tunebench.cassettes.line_file import position_of, start_of
from tunebench.cassettes.shards import Shard, keys_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tunebench.cassettes.lines import RequestLine
    from tunebench.cassettes.shards import Listed

_FRAMES_KEPT = 64  # 8 MiB
# Of shards that were sealed one after the other. So many are searched for a key that is new: to
# sort all of them at each seal takes longer, and twice the memory.
_PARTS = 8


class Sealed:
    """The shards of a cassette, in their order. Positions count through all of them.

    Attributes:
        listed: the shards.
        end: where the last one ends, so where the open file begins.
        requests: those that their rows belong to, by id.
    """

    def __init__(
        self, cassette: Path, listed: Sequence[Listed] = (), *, before: Sealed | None = None
    ) -> None:
        """Open the shards, but for those that `before`, without the last ones, has open."""
        self.listed = list(listed)
        self.end: int = 0 if before is None else before.end
        self.requests: dict[str, RequestLine] = {} if before is None else before.requests.copy()
        self._shards: list[tuple[int, Shard]] = [] if before is None else before._shards.copy()
        self._frame = lru_cache(_FRAMES_KEPT)(self._read_frame)
        self._keys: list[_Keys] = [] if before is None else before._keys.copy()
        shared = len(self._shards)
        keys = _Keys(sum(one.rows for one in self.listed[shared:]))
        try:
            for one in self.listed[shared:]:
                shard = Shard(cassette, one)
                self._shards.append((self.end, shard))
                for digest, arrays in shard.keys.items():
                    keys.add(digest, self.end, arrays)
                shard.keys = {}  # which are kept in one
                self.requests |= shard.requests
                self.end += one.bytes
        except BaseException:
            del self._shards[:shared]
            self.close()
            raise
        keys.sort()
        self._keys.append(keys)
        if len(self._keys) > _PARTS:
            self._keys = [_Keys.joined(self._keys)]

    def __len__(self) -> int:
        return sum(map(len, self._keys))

    def find(self, digest: str, prompts: Sequence[bytes]) -> list[int | None]:
        """The positions of rows by a digest and each prompt's SHA-256; None for each that lacks."""
        found: list[int | None] = [None] * len(prompts)
        lacking = list(range(len(prompts)))
        for keys in self._keys:
            there = keys.find(digest, [prompts[i] for i in lacking])
            for i, position in zip(lacking, there, strict=True):
                found[i] = position
            lacking = [i for i in lacking if found[i] is None]
            if not lacking:
                break
        return found

    def positions(self) -> Iterator[int]:
        """The positions of the rows, in the order of the shards."""
        return chain.from_iterable(keys.positions() for keys in self._keys)

    def line(self, position: int) -> bytes:
        """The line at a position.

        Raises:
            CassetteError: its frame is damaged.
        """
        start, length = start_of(position)
        number, local = self._shard_of(start)
        shard = self._shards[number][1]
        frame = shard.frame_of(local)
        begin = local - shard.frame_start(frame)
        content: bytes = self._frame(number, frame)
        return content[begin : begin + length]

    def place(self, position: int) -> str:
        """The file and the number of the line at a position."""
        number, local = self._shard_of(start_of(position)[0])
        shard = self._shards[number][1]
        return f"{shard.path}, line {shard.line_number(local)}"

    def lines(self) -> Iterator[tuple[str, bytes]]:
        """All lines with their places."""
        for _, shard in self._shards:
            for number, line in enumerate(shard, 1):
                yield f"{shard.path}, line {number}", line

    def close(self) -> None:
        """Close the files, and forget the rows."""
        self._frame.cache_clear()
        self._keys = []
        while self._shards:
            self._shards.pop()[1].close()

    def _shard_of(self, start: int) -> tuple[int, int]:
        number = len(self._shards) - 1
        while self._shards[number][0] > start:
            number -= 1
        return number, start - self._shards[number][0]

    def _read_frame(self, number: int, frame: int) -> bytes:
        return self._shards[number][1].frame(frame)


class _Keys:
    """The keys of rows, sorted, and where the rows are.

    A key is 16 bytes: those of the prompt, with the same bytes of the request's digest added by
    exclusive or.
    """

    def __init__(self, rows: int) -> None:
        import numpy as np

        self._first, self._second = np.empty(rows, np.uint64), np.empty(rows, np.uint64)
        self._starts, self._lengths = np.empty(rows, np.int64), np.empty(rows, np.uint32)
        self._filled = 0

    def __len__(self) -> int:
        return len(self._first)

    def add(self, digest: str, base: int, arrays: tuple[NDArray[Any], ...]) -> None:
        """Add the rows of one digest, which begin at a base and what their arrays say."""
        first, second, starts, lengths = arrays
        of_digest = keys_of([bytes.fromhex(digest)])
        here = slice(self._filled, self._filled + len(first))
        self._first[here] = first ^ of_digest[0]
        self._second[here] = second ^ of_digest[1]
        self._starts[here], self._lengths[here] = starts, lengths
        self._starts[here] += base
        self._filled = here.stop

    @classmethod
    def joined(cls, parts: Sequence[_Keys]) -> _Keys:
        """The rows of several parts in one."""
        import numpy as np

        keys = cls(0)
        for name in ("_first", "_second", "_starts", "_lengths"):
            setattr(keys, name, np.concatenate([getattr(part, name) for part in parts]))
        keys.sort()
        return keys

    def sort(self) -> None:
        """Make what was added ready to be found."""
        order = self._first.argsort(kind="stable")
        for array in (self._first, self._second, self._starts, self._lengths):
            array[:] = array[order]  # one copy at a time

    def positions(self) -> Iterator[int]:
        for at in self._starts.argsort():
            yield position_of(int(self._starts[at]), int(self._lengths[at]))

    def find(self, digest: str, prompts: Sequence[bytes]) -> list[int | None]:
        if not prompts or not len(self):
            return [None] * len(prompts)
        first, second = keys_of([bytes.fromhex(digest), *prompts])
        first, second = first[1:] ^ first[0], second[1:] ^ second[0]
        at = self._first.searchsorted(first)
        at[at == len(self)] = 0
        begin_alike = self._first[at] == first
        same = begin_alike & (self._second[at] == second)
        pairs = zip(self._starts[at].tolist(), self._lengths[at].tolist(), strict=True)
        found: list[int | None] = [position_of(*pair) for pair in pairs]
        for i in (~same).nonzero()[0].tolist():
            found[i] = self._beyond(at[i], first[i], second[i]) if begin_alike[i] else None
        return found

    def _beyond(self, at: int, first: int, second: int) -> int | None:
        """The position of a row whose key begins with the same 8 bytes as that of another."""
        while at < len(self) and self._first[at] == first:
            if self._second[at] == second:
                return position_of(int(self._starts[at]), int(self._lengths[at]))
            at += 1
        return None
