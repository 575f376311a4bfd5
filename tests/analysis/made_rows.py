"""Rows of results made for tests: all labels are 1, and a row is right where its answers say so."""

from typing import Any

from tunebench.reports import About, CellRow, RivalRow
from tunebench.statistics import wilson_interval

SUFFIXES = {"text": "", "label_logprobs": "-label_logprobs", "calibrated": "-calibrated"}


def about(n: int = 100, **more: Any) -> About:
    """An experiment of `n` texts, half of them with each label in the mind of its constant."""
    fields = {
        "name": "e", "labels": ["no", "yes"], "items": [f"i{number}" for number in range(n)],
        "label_ids": [number % 2 for number in range(n)],
    }  # fmt: skip
    return About.model_validate({**fields, **more})


def measured(right: list[bool]) -> dict[str, Any]:
    """The fields of a row whose answers to the texts of `about` are right or not."""
    low, high = wilson_interval(sum(right), len(right))
    labels = [number % 2 for number in range(len(right))]
    return {
        "experiment": "e", "n": len(right), "correct": sum(right),
        "accuracy": sum(right) / len(right), "ci_low": low, "ci_high": high,
        "predictions": [
            label if one else 1 - label for label, one in zip(labels, right, strict=True)
        ],
    }  # fmt: skip


def cell(
    right: int | list[bool],
    *,
    n: int = 100,
    model: str = "m",
    size: int = 0,
    shots: int = 0,
    rule: str = "text",
    **more: Any,
) -> CellRow:
    """A cell; a number is how many of the first texts are right."""
    answers = [i < right for i in range(n)] if isinstance(right, int) else right
    parts = [model, f"ft{size}" if size else f"{shots}shot", more.get("instruction")]
    parts += [f"{name}{more[key]}" for name, key in DRAWN.items() if key in more]
    fields = {
        **measured(answers), "cell": "-".join(filter(None, parts)) + SUFFIXES[rule],
        "model": model, "shots": shots, "train_size": size, "decision_rule": rule,
        "recorded_at": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    return CellRow.model_validate({**fields, **more})


DRAWN = {"draw": "example_draw", "seed": "seed"}


def rival(right: int | list[bool], *, n: int = 100, model: str = "tf-idf", size: int) -> RivalRow:
    """A rival, trained on so many rows."""
    answers = [i < right for i in range(n)] if isinstance(right, int) else right
    return RivalRow.model_validate({**measured(answers), "model": model, "train_size": size})
