"""The matrix of a new experiment, as far as its rows go."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunebench.cli.init.experiment_files import Choices
    from tunebench.datasets import Dataset

_SHOTS = (0, 1, 4)
_TRAIN_SIZES = (100, 300)


def fitting(
    choices: Choices, data: Dataset, *, shots: bool, train_sizes: bool
) -> tuple[list[int], list[int], tuple[str, ...]]:
    """Shots and training sizes, and what is left out for lack of rows, a sentence each.

    Args:
        choices: with the shots and training sizes that the user named.
        data: the data set.
        shots: whether the user named the shots.
        train_sizes: whether the user named the training sizes.
    """
    train, left_out = len(data.train), []
    if choices.moved and data.report is not None:
        moved, file = data.report.moved, choices.test_data
        rows = "1 row is" if moved == 1 else f"{moved} rows are"
        left_out.append(f"{rows} not trained on, since the text or group is in {file}, too.")
    chosen, sizes = choices.shots, choices.train_sizes
    if not shots:
        counts = Counter(choices.labels[label] for label in data.train["label"])
        why = {n: _too_few(n, choices.labels, counts) for n in _SHOTS}
        chosen = [n for n in _SHOTS if why[n] is None]
        left_out += [f"No prompts with {n} worked examples: {why[n]}." for n in why if why[n]]
    if not train_sizes and choices.provider.trains:
        sizes = [n for n in _TRAIN_SIZES if n <= train]
        left_out += [
            f"No training size {n}: there are {train} training rows."
            for n in _TRAIN_SIZES
            if n > train
        ]
    return chosen, sizes, tuple(left_out)


def _too_few(shots: int, labels: Sequence[str], counts: Counter[str]) -> str | None:
    """Why there are not the rows for so many worked examples; None if there are."""
    wanted = shots * 2 * len(labels)
    if wanted > counts.total():
        return f"that takes {wanted} training rows, and there are {counts.total()}"
    # They are drawn evenly over the labels.
    rarest = min(labels, key=lambda label: counts[label])
    if counts[rarest] < shots // len(labels):
        return f"the training rows hold {counts[rarest]} of {rarest!r}"
    return None
