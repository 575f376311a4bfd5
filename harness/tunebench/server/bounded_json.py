"""JSON whose depth and number of entries are looked at before it is parsed.

The parser and pydantic hold Python's lock while they work: nobody else is answered meanwhile. A
million empty lists or keys, 4 MB, take them many seconds; what passes here takes a fraction of one.
"""

import json
import re
from typing import Any

MAX_BYTES = 4 << 20
"""Of a request's body by default, and of a line of a training file."""

_MAX_VALUES = 500_000
_MAX_PARTS = 20_000
_MAX_DEPTH = 32
_MAX_DIGITS = 1000


class TooMuchError(ValueError):
    """JSON beyond a limit; the message says which, as the end of a sentence."""


def loads(raw: bytes) -> Any:
    """The value of JSON in UTF-8, 16 or 32.

    Raises:
        TooMuchError: it holds more values, lists, objects or keys than a request may, a number of
            too many digits, or is nested too deep.
        ValueError: it is not JSON.
    """
    text = raw.decode(json.detect_encoding(raw), "surrogatepass")
    # Where a string ends is known once escaped backslashes, and then escaped quotes, are gone.
    plain = text.replace("\\\\", "").replace('\\"', "")
    outside = "".join(plain.split('"')[::2])
    if outside.count(",") > _MAX_VALUES:
        raise TooMuchError(f"holds more than {_MAX_VALUES:,} values")
    if sum(map(outside.count, "[{:")) > _MAX_PARTS:
        raise TooMuchError(f"holds more than {_MAX_PARTS:,} lists, objects and keys")
    depth = 0
    # More brackets than twice the parts are no JSON, which the parser notices early.
    for bracket in re.sub(r"[^][{}]+", "", outside)[: 2 * _MAX_PARTS]:
        depth += 1 if bracket in "[{" else -1
        if depth > _MAX_DEPTH:
            raise TooMuchError(f"is nested deeper than {_MAX_DEPTH} levels")
    return json.loads(text, parse_int=_whole_number, parse_float=_number)


def _whole_number(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise TooMuchError(f"holds a number of more than {_MAX_DIGITS:,} digits")
    return int(digits)


def _number(digits: str) -> int | float:
    # JSON has one kind of number: 2.0 is the whole number 2, and some languages write it so.
    number = float(digits)
    return int(number) if number.is_integer() else number
