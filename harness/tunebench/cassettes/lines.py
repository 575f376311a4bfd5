"""The lines of a cassette's file: their fields, and the checksums that prove them unchanged."""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from tunebench.errors import CassetteError, holds_control

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

VERSION = 2
# Of the open part of a cassette that has shards.
WITH_SHARDS = 3
ROW_START, REQUEST_START = b'{"prompt":"', b'{"request":"'
# The places of the digits of a row's prompt and request in its line.
PROMPT = slice(11, 75)
REQUEST_OF_ROW = slice(88, 104)
_REQUEST_ID = slice(12, 28)
BEFORE_ANSWER, BEFORE_CRC = b',"answer":', b',"crc32":"'
_HEX_LENGTH = 64
_REQUEST_FIELDS = [
    *("request", "digest", "endpoint", "model", "parameters", "server", "answered_by")
]
# No provider counts so many tokens, and no answer takes so many milliseconds.
_MAX_NUMBER = 1 << 53


@dataclass(frozen=True)
class RequestLine:
    """The fields that the rows of one kind of request have in common.

    Attributes:
        digest: SHA-256 (hex) over endpoint and body, without the prompts.
        endpoint: method and path below the API root.
        model: the model asked.
        parameters: the parameters of the request that quote no text.
        server: the server's name for its state (``system_fingerprint``), or an empty string.
        answered_by: the model that answered by the provider's account, or an empty string.
    """

    digest: str
    endpoint: str
    model: str = ""
    parameters: Mapping[str, Any] | None = None
    server: str = ""
    answered_by: str = ""

    @property
    def fields(self) -> dict[str, Any]:
        """As they are stored."""
        return vars(self) | {"parameters": dict(self.parameters or {})}

    @property
    def id(self) -> str:
        """Its name in rows: 16 hex digits, which follow from its fields."""
        canonical = json.dumps(self.fields, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]


class Row(NamedTuple):
    """One prompt's answer; these fields and no others are stored.

    Attributes:
        prompt: SHA-256 (hex) of the prompt; of an empty text where the request holds none.
        request: the id of its `RequestLine`.
        item: the item id of the text asked, or None.
        recorded_at: when the answer came, UTC, ISO 8601.
        latency_ms: time from the request to the whole answer, milliseconds.
        prompts: how many prompts the request held.
        usage: prompt and completion tokens of the whole request, None where they are not known.
        answer: the part of the answer that was read, see `tunebench.wire`.
    """

    prompt: str
    request: str
    item: str | None
    recorded_at: str
    latency_ms: float
    prompts: int
    usage: tuple[int | None, int | None]
    answer: Any

    @property
    def key(self) -> str:
        """Unique in the file: the digits at the beginning of its line."""
        return f"{self.prompt}{self.request}"


def is_note(endpoint: str) -> bool:
    """Whether a row holds a note of the recording itself, and no answer."""
    return not endpoint.startswith(("GET ", "POST "))


def read_header(line: bytes) -> dict[str, Any]:
    """The header of a cassette from its first line.

    Raises:
        CassetteError: it is not the header of a cassette of this version. The error has no place.
    """
    move_away = "restore it from version control, or move it away and record again"
    try:
        header = json.loads(line)
        version = header["cassette"]
        if not {"experiment", "recording"} <= header.keys():
            raise ValueError
    except (ValueError, TypeError, KeyError, RecursionError):
        raise CassetteError("this is not a tunebench cassette", hint=move_away) from None
    if version == 1:
        raise CassetteError(
            "the cassette has format version 1",
            hint="turn it into the current one with `tunebench cassettes upgrade`",
        )
    if version != VERSION and not (version == WITH_SHARDS and "shards" in header):
        raise CassetteError(
            f"the cassette has format version {version!r} and this tunebench reads version "
            f"{VERSION}",
            hint=f"install the version that wrote it, or {move_away}",
        )
    return header  # type: ignore[no-any-return]


def rows_for(
    line: RequestLine,
    prompts: Sequence[str],
    answers: Iterable[Any],
    items: Iterable[str | None],
    *,
    recorded_at: str | None = None,
    latency_ms: float = 0.0,
    usage: tuple[int | None, int | None] = (None, None),
) -> list[Row]:
    """The rows of one request, one for each prompt; recorded now unless another time is given."""
    id_, now = line.id, recorded_at or datetime.now(UTC).isoformat(timespec="seconds")
    return [
        Row(prompt, id_, item, now, latency_ms, len(prompts), usage, answer)
        for prompt, answer, item in zip(prompts, answers, items, strict=True)
    ]


def row_of(fields: Any) -> Row:
    """A row from its parsed line.

    Raises:
        ValueError: a field is missing or of another kind.
    """
    if type(fields) is not dict or tuple(fields) != Row._fields:
        raise ValueError("its fields are not those of a row")
    prompt, request, item, recorded_at, latency_ms, prompts, usage, answer = fields.values()
    wrong = None
    if type(prompt) is not str or len(prompt) != _HEX_LENGTH:
        wrong = "prompt"
    elif type(request) is not str:
        wrong = "request"
    elif item is not None and type(item) is not str:
        wrong = "item"
    elif type(recorded_at) is not str:
        wrong = "recorded_at"
    elif type(latency_ms) not in (int, float) or not 0 <= latency_ms < _MAX_NUMBER:
        wrong = "latency_ms"
    elif not _is_count(prompts) or not prompts:
        wrong = "prompts"
    elif type(usage) is not list or len(usage) != 2 or not all(map(_is_count, usage)):
        wrong = "usage"
    if wrong is not None:
        raise ValueError(f"the field {wrong} is not of its kind")
    _check_time(recorded_at)
    tokens = usage[0], usage[1]
    return Row(prompt, request, item, recorded_at, latency_ms, prompts, tokens, answer)


@lru_cache(maxsize=64)  # many answers come in one second
def _check_time(recorded_at: str) -> None:
    datetime.fromisoformat(recorded_at)


def request_of(fields: Any) -> tuple[str, RequestLine]:
    """The id and the description of a request from its parsed line.

    Raises:
        ValueError: a field is missing or of another kind.
    """
    if type(fields) is not dict or list(fields) != _REQUEST_FIELDS:
        raise ValueError("its fields are not those of a description of requests")
    for name, value in fields.items():
        if type(value) is not (dict if name == "parameters" else str):
            raise ValueError(f"the field {name} is not of its kind")
    if len(fields["digest"]) != _HEX_LENGTH:
        raise ValueError("the field digest is not of its kind")
    for name in ("endpoint", "server", "answered_by"):
        # A provider's words, which are shown in a terminal and in reports.
        if holds_control(fields[name]):
            raise ValueError(f"the field {name} holds a control character")
    id_ = fields.pop("request")
    request = RequestLine(**fields)
    if request.id != id_:
        raise ValueError("its id does not follow from its fields")
    return id_, request


def without_rows(lines: Iterable[bytes], keys: Iterable[str]) -> list[bytes]:
    """The lines of a cassette without the rows of some keys, their descriptions and a torn line."""
    gone = {(key[:64].encode(), key[64:].encode()) for key in keys}
    whole = [line for line in lines if line.endswith(b"\n")]
    kept = [
        line
        for line in whole
        if not line.startswith(ROW_START) or (line[PROMPT], line[REQUEST_OF_ROW]) not in gone
    ]
    used = {line[REQUEST_OF_ROW] for line in kept if line.startswith(ROW_START)}
    return [
        line for line in kept if not line.startswith(REQUEST_START) or line[_REQUEST_ID] in used
    ]


def checked_fields(line: bytes) -> Any:
    """The JSON value of a line whose checksum is right, without the checksum.

    Raises:
        ValueError: the checksum is another's, or the line is not a JSON object.
    """
    content, _, digits = line.rpartition(BEFORE_CRC)
    if not _is_checksum(digits, content):
        raise ValueError("its checksum is not that of its content")
    try:
        return json.loads(content.decode("utf-8", "surrogatepass") + "}")
    except RecursionError:
        raise ValueError("nested too deeply") from None


def is_sound(line: bytes) -> bool:
    """Whether a line's checksum is that of its content."""
    content, _, digits = line.rpartition(BEFORE_CRC)
    return _is_checksum(digits, content)


def _is_checksum(digits: bytes, content: bytes) -> bool:
    return digits.rstrip(b"\r\n") == b'%08x"}' % zlib.crc32(content)


def _is_count(value: Any) -> bool:
    return value is None or (type(value) is int and 0 <= value < _MAX_NUMBER)


def line_of(fields: Mapping[str, Any]) -> bytes:
    """A line of the file from its fields, with its checksum."""
    text = json.dumps(fields, separators=(",", ":"), allow_nan=False)[:-1].encode()
    return b'%b%b%08x"}\n' % (text, BEFORE_CRC, zlib.crc32(text))
