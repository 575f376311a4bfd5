"""The result file of a fine-tuning job: its metrics, one row per step.

The file is CSV, at some providers in base64, with one of two families of column names. Both are
read into one DataFrame with the older family's names.
"""

from __future__ import annotations

import base64
import binascii
import csv
import io
import math
from typing import TYPE_CHECKING, Any

from tunebench.errors import ResultsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pandas as pd

    Row = tuple[str, list[str]]  # its place, and its cells

STEP = "step"
_COUNTS = ("elapsed_tokens", "elapsed_examples")
COLUMNS = (
    STEP,
    *_COUNTS,
    "training_loss",
    "training_sequence_accuracy",
    "training_token_accuracy",
    "validation_loss",
    "validation_sequence_accuracy",
    "validation_token_accuracy",
    "classification/accuracy",
    "classification/precision",
    "classification/recall",
    "classification/auroc",
    "classification/auprc",
    "classification/f1.0",
)
_NEWER = {
    "train_loss": "training_loss",
    "train_accuracy": "training_token_accuracy",
    "train_mean_token_accuracy": "training_token_accuracy",
    "valid_loss": "validation_loss",
    "valid_mean_token_accuracy": "validation_token_accuracy",
}
_EXACT = 2**53  # floats represent whole numbers exactly up to here
_HINT = "fetch the job's result file again"


def read_curve(content: bytes, *, source: str = "the result file") -> pd.DataFrame:
    """Read the result file of a fine-tuning job.

    Args:
        content: CSV in UTF-8, or that in base64.
        source: the name of the file in error messages.

    Returns:
        One row per step, in ascending order. `step` holds whole numbers. The other columns are
        those of the file, under the names of `COLUMNS`: losses (nats per token) and rates such as
        accuracies (0 to 1) as floats, counts as whole numbers if none is missing. A missing cell is
        NaN, and so is one that holds an infinity or NaN, for example a loss that diverged; the
        frame's ``attrs["not_finite"]`` has the rows of the latter by column. Further columns are
        kept, as text if they are not numbers.

    Raises:
        ResultsError: it is not CSV, has no column `step` or no rows, a cell of a known column is
            not a number, or the steps do not ascend.
    """
    records = list(_records(_text(content, source), source))
    names = _older([cell.strip() for cell in records[0][1]] if records else [])
    if STEP not in names:
        raise ResultsError(
            "there is no column `step`, so this is not the result file of a fine-tuning job",
            where=f"{source}, line 1",
            hint=_HINT,
        )
    if repeated := [name for name in names if names.count(name) > 1]:
        raise ResultsError(
            f"the column {repeated[0]!r} is there more than once",
            where=f"{source}, line 1",
            hint="leave one",
        )
    for where, cells in records[1:]:
        if len(cells) != len(names):
            raise ResultsError(
                f"the row has {len(cells)} cells and the header {len(names)}",
                where=where,
                hint=_HINT,
            )
    return _frame(names, records[1:], source)


def curve_of_metrics(
    metrics: Iterable[Mapping[str, Any]], *, source: str = "the job"
) -> pd.DataFrame:
    """The curve of a job that has no result file yet, from its events.

    Args:
        metrics: the `data` of events of the type ``metrics``, the oldest first. If a step occurs
            twice, as in a job that was interrupted, the later one counts.
        source: the name of the job in error messages.

    Returns:
        As `read_curve`.

    Raises:
        ResultsError: there is no step, or a value of a known column is not a number.
    """
    steps: dict[int, dict[str, Any]] = {}
    for data in metrics:
        if isinstance(step := data.get(STEP), int):
            known = {_NEWER[name]: data[name] for name in data if name in _NEWER}
            steps[step] = known | {name: data[name] for name in data if name not in _NEWER}
    found = {name for row in steps.values() for name in row} - {"total_steps"}
    names = [*(name for name in COLUMNS if name in found), *sorted(found - {*COLUMNS})]
    rows = []
    for step in sorted(steps):
        values = [steps[step].get(name) for name in names]
        cells = ["" if value is None else str(value) for value in values]
        rows.append((f"{source}, step {step}", cells))
    return _frame(names, rows, source)


def _text(content: bytes, source: str) -> str:
    """The CSV, decoded from base64 if necessary."""
    try:
        unpacked = base64.b64decode(b"".join(content.split()), validate=True)
    except binascii.Error:
        unpacked = b""
    # Plain first: a header of few letters may be valid base64 too.
    texts = [text for part in (content, unpacked) if (text := _decoded(part)).strip()]
    if not texts:
        fault = "is not text" if content.strip() else "is empty"
        raise ResultsError(f"the file {fault}, so it is not CSV", where=source, hint=_HINT)
    header = texts[0].splitlines()[0].split(",")
    return texts[0] if STEP in [cell.strip(' "') for cell in header] else texts[-1]


def _decoded(content: bytes) -> str:
    """The content as text; empty if it is not UTF-8."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return ""


def _records(text: str, source: str) -> Iterator[Row]:
    """The rows of a CSV, each with the line where it ends; blank lines are skipped."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for cells in reader:
            if cells:
                yield f"{source}, line {reader.line_num}", cells
    except csv.Error as error:
        raise ResultsError(
            f"this is not CSV ({error})", where=f"{source}, line {reader.line_num}", hint=_HINT
        ) from error


def _older(names: Sequence[str]) -> list[str]:
    """The names in the older family, except those that are there in both."""
    return [old if (old := _NEWER.get(name, name)) not in names else name for name in names]


def _frame(names: Sequence[str], rows: Sequence[Row], source: str) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    if not rows:
        raise ResultsError(
            "there are no rows, so the job has not taken a step",
            where=source,
            hint="look again when it has trained",
        )
    columns = {
        name: _column(name, [(where, cells[i]) for where, cells in rows])
        for i, name in enumerate(names)
    }
    steps = columns[STEP]
    for (where, _), before, step in zip(rows[1:], steps, steps[1:], strict=False):
        if step <= before:
            raise ResultsError(
                f"step {step} comes after step {before}, and steps must ascend",
                where=where,
                hint=f"{_HINT}, or sort the rows",
            )
    frame = pd.DataFrame(columns)
    numbers = frame.select_dtypes("number")
    frame = frame.replace(math.inf, math.nan)
    frame.attrs["not_finite"] = {
        name: np.flatnonzero(np.isinf(numbers[name])).tolist() for name in numbers
    }
    return frame


def _column(name: str, cells: Sequence[tuple[str, str]]) -> list[Any]:
    numbers = []
    for where, cell in cells:
        number = _number(cell)
        if number is None and name not in COLUMNS:
            return [cell or math.nan for _, cell in cells]
        if number is None or (name == STEP and not _is_whole(number)):
            kind = "whole number" if name == STEP else "number"
            raise ResultsError(
                f"the cell {cell[:40]!r} of the column {name!r} is not a {kind}",
                where=where,
                hint=_HINT,
            )
        numbers.append(number)
    if name == STEP or (name in _COUNTS and all(map(_is_whole, numbers))):
        return list(map(int, numbers))
    return numbers


def _number(cell: str) -> float | None:
    """The number in a cell: NaN if empty, infinity if not finite; None if it is text."""
    if not cell.strip():
        return math.nan
    try:
        number = None if "_" in cell else float(cell)
    except ValueError:
        return None
    return math.inf if number is not None and not math.isfinite(number) else number


def _is_whole(number: float) -> bool:
    return number.is_integer() and abs(number) < _EXACT
