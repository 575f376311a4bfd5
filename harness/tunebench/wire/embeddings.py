"""Answers to ``/embeddings``: checked and read here only, whichever encoding they have."""

from __future__ import annotations

import binascii
import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunebench.wire.answers import Usage
from tunebench.wire.model_names import other_model
from tunebench.wire.values import (
    Unusable,
    count,
    finite,
    in_order,
    optional_name,
    reported,
    shown,
    within,
    words,
    wrong,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_BYTES = 4  # of a float32
_HINT = "is this a model for embeddings?"


@dataclass(frozen=True)
class Embeddings:
    """A usable answer to a request for embeddings.

    Attributes:
        vectors: one for each text, in their order, as little-endian float32; all of one width.
        usage: tokens of all of them.
        model: the name of the model that answered, or an empty string.
        server: the server's name for its state (``system_fingerprint``), or an empty string.
    """

    vectors: tuple[bytes, ...]
    usage: Usage
    model: str = ""
    server: str = ""

    @property
    def prompt_tokens(self) -> int:
        """0 where the provider did not count them."""
        return self.usage.prompt_tokens or 0

    @property
    def completion_tokens(self) -> int:
        """0: an embedding has none."""
        return 0


def read_embeddings(body: Any, model: str, texts: int, known_as: str | None = None) -> Embeddings:
    """Check and read the JSON value of an answer.

    Args:
        body: the value.
        model: the model's name in the request.
        texts: how many texts were sent.
        known_as: the name that the model is known to answer with, if it is another.
    """
    if not isinstance(body, dict):
        raise Unusable("the answer is not a JSON object", hint="is this the API root?")
    if body.get("error"):
        raise reported(body["error"])
    if (problem := other_model(model, body.get("model"), known_as)) is not None:
        raise problem
    data = body.get("data")
    if not data and (said := words(body) or words(body.get("errors"))):
        raise reported(said)
    sent = "one text was sent" if texts == 1 else f"{texts} texts were sent"
    if not isinstance(data, list):
        raise Unusable(f"{sent} and no list of embeddings came back", hint=_HINT)
    if len(data) != texts:
        raise Unusable(
            f"{sent} and {len(data)} embeddings came back", hint="see the provider's log"
        )
    vectors = tuple(
        _vector(one.get("embedding"), f"data[{i}].embedding")
        for i, one in enumerate(in_order(data, "data", "embedding", "text"))
    )
    for i, vector in enumerate(vectors):
        if len(vector) != len(vectors[0]):
            raise Unusable(
                f"data[{i}].embedding has {len(vector) // _BYTES} numbers, and the one of the "
                f"first text {len(vectors[0]) // _BYTES}"
            )
    return Embeddings(
        vectors,
        Usage(count(within(body, "usage", "prompt_tokens"))),
        optional_name(body.get("model")),
        optional_name(body.get("system_fingerprint")),
    )


def stored_embedding(vector: bytes) -> dict[str, Any]:
    """One text's embedding as a cassette stores it, in the form of the API."""
    return {"embedding": binascii.b2a_base64(vector, newline=False).decode()}


def numbers_of(vector: bytes) -> Sequence[float]:
    """The numbers of an embedding."""
    return struct.unpack(f"<{len(vector) // _BYTES}f", vector)


def _vector(value: Any, at: str) -> bytes:
    if isinstance(value, str):
        return _decoded(value, at)
    if not isinstance(value, list) or not value:
        raise wrong(at, value, "a list of numbers, or such in base64", _HINT)
    numbers = [finite(number) for number in value]
    if None in numbers:
        position = numbers.index(None)
        raise wrong(f"{at}[{position}]", value[position], "a finite number")
    try:
        return struct.pack(f"<{len(numbers)}f", *numbers)
    except OverflowError:
        raise Unusable(f"{at} holds a number that is too large for an embedding") from None


def _decoded(text: str, at: str) -> bytes:
    try:
        vector = binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise Unusable(f"{at} is {shown(text)}, which is not base64 ({error})") from None
    if not vector or len(vector) % _BYTES:
        raise Unusable(f"{at} has {len(vector)} bytes, which are not numbers of {_BYTES} bytes")
    if not all(map(math.isfinite, numbers_of(vector))):
        raise Unusable(f"{at} holds a number that is infinite or NaN")
    return vector
