"""Fine-tuning jobs in the database: made, moved from status to status, never lost.

Every change of status asks in the same transaction for the status that it starts from, so that of
a cancellation and an end that come together one wins and the other is told.
"""

import json
import sqlite3
from dataclasses import asdict
from typing import Any

from tunebench.server.http_errors import ApiError
from tunebench.server.tuning.job_requests import JobRequest, Plan, shown
from tunebench.server.tuning.storage import Storage, loads, new_id, now

ACTIVE = "('validating_files', 'queued', 'running')"
KEY = "tunebench_job"
"""The metadata key by which a job that is created again is found and not doubled."""


def new_job(request: JobRequest, plan: Plan) -> dict[str, Any]:
    """The object of a job that waits."""
    hyperparameters = {
        "n_epochs": plan.n_epochs,
        "batch_size": plan.batch_size,
        "learning_rate_multiplier": plan.learning_rate_multiplier,
    }
    return {
        "id": new_id("ftjob"),
        "object": "fine_tuning.job",
        "created_at": now(),
        "finished_at": None,
        "model": request.model,
        "fine_tuned_model": None,
        "organization_id": "tunebench",
        "result_files": [],
        "status": "queued",
        "seed": plan.seed,
        "training_file": request.training_file,
        "validation_file": request.validation_file,
        "trained_tokens": None,
        "estimated_finish": None,
        "integrations": [],
        "metadata": request.metadata or {},
        "error": None,
        "user_provided_suffix": request.suffix,
        "hyperparameters": shown(plan),
        "method": {"type": "supervised", "supervised": {"hyperparameters": hyperparameters}},
    }


def insert(
    connection: sqlite3.Connection, job: dict[str, Any], work: dict[str, Any], fingerprint: str
) -> dict[str, Any]:
    """Enter a job, or find the one with the same key.

    Args:
        connection: inside a transaction.
        job: its object.
        work: what its worker is told beyond that.
        fingerprint: of all that its result follows from.

    Returns:
        The job, or the one that is waiting, running or done under the same key.

    Raises:
        ApiError: 409, that one is another job.
    """
    key = job["metadata"].get(KEY)
    if key is not None:
        row = connection.execute(
            "SELECT * FROM jobs WHERE key = ? AND status NOT IN ('failed', 'cancelled')", (key,)
        ).fetchone()
        if row is not None and row["fingerprint"] != fingerprint:
            raise ApiError(
                409,
                f"The job {row['id']} has the same {KEY} {key[:60]!r} in its metadata and other "
                "parameters or files; give another key, or cancel that job first.",
                param="metadata",
                code="job_exists",
            )
        if row is not None:
            return loads(row)
    connection.execute(
        "INSERT INTO jobs (id, status, key, fingerprint, plan, object) VALUES (?, ?, ?, ?, ?, ?)",
        (job["id"], job["status"], key, fingerprint, json.dumps(work), json.dumps(job)),
    )
    add_event(connection, job["id"], f"Created fine-tuning job: {job['id']}")
    add_event(connection, job["id"], "Files validated, moving job to queued state")
    return job


def find(connection: sqlite3.Connection, name: str) -> sqlite3.Row:
    """The row of a job's id; 404 if there is none."""
    row = connection.execute("SELECT * FROM jobs WHERE id = ?", (name,)).fetchone()
    if row is None:
        raise ApiError(
            404,
            f"There is no job {name!r}; GET /v1/fine_tuning/jobs lists those there are.",
            code="job_not_found",
        )
    found: sqlite3.Row = row
    return found


def move(
    connection: sqlite3.Connection,
    name: str,
    origins: tuple[str, ...],
    status: str,
    **changes: Any,
) -> bool:
    """Give a job another status and other values.

    Args:
        connection: inside a transaction.
        name: the job's id.
        origins: the statuses that it may have now.
        status: the new one.
        changes: keys of its object.

    Returns:
        Whether it had one of those; if not, nothing is changed.
    """
    row = find(connection, name)
    if row["status"] not in origins:
        return False
    if status in ("succeeded", "failed", "cancelled"):
        changes = {"finished_at": now(), "estimated_finish": None} | changes
    job = loads(row) | {"status": status} | changes
    connection.execute(
        "UPDATE jobs SET status = ?, object = ? WHERE id = ?", (status, json.dumps(job), name)
    )
    return True


def fail(storage: Storage, name: str, message: str, code: str = "training_failed") -> None:
    """Fail a running job, with the sentence that says why."""
    error = {"code": code, "message": message, "param": None}
    with storage.transaction() as connection:
        if move(connection, name, ("running",), "failed", error=error):
            add_event(connection, name, message, level="error")


def add_event(
    connection: sqlite3.Connection,
    job: str,
    message: str,
    *,
    level: str = "info",
    data: dict[str, Any] | None = None,
) -> None:
    """Append to a job's events; with data it is one of metrics."""
    event = {
        "id": new_id("ftevent"),
        "object": "fine_tuning.job.event",
        "created_at": now(),
        "level": level,
        "message": message,
        "type": "message" if data is None else "metrics",
        "data": data or {},
    }
    connection.execute(
        "INSERT INTO events (id, job, object) VALUES (?, ?, ?)",
        (event["id"], job, json.dumps(event)),
    )


def add_checkpoint(
    connection: sqlite3.Connection,
    job: str,
    *,
    epoch: int,
    step: int,
    model: str,
    metrics: dict[str, Any],
) -> None:
    """Enter an epoch's checkpoint."""
    checkpoint = {
        "id": new_id("ftckpt"),
        "object": "fine_tuning.job.checkpoint",
        "created_at": now(),
        "fine_tuning_job_id": job,
        "fine_tuned_model_checkpoint": model,
        "step_number": step,
        "metrics": metrics,
    }
    connection.execute(
        "INSERT INTO checkpoints (id, job, epoch, object) VALUES (?, ?, ?, ?)",
        (checkpoint["id"], job, epoch, json.dumps(checkpoint)),
    )


def add_model(
    connection: sqlite3.Connection, name: str, job: str, base: str, sha256: str, folder: str
) -> None:
    """Enter a model to be served: an adapter, in a folder named from the data folder on."""
    connection.execute(
        "INSERT OR REPLACE INTO models (id, job, base, base_sha256, folder) VALUES (?, ?, ?, ?, ?)",
        (name, job, base, sha256, folder),
    )


def epochs_done(connection: sqlite3.Connection, job: str) -> int:
    """How many epochs of a job have a checkpoint."""
    query = "SELECT COALESCE(MAX(epoch), 0) AS epochs FROM checkpoints WHERE job = ?"
    return int(connection.execute(query, (job,)).fetchone()["epochs"])


def fingerprint(request: JobRequest, plan: Plan, sha256s: list[str]) -> dict[str, Any]:
    """What makes two jobs the same; a seed that is not given is no difference."""
    values = asdict(plan) | {"seed": request.seed}
    return values | {"model": request.model, "suffix": request.suffix, "files": sha256s}
