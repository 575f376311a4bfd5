"""Errors in OpenAI's shape: one sentence, and the parameter that it is about."""

import logging
from collections.abc import Collection, Mapping
from typing import Any, LiteralString

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic_core import PydanticCustomError
from starlette.exceptions import HTTPException

from tunebench.errors import TunebenchError

_log = logging.getLogger("tunebench.server")
_WRONG_PARAMETER = "wrong_parameter"  # the type of what `wrong_parameter` makes


class ApiError(HTTPException):
    """A refused request: an HTTP status, a sentence, and the parameter that it is about."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, headers)
        self.param = param
        self.code = code

    def __str__(self) -> str:
        return self.detail

    def response(self) -> JSONResponse:
        """The error in OpenAI's shape."""
        status = self.status_code
        kind = {401: "authentication_error", 404: "not_found_error"}.get(status)
        kind = kind or ("server_error" if status >= 500 else "invalid_request_error")
        error = {"message": self.detail, "type": kind, "param": self.param, "code": self.code}
        return JSONResponse({"error": error}, status, self.headers)


def wrong_parameter(param: str, message: LiteralString) -> PydanticCustomError:
    """The error for a validator of a whole request, where pydantic names no parameter."""
    return PydanticCustomError(_WRONG_PARAMETER, message, {"param": param})


def check_served(name: str, served: Collection[str]) -> None:
    """404 for a model that is not served."""
    if name not in served:
        raise ApiError(
            404,
            f"The model {name!r} is not served here; the models are: {', '.join(served)}.",
            param="model",
            code="model_not_found",
        )


def add_error_handlers(app: FastAPI) -> None:
    """Answer every error that a route raises in OpenAI's shape."""

    @app.exception_handler(ApiError)
    async def refused(_: Request, error: ApiError) -> JSONResponse:
        return error.response()

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        message = {
            400: "The body is not valid JSON.",
            404: f"There is no {request.url.path} here; /openapi.json lists the paths.",
            405: f"{request.url.path} does not take {request.method}.",
        }.get(error.status_code, str(error.detail))
        return ApiError(error.status_code, message, headers=error.headers).response()

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return _explain(error.errors()[0]).response()

    @app.exception_handler(TunebenchError)
    async def not_loaded(_: Request, error: TunebenchError) -> JSONResponse:
        return ApiError(500, str(error), code="model_not_loaded").response()

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        # Only the kind: the error's text may quote a prompt.
        kind = type(error).__name__
        _log.error("%s failed with %s", request.url.path, kind)
        return ApiError(500, f"The server failed with {kind}; see its log, or retry.").response()


def _explain(error: dict[str, Any]) -> ApiError:
    """The refusal for one error of pydantic's."""
    kind = error["type"]
    place = [str(part) for part in error["loc"] if part != "body"]
    if kind == _WRONG_PARAMETER:
        place = [error["ctx"]["param"]]
    if kind == "json_invalid":
        return ApiError(400, "The body is not valid JSON.")
    if not place:
        return ApiError(400, "The body must be a JSON object.")
    code = None
    if kind == "extra_forbidden":
        problem, code = "is not supported here; leave it out", "unknown_parameter"
    elif kind == "missing":
        problem = "is missing"
    elif kind == "value_error":
        problem = str(error["ctx"]["error"])
    elif kind == _WRONG_PARAMETER:
        problem = error["msg"]
    else:
        problem = f"is not valid: {error['msg'][0].lower()}{error['msg'][1:]}"
    name = ".".join(place)
    return ApiError(400, f"The parameter {name:.80} {problem}.", param=place[0], code=code)
