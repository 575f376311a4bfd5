"""What is read of embeddings, and what is refused with a sentence."""

import base64
import json
import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebench.wire import (
    Unusable,
    Usage,
    composed_embeddings,
    numbers_of,
    parsed,
    read_embeddings,
    stored_embedding,
)

from ..json_values import NOTHING, changed, json_values, paths

VECTORS = ([0.5, -1.0, 2.0], [0.25, 0.0, -3.5])


def packed(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def entry(index: Any = 0, embedding: Any = VECTORS[0], **other: Any) -> dict[str, Any]:
    return {"object": "embedding", "index": index, "embedding": embedding, **other}


def body(*entries: Any, **other: Any) -> dict[str, Any]:
    return {"object": "list", "model": "m", "data": list(entries), **other}


WHOLE = body(entry(0, VECTORS[0]), entry(1, packed(*VECTORS[1])), usage={"prompt_tokens": 7})


def refused(value: Any, texts: int = 1) -> str:
    with pytest.raises(Unusable) as raised:
        read_embeddings(value, "m", texts)
    said = str(raised.value)
    assert not said.endswith(".")
    return said


def test_both_encodings_are_read_in_the_order_of_the_texts() -> None:
    read = read_embeddings(
        body(entry(1, packed(*VECTORS[1])), entry(0), usage={"prompt_tokens": "7"},
             system_fingerprint="fp"),
        "m", 2,
    )  # fmt: skip
    assert [list(numbers_of(vector)) for vector in read.vectors] == list(VECTORS)
    assert (read.usage, read.model, read.server) == (Usage(7), "m", "fp")
    assert (read.prompt_tokens, read.completion_tokens) == (7, 0)


@pytest.mark.parametrize("other", [{}, {"object": None, "usage": "many", "model": None}])
def test_what_is_there_for_information_may_be_absent_or_odd(other: Any) -> None:
    value = {"data": [{"embedding": [1]}], **other}
    read = read_embeddings(value, "m", 1)
    assert (read.vectors, read.usage) == ((struct.pack("<f", 1),), Usage())


@pytest.mark.parametrize(
    ("value", "texts", "said"),
    [
        ([], 1, "the answer is not a JSON object; is this the API root?"),
        ({}, 1, "one text was sent and no list of embeddings came back; is this a model for "
         "embeddings?"),
        ({"choices": []}, 2, "2 texts were sent and no list of embeddings came back; is this a "
         "model for embeddings?"),
        ({"error": {"message": "Busy."}}, 1, "the provider answered with an error: Busy"),
        ({"message": "Busy", "data": []}, 1, "the provider answered with an error: Busy"),
        (body(entry()), 2, "2 texts were sent and 1 embeddings came back; see the provider's log"),
        (body(entry(), entry(1)), 1, "one text was sent and 2 embeddings came back"),
        (body(entry(), "a"), 2, 'data[1] is "a" and must be an object'),
        (body(entry(), entry(0)), 2, "data[1].index is 0, which another embedding has, too, so it "
         "is not known which text it answers"),
        (body(entry(), entry(2)), 2, "data[1].index is 2 and must be a whole number from 0 to 1"),
        (body(entry(0, [])), 1, "data[0].embedding is [] and must be a list of numbers, or such in "
         "base64; is this a model for embeddings?"),
        (body(entry(0, None)), 1, "data[0].embedding is null and must be a list of numbers, or "
         "such in base64; is this a model for embeddings?"),
        (body(entry(0, [0.5, "x"])), 1, 'data[0].embedding[1] is "x" and must be a finite number'),
        (body(entry(0, [math.nan])), 1, "data[0].embedding[0] is NaN and must be a finite number"),
        (body(entry(0, [1e39])), 1, "data[0].embedding holds a number that is too large for an "
         "embedding"),
        (body(entry(0, [[0.5]])), 1, "data[0].embedding[0] is [0.5] and must be a finite number"),
        (body(entry(0, "AAAA")), 1, "data[0].embedding has 3 bytes, which are not numbers of 4 "
         "bytes"),
        (body(entry(0, "")), 1, "data[0].embedding has 0 bytes, which are not numbers of 4 bytes"),
        (body(entry(0, packed(math.inf))), 1, "data[0].embedding holds a number that is infinite "
         "or NaN"),
        (body(entry(), entry(1, [0.5])), 2, "data[1].embedding has 1 numbers, and the one of the "
         "first text 3"),
        (body(entry(), model="other"), 1, 'the model "other" answered instead; if that is'),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_a_sentence(value: Any, texts: int, said: str) -> None:
    assert refused(value, texts).startswith(said)


@pytest.mark.parametrize("text", ["no base64!", "AAA", "AAAAAA=", "AAA=AAAA", "é", "\n"])
def test_base64_is_read_strictly(text: str) -> None:
    assert refused(body(entry(0, text))).startswith("data[0].embedding ")


anything = st.tuples(st.sampled_from(paths(WHOLE)), st.just(NOTHING) | json_values)


@given(change=anything)
def test_any_value_at_any_place_is_read_as_before_or_named(change: Any) -> None:
    path, new = change
    before = read_embeddings(WHOLE, "m", 2)
    try:
        read = read_embeddings(changed(WHOLE, path, new), "m", 2)
    except Unusable as problem:
        said = str(problem)
        said.encode()
        place = f"data[{path[1]}]" if len(path) > 1 else path[0]
        others = ("of the first text", "which another embedding", "were sent", "with an error")
        assert said.startswith((place, "the model ")) or any(other in said for other in others)
        return
    for position, vector in enumerate(read.vectors):
        assert all(map(math.isfinite, numbers_of(vector)))
        if path[:3] != ("data", position, "embedding"):
            assert vector == before.vectors[position] or path[0] == "data"


@given(content=st.binary(max_size=40) | json_values.map(json.dumps).map(str.encode))
def test_any_content_is_refused(content: bytes) -> None:
    try:
        value = parsed(content)
    except ValueError:
        return
    assert len(refused(value)) < 600


float32s = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(st.lists(st.lists(float32s, min_size=3, max_size=3), min_size=1, max_size=4))
def test_what_is_stored_is_read_back_to_the_bit(vectors: list[list[float]]) -> None:
    read = read_embeddings(body(*(entry(i, v) for i, v in enumerate(vectors))), "m", len(vectors))
    stored = [json.dumps(stored_embedding(vector)).encode() for vector in read.vectors]
    again = json.loads(composed_embeddings(stored, "m", "fp", Usage(3)))
    assert read_embeddings(again, "m", len(vectors)).vectors == read.vectors
    assert [list(numbers_of(vector)) for vector in read.vectors] == vectors
