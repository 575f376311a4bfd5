"""The routes of ``/v1/files``."""

import base64
import sqlite3
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response
from starlette.concurrency import run_in_threadpool

from tunebench.errors import DatasetError
from tunebench.server.http.uploads import Upload, receive_upload
from tunebench.server.http_errors import ApiError
from tunebench.server.tuning import examples
from tunebench.server.tuning.jobs import ACTIVE
from tunebench.server.tuning.storage import (
    RESULTS,
    Storage,
    add_file,
    listing,
    loads,
    new_id,
    no_room,
    now,
    page,
)


def file_routes(storage: Storage, limit: int) -> APIRouter:
    """The router.

    Args:
        storage: where files are kept.
        limit: bytes of one file.
    """
    router = APIRouter(prefix="/v1/files")

    @router.post("")
    async def create(request: Request) -> dict[str, Any]:
        upload = await receive_upload(request, storage.files, limit)
        return await run_in_threadpool(_keep, storage, upload)

    @router.get("")
    def files(request: Request) -> dict[str, Any]:
        order = request.query_params.get("order", "desc")
        if order not in ("asc", "desc"):
            raise ApiError(400, "The parameter order is neither asc nor desc.", param="order")
        purpose = request.query_params.get("purpose")
        where = "json_extract(object, '$.purpose') = ?" if purpose else "1"
        with storage.transaction() as connection:
            rows, more = page(
                connection,
                "files",
                **paging(request, default=10_000, most=10_000),
                where=where,
                values=(purpose,) if purpose else (),
                newest_first=order == "desc",
            )
        return listing([loads(row) for row in rows], more)

    @router.get("/{name}")
    def retrieve(name: str) -> dict[str, Any]:
        with storage.transaction() as connection:
            return loads(find_file(connection, name))

    @router.get("/{name}/content")
    def content(name: str) -> Response:
        with storage.transaction() as connection:
            found = loads(find_file(connection, name))
        path = storage.files / name
        if found["purpose"] == RESULTS:
            # OpenAI answers with the CSV in base64, and clients decode it.
            return Response(base64.b64encode(path.read_bytes()), media_type="text/csv")
        return FileResponse(path, media_type="application/octet-stream")

    @router.delete("/{name}")
    def delete(name: str) -> dict[str, Any]:
        with storage.transaction() as connection:
            find_file(connection, name)
            if (job := _user_of(connection, name)) is not None:
                raise ApiError(
                    409,
                    f"The file {name} is in use by the job {job}; cancel the job or wait for it.",
                    code="file_in_use",
                )
            connection.execute("DELETE FROM files WHERE id = ?", (name,))
        (storage.files / name).unlink(missing_ok=True)
        return {"id": name, "object": "file", "deleted": True}

    return router


def paging(request: Request, *, default: int, most: int) -> dict[str, Any]:
    """``after`` and ``limit`` of a request for a list."""
    given = request.query_params.get("limit") or str(default)
    if not (given.isascii() and given.isdigit() and len(given) < 9 and 1 <= int(given) <= most):
        raise ApiError(400, f"The parameter limit is not a number from 1 to {most}.", param="limit")
    return {"after": request.query_params.get("after"), "limit": int(given)}


def find_file(connection: sqlite3.Connection, name: str, param: str | None = None) -> sqlite3.Row:
    """The row of a file's id; 404 if there is none."""
    row = connection.execute("SELECT * FROM files WHERE id = ?", (name,)).fetchone()
    if row is None:
        raise ApiError(
            404,
            f"There is no file {name!r}; GET /v1/files lists those there are.",
            param=param,
            code="file_not_found",
        )
    found: sqlite3.Row = row
    return found


def _keep(storage: Storage, upload: Upload) -> dict[str, Any]:
    try:
        purpose = upload.fields.get("purpose")
        if purpose != "fine-tune":
            raise ApiError(
                400, "The parameter purpose is not fine-tune, the only one here.", param="purpose"
            )
        if unknown := sorted(set(upload.fields) - {"purpose"}):
            raise ApiError(
                400,
                f"The parameter {unknown[0][:40]} is not known here; leave it out.",
                param=unknown[0][:40],
                code="unknown_parameter",
            )
        count = 0
        try:
            for _ in examples.examples(upload.path):
                count += 1
            if not count:
                examples.read(upload.path)
        except DatasetError as error:
            raise ApiError(400, str(error), param="file", code="invalid_file_format") from error
        made = {
            "id": new_id("file"),
            "object": "file",
            "bytes": upload.bytes,
            "created_at": now(),
            "filename": upload.filename,
            "purpose": purpose,
            "status": "processed",
        }
        # Renamed first: a row always has its content. A content without a row is swept up.
        upload.path.rename(storage.files / str(made["id"]))
        try:
            with storage.transaction() as connection:
                add_file(connection, made, upload.sha256)
        except BaseException:
            (storage.files / str(made["id"])).unlink(missing_ok=True)
            raise
        return made
    except OSError as error:
        raise no_room(error) from error
    finally:
        upload.path.unlink(missing_ok=True)


def _user_of(connection: sqlite3.Connection, name: str) -> str | None:
    row = connection.execute(
        f"SELECT id FROM jobs WHERE status IN {ACTIVE} AND ? IN "
        "(json_extract(object, '$.training_file'), json_extract(object, '$.validation_file'))",
        (name,),
    ).fetchone()
    return str(row["id"]) if row else None
