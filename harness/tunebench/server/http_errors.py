"""Errors in OpenAI's shape: one sentence, and the parameter it is about."""

import logging
import re
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from tunebench.errors import TunebenchError

_log = logging.getLogger("tunebench.server")


class ApiError(Exception):
    """A refusal with an HTTP status."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code


def error_response(
    status: int,
    message: str,
    *,
    param: str | None = None,
    code: str | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """The response of an error."""
    kind = {401: "authentication_error", 404: "not_found_error"}.get(status)
    kind = kind or ("server_error" if status >= 500 else "invalid_request_error")
    error = {"message": message, "type": kind, "param": param, "code": code}
    return JSONResponse({"error": error}, status_code=status, headers=headers)


def add_error_handlers(app: FastAPI) -> None:
    """Turn whatever is raised while a request is answered into OpenAI's shape."""

    @app.exception_handler(ApiError)
    async def refused(_: Request, error: ApiError) -> JSONResponse:
        return error_response(error.status, str(error), param=error.param, code=error.code)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        message, param, code = _explain(error.errors()[0])
        return error_response(400, message, param=param, code=code)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        message = {
            400: "The body is not valid JSON.",
            404: f"There is no {request.url.path} here; see /openapi.json for what there is.",
            405: f"{request.url.path} does not take {request.method}.",
        }.get(error.status_code, str(error.detail))
        headers = dict(error.headers) if error.headers else None
        return error_response(error.status_code, message, headers=headers)

    @app.exception_handler(TunebenchError)
    async def own(_: Request, error: TunebenchError) -> JSONResponse:
        return error_response(500, str(error), code="model_not_loaded")

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> JSONResponse:
        # The kind only: an error's own words may quote a prompt.
        kind = type(error).__name__
        _log.error("%s failed with %s", request.url.path, kind)
        return error_response(
            500, f"The server failed with {kind}; its log says where, and asking again may help."
        )


def _explain(error: dict[str, Any]) -> tuple[str, str | None, str | None]:
    """Sentence, parameter and code of the first of pydantic's findings."""
    place = [part for part in error["loc"] if part != "body"]
    if error["type"] == "json_invalid":
        return "The body is not valid JSON.", None, None
    param = str(place[0]) if place else None
    message = error["msg"].removeprefix("Value error, ")
    if param is None:
        named = re.match(r"[a-z]+(_[a-z]+)*(?= is | or )", message)
        found = named[0] if named else None
        return (
            f"The parameter {message}." if found else "The body is not a JSON object.",
            found,
            None,
        )
    if error["type"] == "extra_forbidden":
        return f"The parameter {param} is not known here; leave it out.", param, "unknown_parameter"
    if error["type"] == "missing":
        return f"The parameter {'.'.join(map(str, place))} is missing.", param, None
    if error["type"] != "value_error":
        message = f"is not valid: {message[0].lower()}{message[1:]}"
    return f"The parameter {param} {message}.", param, None
