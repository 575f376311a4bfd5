"""What a training reports: the protocol, and the journal that writes it into the database."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from tunebench.server.tuning import jobs
from tunebench.server.tuning.storage import RESULTS, Storage, insert_row, loads, now

_MEANS = ("loss", "sequence_accuracy", "token_accuracy")
_MEASURES = ("accuracy", "precision", "recall", "auroc", "auprc", "f1.0")
_COLUMNS = [
    *("step", "elapsed_tokens", "elapsed_examples"),
    *(f"{kind}_{name}" for kind in ("training", "validation") for name in _MEANS),
    *(f"classification/{name}" for name in _MEASURES),
]

Row = dict[str, float | None]
"""Metrics of a step, in the columns of OpenAI's result files."""


class GoneError(Exception):
    """The job is no longer running: cancelled, or another worker has it."""


class Journal(Protocol):
    """Takes what a training reports, in this order."""

    def started(self, sha256: str, max_tokens: int, messages: Sequence[tuple[str, str]]) -> None:
        """The base's hash, the length of prompts, and level and text of events."""

    def step(self, row: Row, total: int) -> None:
        """The metrics of a step, one of so many."""

    def checkpoint(self, epoch: int, row: Row, seconds_left: int | None) -> None:
        """An epoch whose checkpoint is complete, its last row, and an estimate if there is one."""

    def finished(self, rows: list[Row], steps: int) -> None:
        """All rows, and how many an epoch has."""


class DatabaseJournal:
    """Writes what a training reports into the database.

    All methods but `started` raise `GoneError` when the job is no longer running and they would
    change that.
    """

    def __init__(self, storage: Storage, name: str) -> None:
        self._storage = storage
        self._name = name
        self._sha256 = ""
        with storage.reading() as connection:
            self._job = loads(jobs.find(connection, name))

    def epoch_folder(self, number: int) -> Path:
        """The folder of an epoch's checkpoint."""
        return self._storage.job_folder(self._name) / f"epoch-{number}"

    def started(self, sha256: str, max_tokens: int, messages: Sequence[tuple[str, str]]) -> None:
        """Keep what the job has chosen, and add its events."""
        self._sha256 = sha256
        with self._storage.transaction() as connection:
            jobs.keep_max_tokens(connection, self._name, max_tokens)
            for level, text in messages:
                jobs.add_event(connection, self._name, text, level=level)

    def _model_name(self) -> str:
        suffix = self._job["user_provided_suffix"] or ""
        return f"ft:{self._job['model']}:tunebench:{suffix}:{self._name[-8:]}"

    def step(self, row: Row, total: int) -> None:
        """Add the event of a step."""
        message = f"Step {row['step']}/{total}: training loss={row['training_loss']:.4f}"
        if "validation_loss" in row:
            message += f", validation loss={row['validation_loss']:.4f}"
        data = row | {
            "total_steps": total,
            "train_loss": row["training_loss"],
            "train_mean_token_accuracy": row["training_token_accuracy"],
        }
        with self._storage.transaction() as connection:
            jobs.add_event(connection, self._name, message, data=data)

    def checkpoint(self, epoch: int, row: Row, seconds_left: int | None) -> None:
        """Add the checkpoint of an epoch, whose folder is complete, unless it is there already."""
        name = f"{self._model_name()}:ckpt-step-{row['step']}"
        loss, accuracy = row.get("validation_loss"), row.get("validation_token_accuracy")
        metrics = row | {
            "train_loss": row["training_loss"],
            "train_mean_token_accuracy": row["training_token_accuracy"],
            "valid_loss": loss,
            "valid_mean_token_accuracy": accuracy,
            "full_valid_loss": loss,
            "full_valid_mean_token_accuracy": accuracy,
        }
        finish = None if seconds_left is None else now() + seconds_left
        with self._storage.transaction() as connection:
            if jobs.epochs_done(connection, self._name) >= epoch:
                return
            if not jobs.move(
                connection, self._name, ("running",), "running", estimated_finish=finish
            ):
                raise GoneError
            jobs.add_checkpoint(connection, self._name, epoch, name, metrics)
            self._add_model(connection, name, epoch)
            jobs.add_event(connection, self._name, f"Checkpoint of epoch {epoch} saved: {name}")

    def _add_model(self, connection: Any, name: str, epoch: int) -> None:
        folder = self.epoch_folder(epoch).relative_to(self._storage.folder)
        insert_row(
            connection,
            "models",
            id=name,
            job=self._name,
            base=self._job["model"],
            base_sha256=self._sha256,
            folder=str(folder),
        )

    def finished(self, rows: list[Row], steps: int) -> None:
        """Finish the job, and serve the best epoch; an epoch has ``steps`` rows."""
        best, why = choose(rows, steps)
        name = self._model_name()
        content = io.BytesIO(_csv(rows))
        with self._storage.new_file(content, "step_metrics.csv", RESULTS) as (connection, file):
            if not jobs.move(
                connection,
                self._name,
                ("running",),
                "succeeded",
                fine_tuned_model=name,
                result_files=[file["id"]],
                trained_tokens=rows[-1]["elapsed_tokens"],
            ):
                raise GoneError
            self._add_model(connection, name, best)
            jobs.add_event(connection, self._name, why)
            jobs.add_event(connection, self._name, f"New fine-tuned model created: {name}")
            jobs.add_event(connection, self._name, "The job has successfully completed")


def choose(rows: Sequence[dict[str, Any]], steps: int) -> tuple[int, str]:
    """The epoch that is served, and a sentence that says why; an epoch has ``steps`` rows."""
    ends = rows[steps - 1 :: steps]
    if any("validation_loss" not in row for row in ends):
        return len(ends), (
            f"Epoch {len(ends)} of {len(ends)} is served: the last one, as there is no validation "
            "file to choose by."
        )
    losses = [row["validation_loss"] for row in ends]
    best = losses.index(min(losses)) + 1
    return best, (
        f"Epoch {best} of {len(ends)} is served: its validation loss of {min(losses):.4f} is the "
        f"lowest (by epoch: {', '.join(f'{loss:.4f}' for loss in losses)})."
    )


def _csv(rows: Sequence[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
