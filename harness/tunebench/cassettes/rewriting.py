"""A cassette that takes the place of another one, with its shards."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

from tunebench.cassettes.line_file import lines_of
from tunebench.cassettes.shards import Listed, header_of, listed_in
from tunebench.cassettes.store import CassetteFile

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


def put_in_place(new: Path, path: Path) -> None:
    """Replace a cassette by another one beside it; remove the shards that only the old one lists.

    Raises:
        FileNotFoundError: the new one does not exist.
    """
    before = shards_of(path) if path.exists() else []
    os.replace(new, path)
    _remove(path, set(before) - set(shards_of(path)))


def remove_cassette(path: Path) -> None:
    """Remove a cassette and its shards."""
    before = shards_of(path)
    path.unlink()
    _remove(path, before)


def shards_of(path: Path) -> list[Listed]:
    """The shards that a cassette's header lists."""
    return listed_in(header_of(next(lines_of(path), b"")))


def prune_shards(path: Path, keys: Collection[str]) -> None:
    """Write a cassette that has shards again, without the rows of some keys.

    Raises:
        TunebenchError: it is damaged, or cannot be written; it is unchanged.
    """
    header, gone = header_of(next(lines_of(path))), set(keys)
    names = {name: header[name] for name in ("experiment", "recording")}
    part = path.with_name(f"{path.name}.pruned")
    part.unlink(missing_ok=True)
    with (
        closing(CassetteFile(path, **names)) as old,
        closing(CassetteFile(part, **names, limits=header.get("limits"))) as new,
    ):
        new.start_recording()
        for stored in old.rows():
            if stored.row.key not in gone:
                new.append(stored.request, [stored.row])
    put_in_place(part, path)


def _remove(path: Path, shards: Collection[Listed]) -> None:
    for one in shards:
        one.path(path).unlink(missing_ok=True)
        one.index(path).unlink(missing_ok=True)
