"""The table at the end of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_HEADER = (
    "model",
    "shots",
    "rule",
    "n",
    "accuracy",
    "95 % interval",
    "majority",
    "threshold",
    "verdict",
    "tokens in/out",
    "ms/request",
)
_LEFT = {"model", "rule", "verdict"}


def table(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Rows of ``results.json`` as lines of text with aligned columns, header first."""
    lines = [_HEADER, *(_line(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(_HEADER))]
    return ["  ".join(_pad(line, widths)).rstrip() for line in lines]


def _line(row: Mapping[str, Any]) -> tuple[str, ...]:
    threshold = row["min_accuracy"]
    tuned = f"ft{row['train_size']}" if row["train_size"] else str(row["shots"])
    return (
        row["model"],
        tuned,
        row["decision_rule"],
        str(row["n"]),
        f"{row['accuracy']:.3f}",
        f"{row['ci_low']:.3f}-{row['ci_high']:.3f}",
        f"{row['majority_rate']:.3f}",
        "-" if threshold is None else f"{threshold:.3f}",
        row["verdict"] or "-",
        f"{row['prompt_tokens']}/{row['completion_tokens']}",
        f"{row['latency_ms_median']:.0f}",
    )


def _pad(line: Sequence[str], widths: Sequence[int]) -> Iterable[str]:
    for title, text, width in zip(_HEADER, line, widths, strict=True):
        yield text.ljust(width) if title in _LEFT else text.rjust(width)
