"""The lines of a cassette, read and changed as nothing of tunebench ever does."""

import json
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a cassette without their checksums, in the order of the file."""
    whole = (line for line in path.read_bytes().splitlines(keepends=True)[1:] if line[-1:] == b"\n")
    return [_without_checksum(line) for line in map(json.loads, whole) if "prompt" in line]


def requests(path: Path) -> list[dict[str, Any]]:
    """The lines that describe requests."""
    lines = map(json.loads, path.read_bytes().splitlines()[1:])
    return [_without_checksum(line) for line in lines if "digest" in line]


def line_of(fields: Mapping[str, Any]) -> bytes:
    """A line with the checksum of its fields."""
    content = json.dumps(fields, separators=(",", ":"))[:-1].encode()
    return b'%b,"crc32":"%08x"}\n' % (content, zlib.crc32(content))


def change_lines(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the fields of each row and request, which get the checksum of what they are then."""
    header, *lines = path.read_bytes().splitlines(keepends=True)
    changed = []
    for line in lines:
        fields = _without_checksum(json.loads(line))
        change(fields)
        changed.append(line_of(fields))
    path.write_bytes(header + b"".join(changed))


def change_requests(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what rows have in common, and the ids that follow from it."""
    from tunebench.cassettes.lines import RequestLine

    ids: dict[str, str] = {}

    def changed(fields: dict[str, Any]) -> None:
        if "digest" in fields:
            old = fields.pop("request")
            change(fields)
            ids[old] = RequestLine(**fields).id
            given = dict(fields)
            fields.clear()
            fields |= {"request": ids[old], **given}
        else:
            fields["request"] = ids[fields["request"]]

    change_lines(path, changed)


def _without_checksum(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name != "crc32"}
