"""Results as files that other programs read."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import TunebenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TextIO

VERSION = 1


class ResultsError(TunebenchError):
    """Results that cannot be written."""


def write_results(
    folder: Path,
    rows: Sequence[Mapping[str, Any]],
    errors: Sequence[Mapping[str, str]],
    *,
    uplifts: Sequence[Mapping[str, Any]] = (),
    baselines: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write ``results.json`` and ``results.csv``, which has the cells alone.

    The files depend on the rows alone, so that equal results give equal bytes.

    Args:
        folder: where; made if it is missing.
        rows: one a cell, as `harness.result.Result.row` gives them.
        errors: one a cell without a result: ``cell`` and ``error``.
        uplifts: one a comparison, as `harness.uplift.Uplift.row` gives them.
        baselines: one a yardstick, as `harness.baselines.baselines_of` gives them.

    Raises:
        ResultsError: the folder cannot be written to.
    """
    document = {
        "version": VERSION,
        "cells": list(rows),
        "errors": list(errors),
        "uplifts": list(uplifts),
        "baselines": list(baselines),
    }

    def as_json(file: TextIO) -> None:
        json.dump(document, file, indent=2, allow_nan=False, ensure_ascii=False)
        file.write("\n")

    def as_csv(file: TextIO) -> None:
        if rows:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    try:
        folder.mkdir(parents=True, exist_ok=True)
        _replace(folder / "results.json", as_json)
        _replace(folder / "results.csv", as_csv)
    except OSError as error:
        raise ResultsError(
            f"{folder}: the results could not be written ({error.strerror}); give --results a "
            "folder that can be written to."
        ) from error


def _replace(path: Path, write: Callable[[TextIO], None]) -> None:
    """Write beside the file and put it in place when whole."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with open(handle, "w", encoding="utf-8", newline="") as file:
            write(file)
        # mkstemp's files are for the owner's eyes only; these are as any file that is written.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
