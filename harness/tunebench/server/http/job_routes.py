"""The routes of ``/v1/fine_tuning/jobs``, and the removal of a fine-tuned model."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request

from tunebench.errors import DatasetError
from tunebench.server.http.file_routes import find_file, paging
from tunebench.server.http_errors import ApiError
from tunebench.server.tuning import examples, jobs
from tunebench.server.tuning.fine_tuned import FineTunedModels
from tunebench.server.tuning.job_queue import JobQueue
from tunebench.server.tuning.job_requests import JobRequest
from tunebench.server.tuning.storage import Storage, listing, loads, page


def job_routes(storage: Storage, queue: JobQueue, models: FineTunedModels) -> APIRouter:
    """The router.

    Args:
        storage: where jobs are kept.
        queue: is woken by what happens here.
        models: knows which bases there are.
    """
    router = APIRouter(prefix="/v1/fine_tuning/jobs")

    @router.post("")
    def create(body: JobRequest) -> dict[str, Any]:
        base = models.base(body.model)
        plan = body.plan()
        with storage.transaction() as connection:
            rows = {"training_file": find_file(connection, body.training_file, "training_file")}
            if body.validation_file is not None:
                found = find_file(connection, body.validation_file, "validation_file")
                rows["validation_file"] = found
            for param, row in rows.items():
                if loads(row)["purpose"] != "fine-tune":
                    raise ApiError(400, f"The file {row['id']} is no training file.", param=param)
            # Inside the transaction: nobody can delete a file between this look and the job.
            _check_classes(storage, body)
            mark = jobs.fingerprint(body, plan, [row["sha256"] for row in rows.values()])
            job = jobs.insert(
                connection,
                jobs.new_job(body, plan),
                {"plan": asdict(plan), **base},
                json.dumps(mark, sort_keys=True),
            )
        queue.wake()
        return job

    @router.get("")
    def all_jobs(request: Request) -> dict[str, Any]:
        wanted = _metadata(request.query_params)
        one = "(SELECT value FROM json_each(object, '$.metadata') WHERE key = ?) = ?"
        with storage.transaction() as connection:
            rows, more = page(
                connection,
                "jobs",
                **paging(request, default=20, most=100),
                where=" AND ".join([one] * len(wanted)) or "1",
                values=tuple(part for pair in wanted.items() for part in pair),
            )
        models.refresh()
        return listing([loads(row) for row in rows], more)

    @router.get("/{name}")
    def retrieve(name: str) -> dict[str, Any]:
        with storage.transaction() as connection:
            job = loads(jobs.find(connection, name))
        # Who is told that a job has succeeded may ask its model with the next request.
        models.refresh()
        return job

    @router.post("/{name}/cancel")
    def cancel(name: str) -> dict[str, Any]:
        with storage.transaction() as connection:
            active = ("validating_files", "queued", "running")
            if not jobs.move(connection, name, active, "cancelled"):
                status = jobs.find(connection, name)["status"]
                raise ApiError(
                    400,
                    f"The job {name} has already {_ENDED[status]}; there is nothing to cancel.",
                    code="job_finished",
                )
            jobs.add_event(connection, name, "Fine-tuning job cancelled", level="warn")
            job = loads(jobs.find(connection, name))
        queue.wake()
        return job

    def part(name: str, table: str, paged: Mapping[str, Any]) -> dict[str, Any]:
        with storage.transaction() as connection:
            jobs.find(connection, name)
            rows, more = page(connection, table, **paged, where="job = ?", values=(name,))
        return listing([loads(row) for row in rows], more)

    @router.get("/{name}/events")
    def events(name: str, request: Request) -> dict[str, Any]:
        return part(name, "events", paging(request, default=20, most=1000))

    @router.get("/{name}/checkpoints")
    def checkpoints(name: str, request: Request) -> dict[str, Any]:
        models.refresh()
        return part(name, "checkpoints", paging(request, default=10, most=100))

    return router


def model_routes(storage: Storage, models: FineTunedModels) -> APIRouter:
    """The router of ``DELETE /v1/models/…``."""
    router = APIRouter(prefix="/v1/models")

    @router.delete("/{name:path}")
    def delete(name: str) -> dict[str, Any]:
        models.check(name)
        with storage.transaction() as connection:
            row = connection.execute("SELECT * FROM models WHERE id = ?", (name,)).fetchone()
            if row is None:
                raise ApiError(
                    403,
                    f"The model {name} is one that the server was started with; only fine-tuned "
                    "models can be deleted.",
                    param="model",
                )
            connection.execute("DELETE FROM models WHERE id = ?", (name,))
            # The job's key is free again: creating the job once more must train once more.
            made = "json_extract(object, '$.fine_tuned_model') = ?"
            connection.execute(
                f"UPDATE jobs SET key = NULL WHERE id = ? AND {made}", (row["job"], name)
            )
            query = "SELECT 1 FROM models WHERE folder = ?"
            shared = connection.execute(query, (row["folder"],)).fetchone()
        if not shared:
            shutil.rmtree(storage.folder / row["folder"], ignore_errors=True)
        models.refresh()
        return {"id": name, "object": "model", "deleted": True}

    return router


_ENDED = {"succeeded": "succeeded", "failed": "failed", "cancelled": "been cancelled"}


def _metadata(query: Mapping[str, str]) -> dict[str, str]:
    """The filter ``metadata[k]=v``, which may be given several times."""
    return {
        key.removeprefix("metadata[")[:-1]: value
        for key, value in query.items()
        if key.startswith("metadata[") and key.endswith("]")
    }


def _check_classes(storage: Storage, body: JobRequest) -> None:
    try:
        found = {one.completion for one in examples.examples(storage.files / body.training_file)}
    except (OSError, DatasetError) as error:
        raise ApiError(
            400,
            f"The content of {body.training_file} is lost or damaged; upload the file again.",
            param="training_file",
        ) from error
    if len(found) < 2:
        raise ApiError(
            400,
            f"The file {body.training_file} has the same completion in every line, from which "
            "nothing can be learnt; give examples of two classes or more.",
            param="training_file",
            code="one_class_only",
        )
    positive = body.classification_positive_class
    if positive is not None and positive.strip() not in {text.strip() for text in found}:
        raise ApiError(
            400,
            f"The parameter classification_positive_class is {positive[:40]!r}, which is no "
            "completion in the training file; name one of them.",
            param="classification_positive_class",
        )
