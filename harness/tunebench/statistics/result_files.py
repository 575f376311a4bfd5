"""The result file of a fine-tuning job: its metrics, a row a step.

It is CSV, at some providers in base64, with one of two families of column names; here all become
one DataFrame with the older family's names.
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
_EXACT = 2**53  # up to here a float tells whole numbers apart
_MEND = "fetch the job's result file again"


def read_curve(content: bytes, *, source: str = "the result file") -> pd.DataFrame:
    """Read the result file of a fine-tuning job.

    Args:
        content: CSV in UTF-8, or that in base64.
        source: what the file is called in messages.

    Returns:
        A row a step, in ascending order. `step` is of whole numbers; of the other columns there
        are those that the file has, under the names of `COLUMNS`: losses (nats a token),
        accuracies and other rates (0 to 1) as floats, counts as whole numbers where none is
        missing. A missing cell is NaN, and so is one that holds an infinity or NaN, as of a loss
        that diverged; the frame's ``attrs["not_finite"]`` has the rows of the latter by column.
        Further columns are kept, as text if they are no numbers.

    Raises:
        ResultsError: it is not CSV, has no column `step` or no rows, a cell of a known column
            is not a number, or the steps do not ascend.
    """
    records = _records(_text(content, source), source)
    _, header = next(records, ("", []))
    names = _older([cell.strip() for cell in header])
    if STEP not in names:
        raise ResultsError(
            f"{source}, line 1: there is no column `step`, so this is no result file of a "
            f"fine-tuning job; {_MEND}."
        )
    if repeated := [name for name in names if names.count(name) > 1]:
        raise ResultsError(
            f"{source}, line 1: the column {repeated[0]!r} is there more than once; leave one."
        )
    rows = []
    for where, cells in records:
        if len(cells) != len(names):
            raise ResultsError(
                f"{source}, {where}: the row has {len(cells)} cells and the header {len(names)}; "
                f"{_MEND}."
            )
        rows.append((where, cells))
    return _frame(names, rows, source)


def curve_of_metrics(
    metrics: Iterable[Mapping[str, Any]], *, source: str = "the job"
) -> pd.DataFrame:
    """The curve of a job that has no result file yet, from what its events say.

    Args:
        metrics: the `data` of events of the type ``metrics``, the oldest first. Of a step that is
            told twice, as by a job that was interrupted, the later holds.
        source: what the job is called in messages.

    Returns:
        As `read_curve`.

    Raises:
        ResultsError: no step is told, or a value of a known column is not a number.
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
        rows.append((f"step {step}", ["" if value is None else str(value) for value in values]))
    return _frame(names, rows, source)


def _text(content: bytes, source: str) -> str:
    """The CSV, out of its base64 where it is in that."""
    try:
        packed = base64.b64decode(b"".join(content.split()), validate=True)
    except binascii.Error:
        packed = b""
    # Plain first: a header of few letters may be base64 as well.
    texts = [text for part in (content, packed) if (text := _decoded(part)).strip()]
    if not texts:
        fault = "is not text" if content.strip() else "is empty"
        raise ResultsError(f"{source}: the file {fault}, so it is not CSV; {_MEND}.")
    plain = texts[0]
    header = plain.splitlines()[0].split(",")
    return plain if STEP in [cell.strip(' "') for cell in header] else texts[-1]


def _decoded(content: bytes) -> str:
    """The content as text; empty if it is none."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return ""


def _records(text: str, source: str) -> Iterator[tuple[str, list[str]]]:
    """Where each row of a CSV ends, and its cells; blank lines are passed over."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for cells in reader:
            if cells:
                yield f"line {reader.line_num}", cells
    except csv.Error as error:
        raise ResultsError(
            f"{source}, line {reader.line_num}: this is not CSV ({error}); {_MEND}."
        ) from error


def _older(names: Sequence[str]) -> list[str]:
    """The names in the older family's words, unless these are there beside the newer."""
    return [old if (old := _NEWER.get(name, name)) not in names else name for name in names]


def _frame(
    names: Sequence[str], rows: Sequence[tuple[str, list[str]]], source: str
) -> pd.DataFrame:
    import pandas as pd

    if not rows:
        raise ResultsError(
            f"{source}: there are no rows, so no step has been taken; look again when the job has "
            "trained."
        )
    columns = {}
    for i, name in enumerate(names):
        columns[name] = _column(name, [(where, cells[i]) for where, cells in rows], source)
    steps = columns[STEP]
    for (where, _), before, step in zip(rows[1:], steps, steps[1:], strict=False):
        if step <= before:
            raise ResultsError(
                f"{source}, {where}: step {step} comes after step {before}, and steps must "
                f"ascend; {_MEND}, or sort the rows."
            )
    frame = pd.DataFrame(columns)
    frame.attrs["not_finite"] = {
        name: [row for row, (_, cells) in enumerate(rows) if _is_infinite(cells[i])]
        for i, name in enumerate(names)
        if pd.api.types.is_numeric_dtype(frame[name])
    }
    return frame


def _column(name: str, cells: Sequence[tuple[str, str]], source: str) -> list[Any]:
    numbers = []
    for where, cell in cells:
        number = _number(cell)
        if number is None and name not in COLUMNS:
            return [cell or math.nan for _, cell in cells]
        if number is None or (name == STEP and not _is_whole(number)):
            kind = "whole number" if name == STEP else "number"
            raise ResultsError(
                f"{source}, {where}: the cell {cell[:40]!r} of the column {name!r} "
                f"is not a {kind}; {_MEND}."
            )
        numbers.append(number)
    if name == STEP or (name in _COUNTS and all(map(_is_whole, numbers))):
        return list(map(int, numbers))
    return numbers


def _number(cell: str) -> float | None:
    """A cell's number, NaN where it is empty or infinite; None where it is something else."""
    if not cell.strip():
        return math.nan
    try:
        number = None if "_" in cell else float(cell)
    except ValueError:
        return None
    return math.nan if number is not None and math.isinf(number) else number


def _is_infinite(cell: str) -> bool:
    """Whether a cell holds a number that is not finite."""
    number = _number(cell)
    return number is not None and math.isnan(number) and bool(cell.strip())


def _is_whole(number: float) -> bool:
    return number.is_integer() and abs(number) < _EXACT
