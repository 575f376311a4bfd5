"""The committed baseline of an experiment, and what a new recording changed since.

It holds answers as label ids by item, and no text::

    {"version": 1, "experiment": "imdb", "labels": ["Negative", "Positive"], "cells": {
    "smollm2-135m-1shot": {"accuracy": 0.64, "recorded_at": "...", "predictions": {"...": 1}}
    }}
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from harness.errors import TunebenchError
from harness.scoring import mcnemar_mid_p

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from harness.result import Result

VERSION = 1
_SHOWN = 10
_MEND = "write it anew with `tunebench baseline`"


class BaselineError(TunebenchError):
    """A committed baseline that is missing, cannot be read, or is of something else."""


@dataclass(frozen=True)
class Regression:
    """One cell's answers against those of its baseline.

    Attributes:
        cell: the cell's id.
        before: the baseline's accuracy.
        accuracy: the accuracy now.
        recorded_at: when the baseline's answers were recorded.
        lost: items that were right and are wrong.
        gained: items that were wrong and are right.
        changed: items that got another wrong answer.
        n: how many items there are.
    """

    cell: str
    before: float
    accuracy: float
    recorded_at: str
    lost: tuple[str, ...]
    gained: tuple[str, ...]
    changed: tuple[str, ...]
    n: int

    @property
    def drop(self) -> float:
        """How far the accuracy fell; negative where it rose."""
        return (len(self.lost) - len(self.gained)) / self.n

    @property
    def p(self) -> float:
        """Two-sided p-value of McNemar's mid-p test."""
        return mcnemar_mid_p(len(self.lost), len(self.gained))

    def lines(self) -> list[str]:
        """What differs, for people: nothing where no answer does."""
        if not (self.lost or self.gained or self.changed):
            return []
        head = (
            f"{self.cell}: accuracy {self.before:.3f} in the baseline of {self.recorded_at}, "
            f"{self.accuracy:.3f} now (mid-p {self.p:.2g})"
        )
        kinds = {
            "right before, wrong now": self.lost,
            "wrong before, right now": self.gained,
            "wrong in another way": self.changed,
        }
        return [head, *(f"  {flips(kind, items)}" for kind, items in kinds.items() if items)]


def flips(kind: str, items: Sequence[str]) -> str:
    """A count and the first items of it, as ``2 lost: a, b``."""
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return f"{len(items)} {kind}: {', '.join(items[:_SHOWN])}{more}"


def regression_of(result: Result) -> Regression | None:
    """Compare a result with its cell's baseline.

    Returns:
        None where there is no baseline, or none of this cell.

    Raises:
        BaselineError: the baseline cannot be read, or is of another experiment or of other items.
    """
    experiment, cell = result.cell.experiment, str(result.cell)
    path = experiment.baseline
    entry = _read(path, experiment.name, tuple(experiment.task.labels)).get(cell)
    if entry is None:
        return None
    before: dict[str, int | None] = entry["predictions"]
    judged = _judged(result)
    unshared = sorted(before.keys() ^ judged.keys())
    if unshared:
        raise BaselineError(
            f"{path}: the baseline of {cell} is of other items: {len(unshared)}, such as "
            f"{unshared[0]}, are in one only; {_MEND}."
        )
    right = sum(before[item] == label for item, (label, _) in judged.items())
    if right / len(judged) != entry["accuracy"]:
        raise BaselineError(
            f"{path}: the baseline of {cell} states the accuracy {entry['accuracy']}, and by the "
            f"labels of its items it is {right / len(judged)}: they have other labels now; {_MEND}."
        )
    flipped = [
        (item, before[item], label, now)
        for item, (label, now) in judged.items()
        if before[item] != now
    ]
    return Regression(
        cell,
        entry["accuracy"],
        result.accuracy,
        entry["recorded_at"],
        lost=tuple(item for item, was, label, _ in flipped if was == label),
        gained=tuple(item for item, _, label, now in flipped if now == label),
        changed=tuple(item for item, was, label, now in flipped if label not in (was, now)),
        n=len(judged),
    )


def baseline_bytes(
    experiment: str, labels: Sequence[str], cells: Mapping[str, Mapping[str, Any]]
) -> bytes:
    """A baseline's file.

    Args:
        experiment: its name.
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


def entry_of(result: Result) -> dict[str, Any]:
    """A result as a cell of a baseline."""
    predictions = {item: now for item, (_, now) in _judged(result).items()}
    return {
        "accuracy": result.accuracy,
        "recorded_at": result.recorded_at,
        "predictions": predictions,
    }


def _judged(result: Result) -> dict[str, tuple[int, int | None]]:
    items, labels = (result.judgements[name].tolist() for name in ("item", "label"))
    return {
        item: (label, now)
        for item, label, now in zip(items, labels, result.predictions, strict=True)
    }


def _read(path: Path, experiment: str, labels: tuple[str, ...]) -> dict[str, Any]:
    try:
        changed = path.stat().st_mtime_ns
    except FileNotFoundError:
        return {}
    return _read_once(path, changed, experiment, labels)


@lru_cache(maxsize=8)
def _read_once(
    path: Path, _changed: int, experiment: str, labels: tuple[str, ...]
) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
        version, name, known = found["version"], found["experiment"], found["labels"]
        cells: dict[str, Any] = found["cells"]
        for cell in cells.values():
            _ = cell["accuracy"], cell["recorded_at"], cell["predictions"].keys()
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BaselineError(f"{path}: this is no baseline; {_MEND}.") from error
    if version != VERSION:
        raise BaselineError(
            f"{path}: the baseline has version {version!r} and this tunebench reads {VERSION}; "
            f"{_MEND}."
        )
    if name != experiment:
        raise BaselineError(
            f"{path}: the baseline belongs to the experiment {name!r}, not to {experiment!r}; put "
            f"the right file there, or {_MEND}."
        )
    if tuple(known) != labels:
        raise BaselineError(
            f"{path}: the baseline is of the labels {', '.join(known)}, and the experiment's are "
            f"{', '.join(labels)}; {_MEND}."
        )
    return cells
