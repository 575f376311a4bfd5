"""Learning curves for experiment trackers: Weights & Biases and TensorBoard.

Each is an extra. Metrics keep the names that they have in the result file.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from tunebench.errors import ResultsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import pandas as pd


def to_wandb(
    curve: pd.DataFrame,
    *,
    project: str,
    name: str,
    config: Mapping[str, Any],
    summary: Mapping[str, Any],
) -> str:
    """Send a curve to Weights & Biases as a new run.

    With ``WANDB_MODE=offline`` in the environment it is only written to disk; no account is needed.

    Args:
        curve: a row a step, with the column `step`; missing values are not sent.
        project: of Weights & Biases.
        name: of the run.
        config: what the job was started with.
        summary: its results, beside the last value of each metric.


    Returns:
        The run's address, or offline its folder.

    Raises:
        ResultsError: the package is missing, or refused the run.
    """
    try:
        # By name: an offline run leaves a folder `wandb`, which imports as an empty package.
        from wandb import Error, init
    except ImportError as error:
        raise _missing("wandb", "wandb") from error
    last: dict[str, float] = {}
    try:
        with init(project=project, name=name, config=dict(config)) as run:
            for step, values in _steps(curve):
                run.log(values, step=step)
                last |= values
            run.summary.update({**last, **summary})
            return os.path.dirname(run.dir) if run.offline else str(run.url)
    except Error as error:
        raise ResultsError(
            f"Weights & Biases did not take the run {name!r} ({_first_line(error)})",
            hint="log in with `wandb login`, or set WANDB_MODE=offline",
        ) from error


def to_tensorboard(
    curve: pd.DataFrame, folder: Path, *, config: Mapping[str, Any], replace: bool = False
) -> None:
    """Write a curve as an event file of TensorBoard, which holds numbers in 32 bits.

    Args:
        curve: a row a step, with the column `step`; missing values are not written.
        folder: of this run alone; made if it is missing.
        config: what the job was started with; shown as text.
        replace: whether event files that are there are removed. TensorBoard would draw them and
            the new one as one line.

    Raises:
        ResultsError: the package is missing, there are event files, or they cannot be written.
    """
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise _missing("tensorboardX", "tensorboard") from error
    try:
        old = sorted(folder.glob("events.out.tfevents.*"))
        if old and not replace:
            raise ResultsError(
                "a run has been written there already",
                where=folder,
                hint="name another folder, or give --force to replace it",
            )
        for file in old:
            file.unlink()
        folder.mkdir(parents=True, exist_ok=True)
        with SummaryWriter(str(folder)) as writer:
            writer.add_text("job", f"```\n{json.dumps(dict(config), indent=2)}\n```")
            for step, values in _steps(curve):
                for metric, value in values.items():
                    writer.add_scalar(metric, value, step)
    except OSError as error:
        raise ResultsError(
            f"the event file could not be written ({error.strerror})",
            where=folder,
            hint="name a folder that can be written to",
        ) from error


def _steps(curve: pd.DataFrame) -> Iterator[tuple[int, dict[str, float]]]:
    """Each step with the numbers that there are at it."""
    for row in curve.to_dict("records"):
        step = int(row.pop("step"))
        # A missing number is NaN, which is not itself.
        present = {n: v for n, v in row.items() if isinstance(v, int | float) and v == v}
        yield step, {str(name): value for name, value in present.items()}


def _missing(package: str, extra: str) -> ResultsError:
    return ResultsError(f"{package} is not installed", hint=f"pip install 'tunebench[{extra}]'")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
