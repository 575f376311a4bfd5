"""Errors in OpenAI's shape: one sentence, and the parameter that it is about."""

import json
import logging
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, LiteralString

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic_core import PydanticCustomError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from tunebench.errors import TunebenchError

_log = logging.getLogger("tunebench.server")
_TYPES = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}
_WRONG_PARAMETER = "wrong_parameter"  # the type of what `wrong_parameter` makes
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)  # what needs no quotes in a path


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
        return JSONResponse(self.body(), self.status_code, self.headers)

    def body(self) -> dict[str, Any]:
        """The JSON of the error."""
        status = self.status_code
        kind = _TYPES.get(status)
        kind = kind or ("server_error" if status >= 500 else "invalid_request_error")
        error = {"message": self.detail, "type": kind, "param": self.param, "code": self.code}
        return {"error": error}


def sentence(error: TunebenchError) -> str:
    """The error for a client, which learns only the name of a file or folder on this machine."""
    where = error.where
    if where and Path(where).expanduser().is_absolute():
        where = Path(where).name
    return str(TunebenchError(error.problem, where=where, hint=error.hint))


def wrong_parameter(param: str, message: LiteralString) -> PydanticCustomError:
    """The error for a validator of a whole object, where pydantic names only the object."""
    return PydanticCustomError(_WRONG_PARAMETER, message, {"param": param})


def check_served(name: str, served: Collection[str]) -> None:
    """404 for a model that is not served."""
    if name not in served:
        raise ApiError(
            404,
            f"The model {name[:80]!r} is not served here; the models are: {', '.join(served)}.",
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
        headers = error.headers
        if error.status_code == 405:
            headers = {"Allow": ", ".join(_methods(request))}
        return ApiError(error.status_code, message, headers=headers).response()

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        return explain({**first, "loc": first["loc"][1:]}).response()  # after "body"

    @app.exception_handler(TunebenchError)
    async def not_loaded(_: Request, error: TunebenchError) -> JSONResponse:
        _log.error("%s", error)
        return ApiError(500, sentence(error), code="model_not_loaded").response()

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        return internal_error(request, error).response()


def _methods(request: Request) -> list[str]:
    """What a path takes: a path with two methods is two routes, of which Starlette names one."""
    return [
        method
        for method in ("DELETE", "GET", "POST")
        for scope in [{**request.scope, "method": method}]
        if any(route.matches(scope)[0] == Match.FULL for route in request.app.routes)
    ]


def internal_error(request: Request, error: Exception) -> ApiError:
    """The answer to an unexpected error, which is logged."""
    # Only the kind: the error's text may quote a prompt.
    kind = type(error).__name__
    _log.error("%s failed with %s", request.url.path, kind)
    return ApiError(500, f"The server failed with {kind}; see its log, or retry.")


def explain(error: dict[str, Any]) -> ApiError:
    """The refusal for one error of pydantic's, whose place begins in the body."""
    kind = error["type"]
    if kind == "json_invalid":
        return ApiError(400, "The body is not valid JSON.")
    place = [part for part in error["loc"] if part != "[key]"]
    if kind == _WRONG_PARAMETER:
        place.append(error["ctx"]["param"])
    if not place:
        return ApiError(400, "The body must be a JSON object.")
    code = None
    if kind in ("extra_forbidden", "none_required"):
        problem, code = "is not supported here; leave it out", "unknown_parameter"
    elif kind == "missing":
        problem = "is missing"
    elif kind == "value_error":
        problem = str(error["ctx"]["error"])
    elif kind == _WRONG_PARAMETER:
        problem = error["msg"]
    else:
        problem = f"is not valid: {error['msg'][0].lower()}{error['msg'][1:]}"
    name = _path(place)
    return ApiError(400, f"The parameter {name} {problem}.", param=name, code=code)


def _path(place: Sequence[str | int]) -> str:
    """A place in a JSON body, such as ``messages[1].name``; a long one is cut off."""
    written = ""
    for part in place:
        if isinstance(part, str) and _NAME.fullmatch(part):
            written += f".{part}"
        else:
            written += f"[{json.dumps(part)}]"
    return f"{written.removeprefix('.'):.80}"
