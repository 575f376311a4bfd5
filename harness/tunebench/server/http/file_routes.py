"""The routes of ``/v1/files``."""

import base64
import contextlib
import os
import re
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
from tunebench.server.tuning import examples, gone
from tunebench.server.tuning.storage import RESULTS, Storage, listing, loads, page
from tunebench.server.tuning.storage_errors import NO_ROOM, no_room

_MAX_FIELDS = 8
_EXPIRES_AFTER = ("expires_after[anchor]", "expires_after[seconds]")
_WHOLE = re.compile("[0-9]{1,9}")
_FORM = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {
                    "file": {
                        "type": "string",
                        "format": "binary",
                        "description": "JSON lines of prompts and completions, or of messages",
                    },
                    "purpose": {"const": "fine-tune"},
                    "expires_after[anchor]": {"const": "created_at"},
                    "expires_after[seconds]": {
                        "type": "integer",
                        "minimum": 3600,
                        "maximum": 2_592_000,
                    },
                },
                "required": ["file", "purpose"],
                "dependentRequired": {
                    one: [other] for one, other in (_EXPIRES_AFTER, _EXPIRES_AFTER[::-1])
                },
                "additionalProperties": False,
            }
        }
    },
}


def file_routes(storage: Storage, max_file: int) -> APIRouter:
    """The router; a file has at most ``max_file`` bytes."""
    router = APIRouter(prefix="/v1/files")

    @router.post("", openapi_extra={"requestBody": _FORM})
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
        with storage.reading() as connection:
            rows, more = page(
                connection,
                "files",
                **paging(request, default=10_000, most=10_000),
                where="json_extract(object, '$.purpose') = ?" if purpose else "1",
                values=(purpose,) if purpose else (),
                newest_first=order == "desc",
            )
        return listing([row for row in rows if not gone.is_gone(storage, row)], more)

    @router.get("/{name}")
    def retrieve(name: str) -> dict[str, Any]:
        with storage.reading() as connection:
            return loads(find_file(storage, connection, name))

    @router.get("/{name}/content")
    def content(name: str) -> Response:
        with storage.reading() as connection:
            found = loads(find_file(storage, connection, name))
        path = storage.files / name
        if not path.is_file():
            raise ApiError(404, f"The content of {name} is lost; delete the file.")
        if found["purpose"] == RESULTS:
            # OpenAI answers with the CSV in base64, and clients decode it.
            return Response(base64.b64encode(path.read_bytes()), media_type="text/csv")
        return FileResponse(path, media_type="application/octet-stream")

    @router.delete("/{name}")
    def delete(name: str) -> dict[str, Any]:
        try:
            with storage.transaction() as connection:
                _check_unused(storage, connection, name)
                connection.execute("DELETE FROM files WHERE id = ?", (name,))
        except ApiError as error:
            if error.code != NO_ROOM:
                raise
            # On a full disk the content goes first, which makes room for the change of the row.
            with storage.reading() as connection:
                _check_unused(storage, connection, name)
            try:
                os.truncate(storage.files / name, 0)
            except OSError as problem:
                raise no_room(problem) from problem
            with contextlib.suppress(ApiError):
                gone.remove_gone(storage)
        else:
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


def find_file(
    storage: Storage, connection: sqlite3.Connection, name: str, param: str | None = None
) -> sqlite3.Row:
    """The row of a file; 404 if there is none."""
    row: sqlite3.Row | None
    row = connection.execute("SELECT * FROM files WHERE id = ?", (name,)).fetchone()
    if row is None or gone.is_gone(storage, row):
        raise ApiError(
            404,
            f"There is no file {name!r}; GET /v1/files lists the files.",
            param=param,
            code="file_not_found",
        )
    return row


def _check_unused(storage: Storage, connection: sqlite3.Connection, name: str) -> None:
    find_file(storage, connection, name)
    if (job := gone.user_of(storage, connection, name)) is not None:
        raise ApiError(
            409,
            f"The file {name} is in use by the job {job}; cancel the job or wait for it.",
            code="file_in_use",
        )


def _keep(storage: Storage, form: FormData, max_file: int) -> dict[str, Any]:
    """Check an uploaded training file and store it."""
    upload = form.get("file")
    if not isinstance(upload, UploadFile):
        raise ApiError(400, "The parameter file is missing.", param="file")
    if (upload.size or 0) > max_file:
        raise file_too_large(max_file)
    if form.get("purpose") != "fine-tune":
        raise ApiError(400, "The parameter purpose must be fine-tune.", param="purpose")
    expires_after = _expires_after(form)
    if unknown := sorted(set(form) - {"file", "purpose", *_EXPIRES_AFTER}):
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
    with storage.new_file(upload.file, filename, "fine-tune", expires_after) as (_, made):
        return made


def _expires_after(form: FormData) -> int | None:
    """The seconds after which a file expires; 400 for those that OpenAI refuses too."""
    if not any(name in form for name in _EXPIRES_AFTER):
        return None
    anchor, seconds = (form.get(name) for name in _EXPIRES_AFTER)
    if anchor != "created_at":
        problem = "expires_after[anchor] must be created_at"
        raise ApiError(400, f"The parameter {problem}.", param="expires_after[anchor]")
    number = int(seconds) if isinstance(seconds, str) and _WHOLE.fullmatch(seconds) else 0
    if not 3600 <= number <= 2_592_000:
        problem = "expires_after[seconds] must be a whole number from 3600 to 2592000"
        raise ApiError(400, f"The parameter {problem}.", param="expires_after[seconds]")
    return number


def _bad_form(problem: str) -> ApiError:
    return ApiError(
        400,
        f"The body cannot be read as a form ({problem}); send the fields purpose and file.",
        param="file",
    )
