"""Fine-tuning jobs in the database.

A change of status checks the present one in the same transaction: when a job is cancelled and ends
at the same moment, one of the two wins and the other is refused.
"""

import json
import sqlite3
from dataclasses import asdict
from typing import Any

from tunebench.server.http_errors import ApiError
from tunebench.server.tuning.job_requests import Hyperparameters, JobRequest, Plan
from tunebench.server.tuning.storage import Storage, insert_row, loads, new_id, now

ACTIVE = ("validating_files", "queued", "running")
KEY = "tunebench_job"
"""The metadata key by which a job that is created again is recognised."""


def new_job(request: JobRequest, plan: Plan) -> dict[str, Any]:
    """The object of a queued job."""
    chosen = asdict(plan)
    del chosen["seed"]
    chosen["classification_positive_class"] = chosen.pop("positive_class")
    openai_names = {name: chosen[name] for name in Hyperparameters.model_fields}
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
        "hyperparameters": chosen,
        "method": {"type": "supervised", "supervised": {"hyperparameters": openai_names}},
    }


def insert(
    connection: sqlite3.Connection,
    job: dict[str, Any],
    work: dict[str, Any],
    fingerprint: dict[str, Any],
) -> dict[str, Any]:
    """Insert a job, unless an active or succeeded one has the same key, which is returned then.

    `fingerprint` is everything that decides its result; 409 if that of the other job differs.
    """
    key = job["metadata"].get(KEY)
    if key is not None:
        row = connection.execute(
            "SELECT * FROM jobs WHERE key = ? AND status NOT IN ('failed', 'cancelled')", (key,)
        ).fetchone()
        if row is not None and json.loads(row["fingerprint"]) != fingerprint:
            raise ApiError(
                409,
                f"The job {row['id']} has the same {KEY} {key[:60]!r} in its metadata, but other "
                "parameters or files; give another key, or cancel that job first.",
                param="metadata",
                code="job_exists",
            )
        if row is not None:
            return loads(row)
    values = {"status": job["status"], "key": key, "fingerprint": fingerprint, "plan": work}
    insert_row(connection, "jobs", id=job["id"], object=job, **values)
    add_event(connection, job["id"], f"Created fine-tuning job: {job['id']}")
    add_event(connection, job["id"], "Files validated, moving job to queued state")
    return job


def find(connection: sqlite3.Connection, name: str) -> sqlite3.Row:
    """The row of a job; 404 if there is none."""
    row: sqlite3.Row | None
    row = connection.execute("SELECT * FROM jobs WHERE id = ?", (name,)).fetchone()
    if row is None:
        raise ApiError(
            404,
            f"There is no job {name!r}; GET /v1/fine_tuning/jobs lists the jobs.",
            code="job_not_found",
        )
    return row


def move(
    connection: sqlite3.Connection,
    name: str,
    origins: tuple[str, ...],
    status: str,
    **changes: Any,
) -> bool:
    """Change a job's status and its object; False, and nothing, if it was not one of `origins`."""
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


def cancel(connection: sqlite3.Connection, name: str) -> None:
    """Cancel a job, unless it is over."""
    if move(connection, name, ACTIVE, "cancelled"):
        add_event(connection, name, "Fine-tuning job cancelled", level="warn")


def keep_max_tokens(connection: sqlite3.Connection, name: str, max_tokens: int) -> None:
    """Keep the length that a job has chosen, so that it continues with the same one."""
    row = find(connection, name)
    work, job = json.loads(row["plan"]), loads(row)
    work["plan"]["max_tokens"] = job["hyperparameters"]["max_tokens"] = max_tokens
    connection.execute(
        "UPDATE jobs SET plan = ?, object = ? WHERE id = ?",
        (json.dumps(work), json.dumps(job), name),
    )


def fail(storage: Storage, name: str, message: str, code: str = "training_failed") -> None:
    """Fail a running job, with the reason in a sentence."""
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
    """Append to a job's events; an event with data is one of metrics."""
    event = {
        "id": new_id("ftevent"),
        "object": "fine_tuning.job.event",
        "created_at": now(),
        "level": level,
        "message": message,
        "type": "message" if data is None else "metrics",
        "data": data or {},
    }
    insert_row(connection, "events", id=event["id"], job=job, object=event)


def add_checkpoint(
    connection: sqlite3.Connection, job: str, epoch: int, model: str, metrics: dict[str, Any]
) -> None:
    """Insert the checkpoint of an epoch."""
    checkpoint = {
        "id": new_id("ftckpt"),
        "object": "fine_tuning.job.checkpoint",
        "created_at": now(),
        "fine_tuning_job_id": job,
        "fine_tuned_model_checkpoint": model,
        "step_number": metrics["step"],
        "metrics": metrics,
    }
    row = {"id": checkpoint["id"], "job": job, "epoch": epoch, "object": checkpoint}
    insert_row(connection, "checkpoints", **row)


def epochs_done(connection: sqlite3.Connection, job: str) -> int:
    """How many epochs of a job have a checkpoint."""
    query = "SELECT COALESCE(MAX(epoch), 0) AS epochs FROM checkpoints WHERE job = ?"
    return int(connection.execute(query, (job,)).fetchone()["epochs"])


def fingerprint(request: JobRequest, plan: Plan, sha256s: list[str]) -> dict[str, Any]:
    """What makes two jobs the same; random seeds count as equal."""
    values = asdict(plan) | {"seed": request.seed}
    return values | {"model": request.model, "suffix": request.suffix, "files": sha256s}
