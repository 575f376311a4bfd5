"""The routes of ``/v1/files``."""

import base64
import sqlite3
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from tunebench.errors import DatasetError
from tunebench.server.http.guards import FORM_BYTES, file_too_large
from tunebench.server.http_errors import ApiError
from tunebench.server.tuning import examples, jobs
from tunebench.server.tuning.storage import RESULTS, Storage, listing, loads, no_room, page

_MAX_FIELDS = 8


def file_routes(storage: Storage, max_file: int) -> APIRouter:
    """The router; a file has at most ``max_file`` bytes."""
    router = APIRouter(prefix="/v1/files")

    @router.post("")
    async def create(request: Request) -> dict[str, Any]:
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            raise _bad_form("it must be multipart/form-data")
        # The file goes to a temporary file without a name: whatever happens, nothing is left.
        try:
            async with request.form(
                max_files=1, max_fields=_MAX_FIELDS, max_part_size=FORM_BYTES
            ) as form:
                return await run_in_threadpool(_keep, storage, form, max_file)
        except ApiError:
            raise
        except HTTPException as error:
            raise _bad_form(error.detail.rstrip(".")) from error
        except ClientDisconnect as error:
            raise ApiError(499, "The client has left.") from error
        except OSError as error:
            raise no_room(error) from error

    @router.get("")
    def files(request: Request) -> dict[str, Any]:
        order = request.query_params.get("order", "desc")
        if order not in ("asc", "desc"):
            raise ApiError(400, "The parameter order must be asc or desc.", param="order")
        purpose = request.query_params.get("purpose")
        with storage.transaction() as connection:
            rows, more = page(
                connection,
                "files",
                **paging(request, default=10_000, most=10_000),
                where="json_extract(object, '$.purpose') = ?" if purpose else "1",
                values=(purpose,) if purpose else (),
                newest_first=order == "desc",
            )
        return listing(rows, more)

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
            if (job := jobs.using_file(connection, name)) is not None:
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
        message = f"The parameter limit must be a number from 1 to {most}."
        raise ApiError(400, message, param="limit")
    return {"after": request.query_params.get("after"), "limit": int(given)}


def find_file(connection: sqlite3.Connection, name: str, param: str | None = None) -> sqlite3.Row:
    """The row of a file; 404 if there is none."""
    row: sqlite3.Row | None
    row = connection.execute("SELECT * FROM files WHERE id = ?", (name,)).fetchone()
    if row is None:
        raise ApiError(
            404,
            f"There is no file {name!r}; GET /v1/files lists the files.",
            param=param,
            code="file_not_found",
        )
    return row


def _keep(storage: Storage, form: FormData, max_file: int) -> dict[str, Any]:
    """Check an uploaded training file and store it."""
    upload = form.get("file")
    if not isinstance(upload, UploadFile):
        raise ApiError(400, "The parameter file is missing.", param="file")
    if (upload.size or 0) > max_file:
        raise file_too_large(max_file)
    if form.get("purpose") != "fine-tune":
        raise ApiError(400, "The parameter purpose must be fine-tune.", param="purpose")
    if unknown := sorted(set(form) - {"file", "purpose"}):
        param = unknown[0][:40]
        raise ApiError(
            400,
            f"The parameter {param} is not supported here; leave it out.",
            param=param,
            code="unknown_parameter",
        )
    try:
        for _ in examples.examples(upload.file):
            pass
    except DatasetError as error:
        raise ApiError(400, str(error), param="file", code="invalid_file_format") from error
    upload.file.seek(0)
    filename = (upload.filename or "").replace("\\", "/").rpartition("/")[2] or "upload.jsonl"
    with storage.new_file(upload.file, filename, "fine-tune") as (_, made):
        return made


def _bad_form(problem: str) -> ApiError:
    return ApiError(
        400,
        f"The body cannot be read as a form ({problem}); send the fields purpose and file.",
        param="file",
    )
