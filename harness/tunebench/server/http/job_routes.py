"""The routes of ``/v1/fine_tuning/jobs``, and ``DELETE /v1/models/…``."""

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from fastapi import APIRouter, Request

from tunebench.errors import DatasetError
from tunebench.server.http.file_routes import find_file, paging
from tunebench.server.http.json_route import JsonRoute
from tunebench.server.http_errors import ApiError
from tunebench.server.tuning import examples, gone, jobs
from tunebench.server.tuning.job_queue import JobQueue
from tunebench.server.tuning.job_requests import JobRequest
from tunebench.server.tuning.storage import Storage, listing, loads, page


def job_routes(queue: JobQueue) -> APIRouter:
    """The router."""
    router = APIRouter(prefix="/v1", route_class=JsonRoute)
    storage, models = queue.storage, queue.models

    @router.post("/fine_tuning/jobs")
    def create(body: JobRequest) -> dict[str, Any]:
        base = models.base(body.model)
        queue.engine.check_job()
        plan = body.plan()
        with storage.transaction() as connection:
            named = {"training_file": body.training_file, "validation_file": body.validation_file}
            rows = {
                param: find_file(storage, connection, name, param)
                for param, name in named.items()
                if name is not None
            }
            for param, row in rows.items():
                if loads(row)["purpose"] != "fine-tune":
                    message = f"The file {row['id']} is not a training file."
                    raise ApiError(400, message, param=param)
            # Inside the transaction: nobody can delete a file between this check and the job.
            _check_classes(storage, body)
            job = jobs.insert(
                connection,
                jobs.new_job(body, plan),
                {"plan": asdict(plan), **base},
                jobs.fingerprint(body, plan, [row["sha256"] for row in rows.values()]),
            )
        queue.wake()
        return job

    @router.get("/fine_tuning/jobs")
    def all_jobs(request: Request) -> dict[str, Any]:
        wanted = _metadata(request.query_params)
        one = "(SELECT value FROM json_each(object, '$.metadata') WHERE key = ?) = ?"
        with storage.reading() as connection:
            rows, more = page(
                connection,
                "jobs",
                **paging(request, default=20, most=100),
                where=" AND ".join([one] * len(wanted)) or "1",
                values=tuple(part for pair in wanted.items() for part in pair),
            )
        models.refresh()
        return listing(rows, more, partial(gone.job_of, storage))

    @router.get("/fine_tuning/jobs/{name}")
    def retrieve(name: str) -> dict[str, Any]:
        with storage.reading() as connection:
            job = gone.job_of(storage, jobs.find(connection, name))
        # A client that sees a succeeded job may use its model in the next request.
        models.refresh()
        return job

    @router.post("/fine_tuning/jobs/{name}/cancel")
    def cancel(name: str) -> dict[str, Any]:
        job = gone.cancel(storage, name)
        queue.wake()
        return job

    def part(name: str, table: str, paged: Mapping[str, Any]) -> dict[str, Any]:
        with storage.reading() as connection:
            jobs.find(connection, name)
            rows, more = page(connection, table, **paged, where="job = ?", values=(name,))
        return listing(rows, more)

    @router.get("/fine_tuning/jobs/{name}/events")
    def events(name: str, request: Request) -> dict[str, Any]:
        return part(name, "events", paging(request, default=20, most=1000))

    @router.get("/fine_tuning/jobs/{name}/checkpoints")
    def checkpoints(name: str, request: Request) -> dict[str, Any]:
        models.refresh()
        return part(name, "checkpoints", paging(request, default=10, most=100))

    @router.delete("/models/{name:path}")
    def delete(name: str) -> dict[str, Any]:
        models.delete(name)
        return {"id": name, "object": "model", "deleted": True}

    return router


def _metadata(query: Mapping[str, str]) -> dict[str, str]:
    """The filter ``metadata[k]=v``, which may be given several times."""
    return {
        key.removeprefix("metadata[")[:-1]: value
        for key, value in query.items()
        if key.startswith("metadata[") and key.endswith("]")
    }


def _check_classes(storage: Storage, body: JobRequest) -> None:
    try:
        with (storage.files / body.training_file).open("rb") as file:
            found = {one.completion for one in examples.examples(file)}
    except (OSError, DatasetError) as error:
        raise ApiError(
            400,
            f"The content of {body.training_file} is lost or damaged; upload the file again.",
            param="training_file",
        ) from error
    if len(found) < 2:
        raise ApiError(
            400,
            f"Every line of the file {body.training_file} has the same completion, so that there "
            "is nothing to learn; give examples of at least two classes.",
            param="training_file",
            code="one_class_only",
        )
    positive = body.classification_positive_class
    if positive is not None and positive.strip() not in {text.strip() for text in found}:
        raise ApiError(
            400,
            f"The parameter classification_positive_class is {positive[:40]!r}, which is not a "
            "completion in the training file; name one of them.",
            param="classification_positive_class",
        )
