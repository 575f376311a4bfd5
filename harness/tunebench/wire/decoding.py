"""Encoded bodies: content codings, which some providers and proxies use unasked, and base64."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebench.wire.values import Unusable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CODINGS = ("gzip", "deflate", "br", "zstd")


def decoded(content: bytes, headers: Mapping[str, Sequence[str]]) -> bytes:
    """An answer's body without its content coding, by its headers (a list of values by name).

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
    # Anything else there, such as "utf-8", is ignored by the HTTP library.
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


def read_result(content: bytes) -> bytes:
    """Check and read a result file: CSV, which OpenAI serves in base64."""
    import base64  # late, with its own imports: few runs have a result file
    import binascii

    try:
        plain = base64.b64decode(b"".join(content.split()), validate=True)
        # A header of few letters may be base64 as well, but not of anything with a comma.
        if "," in plain.decode():
            return plain
    except (binascii.Error, UnicodeDecodeError):
        pass
    try:
        content.decode()
    except UnicodeDecodeError:
        raise Unusable("the file is not text, so it is not CSV") from None
    if content.strip() == b"null":
        raise Unusable("the provider has none")
    if content.lstrip()[:1] in (b"<", b"{"):
        raise Unusable("the file is a web page or JSON and not CSV")
    return content
