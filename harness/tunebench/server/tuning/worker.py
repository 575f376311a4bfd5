"""The process of one job: ``python -m tunebench.server.tuning.worker --data-dir FOLDER --job ID``.

It reads its job from the database and writes everything there. It exits when its standard input
closes, that is when the server that started it exits.
"""

import argparse
import csv
import fcntl
import io
import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tunebench.errors import TunebenchError
from tunebench.server.http_errors import ApiError
from tunebench.server.tuning import examples, jobs
from tunebench.server.tuning.job_requests import Plan
from tunebench.server.tuning.storage import RESULTS, Storage, insert_row, loads, now

_MEANS = ("loss", "sequence_accuracy", "token_accuracy")
_MEASURES = ("accuracy", "precision", "recall", "auroc", "auprc", "f1.0")
_COLUMNS = [
    *("step", "elapsed_tokens", "elapsed_examples"),
    *(f"{kind}_{name}" for kind in ("training", "validation") for name in _MEANS),
    *(f"classification/{name}" for name in _MEASURES),
]


class GoneError(Exception):
    """The job is no longer running: cancelled, or another worker has it."""


class JobRun:
    """One job, from its row in the database to its result."""

    def __init__(self, storage: Storage, name: str, kept_bytes: int) -> None:
        self._storage = storage
        self._name = name
        self._kept_bytes = kept_bytes
        with storage.transaction() as connection:
            row = jobs.find(connection, name)
            self._done = jobs.epochs_done(connection, name)
        self._work = json.loads(row["plan"])
        self._job = loads(row)
        self._plan = Plan(**self._work["plan"])
        self._folder = storage.job_folder(name)

    def run(self) -> None:
        """Train, and finish the job."""
        # Slow imports: a job whose files cannot be read fails without them.
        from tunebench.server.inference.models import ModelRegistry, choose_dtype
        from tunebench.server.tuning.training import Trainer

        training, validation = (
            examples.read(self._storage.files / name) if name else []
            for name in (self._job["training_file"], self._job["validation_file"])
        )
        base = self._job["model"]
        registry = ModelRegistry({base: self._work["source"]}, choose_dtype(self._work["dtype"]))
        model = registry.get(base)
        self._sha256, tokenizer, network = model.sha256, model.tokenizer, model.network
        del registry, model  # frees its copy of the head; the trainer has its own
        trainer = Trainer(
            network, tokenizer, self._plan, training, validation, kept_bytes=self._kept_bytes
        )
        if self._done:
            trainer.resume(self._epoch_folder(self._done))
        total = trainer.steps * self._plan.n_epochs
        kept = "kept from the first epoch on" if trainer.kept else "computed again in every epoch"
        message = (
            f"Training on {len(training)} examples, validating on {len(validation)}: "
            f"{self._plan.n_epochs} epochs of {trainer.steps} steps; the frozen layers' outputs "
            f"are {kept}."
        )
        with self._storage.transaction() as connection:
            jobs.add_event(connection, self._name, message)
        started = time.monotonic()
        for epoch in trainer.epochs(self._done, lambda row: self._step(row, total)):
            trainer.save(self._epoch_folder(epoch))
            each = (time.monotonic() - started) / (epoch - self._done)
            self._checkpoint(epoch, trainer.rows[-1], int(each * (self._plan.n_epochs - epoch)))
        self._finish(trainer.rows, trainer.steps)

    def _epoch_folder(self, number: int) -> Path:
        return self._folder / f"epoch-{number}"

    def _model_name(self) -> str:
        suffix = self._job["user_provided_suffix"] or ""
        return f"ft:{self._job['model']}:tunebench:{suffix}:{self._name[-8:]}"

    def _step(self, row: dict[str, Any], total: int) -> None:
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

    def _checkpoint(self, epoch: int, row: dict[str, Any], seconds_left: int) -> None:
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
        finish = now() + seconds_left
        with self._storage.transaction() as connection:
            if not jobs.move(
                connection, self._name, ("running",), "running", estimated_finish=finish
            ):
                raise GoneError
            jobs.add_checkpoint(connection, self._name, epoch, name, metrics)
            self._add_model(connection, name, epoch)
            jobs.add_event(connection, self._name, f"Checkpoint of epoch {epoch} saved: {name}")

    def _add_model(self, connection: Any, name: str, epoch: int) -> None:
        folder = self._epoch_folder(epoch).relative_to(self._storage.folder)
        insert_row(
            connection,
            "models",
            id=name,
            job=self._name,
            base=self._job["model"],
            base_sha256=self._sha256,
            folder=str(folder),
        )

    def _finish(self, rows: list[dict[str, Any]], steps: int) -> None:
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


def _watch_input() -> None:
    sys.stdin.buffer.read()
    os._exit(3)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a job; its result, or its error, is in the database then."""
    parser = argparse.ArgumentParser(prog="python -m tunebench.server.tuning.worker")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--job", required=True)
    parser.add_argument("--keep-bytes", type=int, default=2 << 30)
    options = parser.parse_args(argv)
    threading.Thread(target=_watch_input, daemon=True).start()
    storage = Storage(options.data_dir)
    # The previous worker, if its server was killed, may need a moment to exit.
    with (storage.job_folder(options.job) / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            JobRun(storage, options.job, options.keep_bytes).run()
        except GoneError:
            return 0
        except (TunebenchError, ApiError) as error:
            jobs.fail(storage, options.job, str(error))
        except OSError as error:
            jobs.fail(
                storage,
                options.job,
                f"The job's files cannot be written or read ({error.strerror or error}); make "
                "room on the server's disk and create the job again.",
                "no_room",
            )
        except MemoryError:
            message = "The server's memory is too small; create the job with a smaller batch_size."
            jobs.fail(storage, options.job, message, "no_memory")
    return 0


if __name__ == "__main__":
    sys.exit(main())
