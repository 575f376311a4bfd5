"""The file of a committed baseline.

It has label ids by item, and no text::

{"version": 1, "experiment": "imdb", "labels": ["Negative", "Positive"], "cells": {
"smollm2-135m-1shot": {"accuracy": 0.64, "recorded_at": "...", "predictions": {"...": 1}}
}}
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import ConfigDict, Field, model_validator

from tunebench.errors import ResultsError
from tunebench.reports import (
    Count,
    Line,
    Name,
    Part,
    Share,
    Text,
    WrongJson,
    checked,
    parsed,
    wrong,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

VERSION = 1
_WRITE_AGAIN = "move it away and write it again with `tunebench baseline`"


class BaselineCell(Part):
    """A cell of a baseline.

    Attributes:
        recorded_at: when its last answer was recorded.
        predictions: label ids by item, null where the answer stated no label.
    """

    model_config = ConfigDict(extra="forbid")

    accuracy: Share
    recorded_at: Line
    predictions: Annotated[dict[Name, Count | None], Field(min_length=1)]


class Baseline(Part):
    """The baseline of an experiment, its cells by id."""

    model_config = ConfigDict(extra="forbid")

    version: Annotated[int, Field(ge=VERSION, le=VERSION)]
    experiment: Name
    labels: Annotated[list[Text], Field(min_length=1)]
    cells: dict[Name, BaselineCell]

    @model_validator(mode="after")
    def _consistent(self) -> Baseline:
        if len(set(self.labels)) < len(self.labels):
            raise wrong("labels", "a label is there twice")
        for name, cell in self.cells.items():
            for item, label in cell.predictions.items():
                if label is not None and label >= len(self.labels):
                    raise wrong(
                        "cells",
                        f"the cell {name!r} has the label id {label} for the item {item!r}, and "
                        f"there are {len(self.labels)} labels",
                    )
        return self


def read_baseline(path: Path) -> Baseline | None:
    """Read a baseline; None if there is no file.

    Raises:
        ResultsError: the file cannot be read, is of another version, or is not a baseline.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ResultsError(
            f"the baseline cannot be read ({error.strerror})", where=path, hint="make it readable"
        ) from error
    return _checked(path, content)


@lru_cache(maxsize=8)  # by the content: it is read for each cell of an experiment
def _checked(path: Path, content: bytes) -> Baseline:
    try:
        value = parsed(content)
        version = value.get("version") if isinstance(value, dict) else None
        if type(version) is int and version != VERSION:
            raise ResultsError(
                f"the baseline has version {version} and this tunebench reads {VERSION}",
                where=f"{path}: version",
                hint=f"install the tunebench that wrote it, or {_WRITE_AGAIN}",
            )
        return checked(Baseline, value)
    except WrongJson as error:
        raise ResultsError(
            f"{error}, so this is not a baseline",
            where=path,
            hint=f"restore the file from version control, or {_WRITE_AGAIN}",
        ) from None


def baseline_bytes(
    experiment: str, labels: Sequence[str], cells: Mapping[str, Mapping[str, Any]]
) -> bytes:
    """The content of a baseline's file.

    Args:
        experiment: the experiment's name.
        labels: of its task.
        cells: by id, each with ``accuracy``, ``recorded_at`` and ``predictions`` by item.
    """
    head = {"version": VERSION, "experiment": experiment, "labels": list(labels)}
    start = json.dumps(head, ensure_ascii=False)[:-1]
    # A line a cell, so that version control shows which ones changed.
    lines = (
        f"{json.dumps(name)}: {json.dumps(cell, ensure_ascii=False)}"
        for name, cell in cells.items()
    )
    return (start + ', "cells": {\n' + ",\n".join(lines) + "\n}}\n").encode()
