"""Compressed answers. Identity is asked for; some providers and proxies compress all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CODINGS = ("gzip", "deflate", "br", "zstd")


def decoded(content: bytes, headers: Mapping[str, Sequence[str]]) -> bytes:
    """An answer's body without its content coding.

    Args:
        content: as it came.
        headers: a list of values by name.

    Raises:
        ValueError: it cannot be decoded.
    """
    codings = [
        coding.strip().lower()
        for name, values in headers.items()
        if name.lower() == "content-encoding"
        for value in values
        for coding in value.split(",")
    ]
    # Whatever else stands there, such as "utf-8", the HTTP library ignores.
    codings = [coding for coding in codings if coding in _CODINGS]
    if not codings:
        return content
    import httpx2  # late: a replay decodes nothing

    try:
        # The HTTP library's own decoders, so that the cassette reads what the client reads.
        response = httpx2.Response(
            200, headers={"content-encoding": ", ".join(codings)}, content=content
        )
        return response.content
    except httpx2.DecodingError as error:
        raise ValueError(f"{', '.join(codings)}: {error}") from error
