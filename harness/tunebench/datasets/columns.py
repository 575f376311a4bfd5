"""The columns of a user's file, where they are not named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebench.datasets.labelled_texts import ENDINGS, LONGEST
from tunebench.errors import DatasetError
from tunebench.tables import Wanted, check_ending, read_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def column_names(path: Path) -> list[str]:
    """The names of a file's columns; in a ``.jsonl`` file, the keys of the first row.

    Raises:
        DatasetError: the file cannot be read.
    """
    check_ending(path, ENDINGS)
    found: list[Sequence[str]] = [[]]

    def keep(_column: str, names: Sequence[str]) -> str:
        found.append(names)
        return ""

    # The reader lists the columns where one is missing, as this one is.
    try:
        read_table(path, Wanted(("\0",), keep))
    except DatasetError:
        if not found[-1]:
            raise
    return list(found[-1])


def text_and_label(path: Path, columns: Sequence[str]) -> tuple[str, str]:
    """Which of two columns holds the texts and which the labels: those of fewer different values.

    Raises:
        DatasetError: the file cannot be read.
    """
    first, second = columns
    names = (first, second)
    wanted = Wanted(names, lambda *_: "fix the file", numbers=names, longest=LONGEST)
    one, other = (len(set(values)) for values in read_table(path, wanted).columns)
    return (second, first) if one < other else (first, second)
