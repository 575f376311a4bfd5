"""Rows of a cassette that follow from a number, and lines as they stand in its file."""

import json
from pathlib import Path
from typing import Any

from tunebench.cassettes import CassetteFile
from tunebench.cassettes.lines import RequestLine, Row
from tunebench.errors import CassetteError

from ..cassette_lines import line_of

HEADER = b'{"cassette": 2, "experiment": "films", "recording": "m-1shot"}\n'
DIGEST = "d" * 64
LINE = RequestLine(DIGEST, "POST completions", "m", {"max_tokens": 1})


def row(number: int, line: RequestLine = LINE, **other: Any) -> Row:
    """A row whose prompt and answer follow from a number."""
    fields: dict[str, Any] = {
        "prompt": f"{number:064x}",
        "request": line.id,
        "item": f"item-{number}",
        "recorded_at": "2026-11-22T12:00:00+00:00",
        "latency_ms": 1.5,
        "prompts": 1,
        "usage": (10, 1),
        "answer": {"text": f" {number}", "finish_reason": "stop"},
    }
    return Row(**(fields | other))


def fields_of(line: bytes) -> dict[str, Any]:
    """The fields of a line, without its checksum."""
    fields: dict[str, Any] = json.loads(line)
    del fields["crc32"]
    return fields


def written_line(line: RequestLine = LINE) -> bytes:
    """The line that describes a kind of request."""
    return line_of({"request": line.id, **line.fields})


def written_row(number: int, line: RequestLine = LINE, **other: Any) -> bytes:
    """The line of a row."""
    return line_of(row(number, line, **other)._asdict())


def written_file(numbers: Any) -> bytes:
    """A cassette of these rows."""
    return HEADER + written_line() + b"".join(map(written_row, numbers))


def opened(path: Path) -> CassetteFile:
    """The cassette at a path, for replay."""
    return CassetteFile(path, experiment="films", recording="m-1shot")


def found(file: CassetteFile, number: int, digest: str = DIGEST) -> Any:
    """The stored answer of a row's prompt; None if there is none."""
    positions = file.find(digest, [bytes.fromhex(f"{number:064x}")])
    return None if positions is None else file.answer(positions[0])


def numbers(file: CassetteFile) -> list[int]:
    """The numbers of its rows, in the order of the file."""
    return [int(stored.row.answer["text"]) for stored in file.rows()]


def error_of(do: Any) -> str:
    """What is said where something fails as a cassette does; an empty string where it does not."""
    try:
        do()
    except CassetteError as error:
        return str(error)
    return ""


def read_all(path: Path) -> str:
    """What is said where each line is read; an empty string where all is well."""

    def read() -> None:
        file = opened(path)
        try:
            list(file.rows())
            file.check()
        finally:
            file.close()

    return error_of(read)
