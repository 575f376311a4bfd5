"""Multipart uploads, straight from the socket into a file that has no name yet."""

import hashlib
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from fastapi import Request
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from tunebench.server.http.guards import BodyLimit
from tunebench.server.http_errors import ApiError
from tunebench.server.tuning.storage import UNFINISHED, no_room

_FIELD_BYTES = 1 << 16


class RequestLimit(BodyLimit):
    """The limit of all bodies but uploads, which have one of their own."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass uploads on; treat other requests as ``BodyLimit`` does."""
        upload = scope["type"] == "http" and scope["path"].rstrip("/") == "/v1/files"
        await (self.app if upload else super().__call__)(scope, receive, send)


@dataclass
class Upload:
    """What came in.

    Attributes:
        fields: the form's plain fields.
        path: the unnamed file, to be renamed or removed by who takes it.
        filename: the client's name for it, None until it has sent one.
    """

    path: Path
    fields: dict[str, str] = field(default_factory=dict)
    filename: str | None = None
    bytes: int = 0
    sha256: str = ""


async def receive_upload(request: Request, folder: Path, limit: int) -> Upload:
    """Read a multipart body with one file.

    Args:
        request: its body is unread.
        folder: where the file goes.
        limit: bytes of the file.

    Returns:
        The upload, whole and on the disk.

    Raises:
        ApiError: the body is no such form, the file is too large, the disk is full, or the client
            has left. Nothing is left in the folder then.
    """
    _, options = parse_options_header(request.headers.get("content-type", ""))
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit + _FIELD_BYTES:
        raise _too_large(limit)
    if not options.get(b"boundary"):
        raise _bad_form()
    path: Path | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(dir=folder, prefix=UNFINISHED)
        path = Path(name)
        with open(number, "wb") as file:
            form = _Form(options[b"boundary"], Upload(path), file, limit)
            async for chunk in request.stream():
                await run_in_threadpool(form.write, chunk)
            upload = form.finish()
            file.flush()
            await run_in_threadpool(os.fsync, file.fileno())
        return upload
    except BaseException as error:
        if path is not None:
            path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise no_room(error) from error
        if isinstance(error, ClientDisconnect):
            raise ApiError(499, "The client has left.") from error
        raise


class _Form:
    """The parser's callbacks: plain fields into memory, the file onto the disk."""

    def __init__(self, boundary: bytes, upload: Upload, file: BinaryIO, limit: int) -> None:
        self._upload = upload
        self._file = file
        self._limit = limit
        self._digest = hashlib.sha256()
        self._header = (b"", b"")
        self._name = ""
        self._is_file = False
        self._ended = False
        self._plain = 0
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part,
                "on_header_field": lambda data, a, b: self._head(data[a:b], b""),
                "on_header_value": lambda data, a, b: self._head(b"", data[a:b]),
                "on_header_end": self._header_end,
                "on_part_data": lambda data, a, b: self._data(data[a:b]),
                "on_end": self._end,
            },
        )

    def write(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except MultipartParseError as error:
            raise _bad_form() from error

    def finish(self) -> Upload:
        if not self._ended:
            raise _bad_form()
        if self._upload.filename is None:
            raise ApiError(400, "The parameter file is missing.", param="file")
        self._upload.sha256 = self._digest.hexdigest()
        return self._upload

    def _part(self) -> None:
        self._name, self._is_file = "", False

    def _head(self, name: bytes, value: bytes) -> None:
        self._header = (self._header[0] + name, self._header[1] + value)
        if sum(map(len, self._header)) > _FIELD_BYTES:
            raise _bad_form()

    def _header_end(self) -> None:
        name, value = self._header
        self._header = (b"", b"")
        if name.lower() != b"content-disposition":
            return
        _, options = parse_options_header(value)
        self._name = options.get(b"name", b"").decode(errors="replace")
        if self._name == "file":
            if self._upload.filename is not None:
                raise ApiError(
                    400, "The parameter file is given twice; send one file.", param="file"
                )
            self._is_file = True
            given = options.get(b"filename", b"").decode(errors="replace")
            self._upload.filename = given.replace("\\", "/").rpartition("/")[2] or "upload.jsonl"

    def _data(self, data: bytes) -> None:
        if self._is_file:
            self._upload.bytes += len(data)
            if self._upload.bytes > self._limit:
                raise _too_large(self._limit)
            self._digest.update(data)
            self._file.write(data)
            return
        self._plain += len(data)
        if self._plain > _FIELD_BYTES:
            raise _bad_form()
        known = self._upload.fields.get(self._name, "")
        self._upload.fields[self._name] = known + data.decode(errors="replace")

    def _end(self) -> None:
        self._ended = True


def _bad_form() -> ApiError:
    return ApiError(
        400, "The body is no whole multipart form; send the fields purpose and file.", param="file"
    )


def _too_large(limit: int) -> ApiError:
    return ApiError(
        413,
        f"The file is over {limit:,} bytes; split it, or serve with a larger --max-file.",
        param="file",
    )
