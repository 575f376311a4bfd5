"""The columns of texts and labels of a new experiment, from ``--text`` and ``--label``."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from tunebench.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SHOWN = 40  # characters of a value


def chosen_columns(
    path: Path, text: str | None, label: str | None, group: str | None
) -> tuple[str, str, list[str]]:
    """The columns of texts and labels, and a note where they were not both named.

    The column of groups is never guessed.

    Raises:
        UsageError: there is no such column, it is not plain which ones are meant, or the file has
            no line of column names.
    """
    from tunebench.datasets import column_names, text_and_label, training_columns

    columns = column_names(path)
    named = {"--text": text, "--label": label, "--group": group}
    for option, column in named.items():
        if column is not None and column not in columns:
            _check_header(path, columns)
            raise UsageError(
                f"there is no column {column!r}, which {option} names",
                where=path,
                hint=did_you_mean(column, columns),
            )
    for (option, column), (other, same) in combinations(named.items(), 2):
        if column is not None and column == same:
            problem = f"{option} and {other} are both {column!r}"
            raise UsageError(problem, where=path, hint="name two columns")
    if text is not None and label is not None:
        return text, label, []
    if (known := training_columns(columns, text, label)) is not None:
        return *known, [_read_from(*known)]
    _check_header(path, columns)
    columns = [column for column in columns if column != group]
    if len(columns) != 2:
        missing = " and ".join(option for option in ("--text", "--label") if named[option] is None)
        problem = f"the columns are {', '.join(map(repr, columns))}"
        raise UsageError(problem, where=path, hint=f"name those to read with {missing}")
    texts, labels = text_and_label(path, columns)
    if text == labels or label == texts:
        texts, labels = labels, texts
    return texts, labels, [_read_from(texts, labels)]


def chosen_instruction(files: Sequence[Path], given: str | None) -> tuple[str | None, list[str]]:
    """The instruction given, or the system message of chat files, and a note on the latter.

    Raises:
        UsageError: the files have different ones.
    """
    from tunebench.datasets import chat_instruction

    found = [chat_instruction(file) for file in files]
    if found[0] is None or given is not None:
        ignored = given is not None and found[0] not in (None, given)
        note = f"--instruction takes the place of the system message of {files[0].name}."
        return given, [note] if ignored else []
    if len(set(found)) > 1:
        problem = f"the system message is not that of {files[0]}"
        raise UsageError(problem, where=files[-1], hint="write them alike, or give --instruction")
    return found[0], [f"The instruction is the system message of {files[0].name}."]


def _read_from(texts: str, labels: str) -> str:
    return f"Read the texts from the column {texts!r} and the labels from {labels!r}."


def _check_header(path: Path, columns: list[str]) -> None:
    from tunebench.datasets import value_in_header

    if (value := value_in_header(path, columns)) is not None:
        shown = repr(value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…")
        raise UsageError(
            f"the first line should name the columns, and {shown} looks like a value",
            where=path,
            hint="put a line with the names of the columns above it, or give --text and --label if "
            "they are called so",
        )
