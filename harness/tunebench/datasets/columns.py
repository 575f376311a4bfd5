"""The columns of a user's file, where they are not named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebench.datasets.labelled_texts import ENDINGS, LONGEST
from tunebench.datasets.table import TRAINING_FILES, OwnTable
from tunebench.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_LONGEST_NAME = 100  # characters


def column_names(path: Path) -> list[str]:
    """The names of a file's columns; in a ``.jsonl`` file, the keys of all rows.

    Raises:
        DatasetError: the file cannot be read, or is empty.
    """
    table = OwnTable(path, (), lambda *_: "", longest=LONGEST)
    table.check_ending(*ENDINGS)
    table.read()
    if not table.names:
        raise DatasetError("the file holds no rows", where=path, hint="add rows")
    return table.names


def chat_instruction(path: Path) -> str | None:
    """The system message of a chat file; None if it has none, or is another file.

    Raises:
        DatasetError: the file cannot be read.
    """
    table = OwnTable(path, (), lambda *_: "", longest=LONGEST)
    table.read()
    return table.instruction


def training_columns(
    columns: Sequence[str], text: str | None = None, label: str | None = None
) -> tuple[str, str] | None:
    """The columns of texts and labels of a training file; None if it is another file.

    Args:
        columns: all of the file.
        text: the column of the texts, if it is known.
        label: that of the labels, if it is known.
    """
    for texts, labels in TRAINING_FILES:
        fits = text in (None, texts) and label in (None, labels)
        if fits and texts in columns and labels in columns:
            return texts, labels
    return None


def text_and_label(path: Path, columns: Sequence[str]) -> tuple[str, str]:
    """Which of two columns holds the texts and which the labels: those of fewer different values.

    Raises:
        DatasetError: the file cannot be read.
    """
    first, second = columns
    names = (first, second)
    table = OwnTable(path, names, lambda *_: "fix the file", numbers=names, longest=LONGEST)
    table.read()
    one, other = (len(set(texts)) for texts in table.texts)
    return (second, first) if one < other else (first, second)


def value_in_header(path: Path, columns: Sequence[str]) -> str | None:
    """A column name of a .csv or .tsv file that looks like a value, as if there were no header.

    It is too long for a name, or rows of its column hold it too, as they do a label.

    Raises:
        DatasetError: the file cannot be read.
    """
    if not path.name.lower().removesuffix(".gz").endswith((".csv", ".tsv")):
        return None
    names = [name for name in columns if columns.count(name) == 1]
    table = OwnTable(path, tuple(names), lambda *_: "fix the file", longest=LONGEST)
    table.read()
    values = dict(zip(names, table.texts, strict=True))
    found = (name for name in names if len(name) > _LONGEST_NAME or name in values[name])
    return next(found, None)
