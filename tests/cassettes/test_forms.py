"""The key of a multipart form, as an upload is sent in."""

import hashlib
from typing import Any

import httpx2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tunebench.cassettes.fingerprint import fingerprint
from tunebench.errors import CassetteError

URI = "http://127.0.0.1:8017/v1/files"
CONTENT = b'{"prompt":"fine ->","completion":" Positive"}\n'


def encoded(parts: list[tuple[str, Any]], boundary: str = "") -> bytes:
    """A form as httpx2 sends it: name and (file name or None, content) of each part."""
    head = {"content-type": f"multipart/form-data; boundary={boundary}"} if boundary else None
    return httpx2.Request("POST", URI, files=parts, headers=head).read()


def form(content: bytes = CONTENT, name: str = "train.jsonl", purpose: str = "fine-tune") -> Any:
    return [("purpose", (None, purpose)), ("file", (name, content))]


def key(body: bytes) -> str:
    asked = fingerprint("POST", URI, body)
    assert asked.prompts == ("",)
    return asked.digest


def test_the_boundary_does_not_matter() -> None:
    bodies = [encoded(form()), encoded(form()), encoded(form(), "a"), encoded(form(), "a" * 70)]
    assert len(set(bodies)) == 4
    assert len({key(body) for body in bodies}) == 1


def test_the_order_of_the_parts_does_not_matter() -> None:
    assert encoded(form(), "a") != encoded(form()[::-1], "a")
    assert key(encoded(form())) == key(encoded(form()[::-1]))


@pytest.mark.parametrize(
    "other",
    [
        form(CONTENT + CONTENT),
        form(b""),
        form(CONTENT.strip()),
        form(b"\r\n" + CONTENT),
        form(CONTENT + b"\r\n"),
        form(name="valid.jsonl"),
        form(purpose="batch"),
        form()[1:],
        form()[:1],
        [*form(), ("user", (None, "me"))],
        [("purpose", (None, "fine-tune")), ("other", ("train.jsonl", CONTENT))],
        [("purpose", (None, "fine-tune")), ("file", (None, CONTENT))],
        [*form(), ("purpose", (None, "fine-tune"))],
    ],
)
def test_whatever_changes_the_upload_changes_the_key(other: Any) -> None:
    assert key(encoded(other)) != key(encoded(form()))


def test_each_of_several_parts_of_one_name_counts() -> None:
    def tagged(*tags: str) -> str:
        return key(encoded([*form(), *(("tag", (None, tag)) for tag in tags)]))

    assert len({tagged("a", "b"), tagged("c", "b"), tagged("b"), tagged("b", "a")}) == 4


def test_the_purpose_is_stored_and_of_the_file_its_name_and_hash() -> None:
    asked = fingerprint("POST", URI, encoded(form()))
    file = {"filename": "train.jsonl", "sha256": hashlib.sha256(CONTENT).hexdigest()}
    assert asked.parameters == {"purpose": "fine-tune", "file": file}
    assert asked.prompts == ("",)


# What a form is made of, so that contents look like parts and ends of forms.
pieces = st.sampled_from(
    [b"\r\n", b"--", b"\r\n--", b"\r\n--b", b"--\r\n", b"\r\n\r\n", b'name="x"', b"\xff", b"a"]
)
contents = st.binary(max_size=40) | st.lists(pieces, max_size=8).map(b"".join)


@given(left=contents, right=contents)
@example(left=b"\r\n--", right=b"\r\n--\r\n")
@example(left=b"", right=b"\r\n")
def test_files_have_the_same_key_if_and_only_if_they_hold_the_same(
    left: bytes, right: bytes
) -> None:
    assert (key(encoded(form(left))) == key(encoded(form(right)))) == (left == right)


@given(left=contents, right=contents)
@example(left=b"\xff", right=b"\xfe")
def test_plain_fields_have_the_same_key_if_and_only_if_they_hold_the_same(
    left: bytes, right: bytes
) -> None:
    keys = [key(encoded([*form(), ("note", (None, content))])) for content in (left, right)]
    assert (keys[0] == keys[1]) == (left == right)


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


@given(left=names, right=names)
@example(left='a"; name="purpose', right="a")
@example(left="a\\", right="a")
def test_files_of_different_names_have_different_keys(left: str, right: str) -> None:
    bodies = [encoded(form(name=name), "a") for name in (left, right)]
    assert (key(bodies[0]) == key(bodies[1])) == (bodies[0] == bodies[1])


@given(end=st.integers(1, len(encoded(form(), "boundary")) - 1))
def test_a_torn_form_is_refused(end: int) -> None:
    with pytest.raises(CassetteError, match=r"^the (form|body) of 'POST files' is "):
        key(encoded(form(), "boundary")[:end])


def test_a_part_without_a_name_is_refused() -> None:
    body = encoded(form()).replace(b'; name="purpose"', b"")
    with pytest.raises(CassetteError, match="the form of 'POST files' has a part without a name"):
        key(body)


def test_a_key_stays_what_it_is_from_version_to_version() -> None:
    # Recorded cassettes are found by it: a change here makes all of them worthless.
    known = "f8580681bbaae36af9ff26825cdc00fc9449440bc4348b25e905334e7ecbe5f4"
    assert key(encoded(form())) == known
