"""Compressed answers are decoded as the HTTP library decodes them."""

import gzip
import zlib
from collections.abc import Callable

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebench.wire import decoded

BODY = b'{"choices": [{"text": " Positive"}]}' * 9


def deflated_raw(content: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(content) + compressor.flush()


def brotli(content: bytes) -> bytes:
    return pytest.importorskip("brotli").compress(content)


def zstd(content: bytes) -> bytes:
    return pytest.importorskip("backports.zstd").compress(content)


CODERS: dict[str, list[Callable[[bytes], bytes]]] = {
    "": [],
    "identity": [],
    "gzip": [gzip.compress],
    "GZip": [gzip.compress],
    "deflate": [zlib.compress],
    "deflate ": [deflated_raw],
    "br": [brotli],
    "zstd": [zstd],
    "gzip, deflate": [gzip.compress, zlib.compress],
    "gzip, br": [gzip.compress, brotli],
    "br,zstd , gzip": [brotli, zstd, gzip.compress],
    "identity, gzip": [gzip.compress],
    "utf-8": [],
    "none, gzip": [gzip.compress],
    "gz\xefp": [],
}


@pytest.mark.parametrize("coding", CODERS)
def test_each_coding_and_several_of_them_are_decoded(coding: str) -> None:
    content = BODY
    for code in CODERS[coding]:
        content = code(content)
    assert decoded(content, {"Content-Encoding": [coding]}) == BODY
    assert decoded(content, {"content-encoding": coding.split(","), "x": ["gzip"]}) == BODY


def test_without_the_header_nothing_is_decoded() -> None:
    content = gzip.compress(BODY)
    assert decoded(content, {}) == decoded(content, {"content-type": ["gzip"]}) == content


@pytest.mark.parametrize("coding", ["gzip", "deflate", "gzip, deflate", ", ".join(["gzip"] * 6)])
def test_what_cannot_be_decoded_is_an_error_that_names_the_coding(coding: str) -> None:
    with pytest.raises(ValueError, match=coding):
        decoded(b"never compressed", {"content-encoding": [coding]})


@pytest.mark.parametrize(("library", "coding"), [("brotli", "br"), ("backports.zstd", "zstd")])
def test_so_it_is_where_a_library_of_its_own_decodes(library: str, coding: str) -> None:
    pytest.importorskip(library)
    with pytest.raises(ValueError, match=coding):
        decoded(b"never compressed", {"content-encoding": [coding]})


@given(
    codings=st.lists(
        st.sampled_from(["gzip", "deflate", "identity", "utf-8", "", "GZIP"]), max_size=7
    ),
    content=st.binary(max_size=30) | st.just(gzip.compress(BODY)) | st.just(zlib.compress(BODY)),
)
def test_the_cassette_reads_what_the_client_reads(codings: list[str], content: bytes) -> None:
    header = ", ".join(codings)
    try:
        read = httpx2.Response(200, headers={"content-encoding": header}, content=content).content
    except httpx2.DecodingError:
        with pytest.raises(ValueError):
            decoded(content, {"content-encoding": [header]})
    else:
        assert decoded(content, {"content-encoding": [header]}) == read
