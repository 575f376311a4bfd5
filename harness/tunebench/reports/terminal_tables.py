"""The tables at the end of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_HEADER = (
    "model",
    "shots/size",
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
_UPLIFT_HEADER = ("model", "cell", "over", "uplift", "95 % interval", "mid-p", "n")
_JOB_HEADER = ("job", "trained tokens", "minutes", "fine-tuned model")
_LEFT = {
    *("model", "rule", "verdict", "cell", "over", "job", "fine-tuned model", "experiment"),
    *("recording", "state", "models"),
}


def table(
    rows: Iterable[Mapping[str, Any]], baselines: Iterable[Mapping[str, Any]] = ()
) -> list[str]:
    """Cells and yardsticks as lines of text with aligned columns, header first.

    Args:
        rows: ``cells`` of ``results.json``. Where they are of several experiments, the first
            column names it, here and in the other tables.
        baselines: its ``baselines``; they follow the cells.
    """
    cells, yardsticks = list(rows), list(baselines)
    lines = [*map(_line, cells), *map(_baseline_line, yardsticks)]
    return _lines(_HEADER, [*cells, *yardsticks], lines)


def uplift_table(uplifts: Iterable[Mapping[str, Any]]) -> list[str]:
    """``uplifts`` of ``results.json`` as lines of text with aligned columns, header first."""
    rows = list(uplifts)
    return _lines(_UPLIFT_HEADER, rows, list(map(_uplift_line, rows)))


def job_table(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The jobs behind fine-tuned ``cells`` of ``results.json``, one line each, header first."""
    jobs = list({row["job"]: row for row in rows if row["job"]}.values())
    return _lines(_JOB_HEADER, jobs, list(map(_job_line, jobs)))


def _lines(
    header: Sequence[str], rows: Sequence[Mapping[str, Any]], lines: Sequence[Sequence[str]]
) -> list[str]:
    names = [row["experiment"] for row in rows]
    if len(set(names)) < 2:
        return aligned(header, lines)
    named = ((name, *line) for name, line in zip(names, lines, strict=True))
    return aligned(("experiment", *header), named)


def _line(row: Mapping[str, Any]) -> tuple[str, ...]:
    threshold = row["min_accuracy"]
    tuned = f"ft{row['train_size']}" if row["train_size"] else str(row["shots"])
    return (
        row["model"],
        tuned,
        row["decision_rule"],
        *_accuracy(row),
        "-" if threshold is None else f"{threshold:.3f}",
        row["verdict"] or "-",
        f"{row['prompt_tokens']}/{row['completion_tokens']}",
        f"{row['latency_ms_median']:.0f}",
    )


def _baseline_line(row: Mapping[str, Any]) -> tuple[str, ...]:
    # Not "ft": the model is made of these rows, not tuned on them.
    return row["model"], f"{row['train_size']} rows", "-", *_accuracy(row), "-", "-", "-", "-"


def _accuracy(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        str(row["n"]),
        f"{row['accuracy']:.3f}",
        f"{row['ci_low']:.3f}-{row['ci_high']:.3f}",
        f"{row['majority_rate']:.3f}",
    )


def _job_line(row: Mapping[str, Any]) -> tuple[str, ...]:
    tokens, seconds = row["trained_tokens"], row["training_seconds"]
    return (
        f"{row['model']}-ft{row['train_size']}",
        "-" if tokens is None else f"{tokens:,}",
        "-" if seconds is None else f"{seconds / 60:.1f}",
        row["fine_tuned_model"],
    )


def _uplift_line(row: Mapping[str, Any]) -> tuple[str, ...]:
    model = row["model"]
    # The model stands in the first column; another model's cell keeps its full name.
    over = row["over"].removeprefix(f"{model}-") if row["over_model"] == model else row["over"]
    return (
        model,
        row["cell"].removeprefix(f"{model}-"),
        over,
        f"{row['difference']:+.3f}",
        f"{row['ci_low']:+.3f} to {row['ci_high']:+.3f}",
        f"{row['mid_p']:.2g}",
        str(row["n"]),
    )


def aligned(header: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    """Lines of text with aligned columns, header first; names stand left, figures right."""
    lines = [header, *lines]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            text.ljust(width) if title in _LEFT else text.rjust(width)
            for title, text, width in zip(header, line, widths, strict=True)
        ).rstrip()
        for line in lines
    ]
