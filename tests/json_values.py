"""Any JSON value at any place of another."""

import copy
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

# In place of a value: what is there is taken away.
NOTHING = object()

_numbers = (
    st.integers()
    | st.floats()
    | st.sampled_from([0, 1, -1, 2**63, 10**400, 1e308, -0.0, float("nan"), float("inf")])
)
# Numbers and words as providers write them, and what no file in UTF-8 can hold.
_words = st.sampled_from(
    [
        "",
        "0",
        "1",
        "1e3",
        "NaN",
        "-inf",
        "stop",
        "error",
        "abort",
        "null",
        "text",
        "\ud800",
        "a" * 999,
    ]
) | st.text(st.characters(), max_size=6)
_scalars = st.none() | st.booleans() | _numbers | _words

json_values = st.recursive(
    _scalars,
    lambda values: (
        st.lists(values, max_size=3)
        | st.dictionaries(
            st.sampled_from(["message", "content", "text", "type", "error"]) | st.text(max_size=4),
            values,
            max_size=3,
        )
    ),
    max_leaves=5,
)


def paths(value: Any) -> list[tuple[Any, ...]]:
    """The way to each value within a JSON value, in order."""
    if isinstance(value, dict):
        parts = list(value.items())
    else:
        parts = list(enumerate(value)) if isinstance(value, list) else []
    found = []
    for name, part in parts:
        found += [(name,), *((name, *rest) for rest in paths(part))]
    return found


def value_at(value: Any, path: Sequence[Any]) -> Any:
    """What stands at a place."""
    for name in path:
        value = value[name]
    return value


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy with another value at a place, or without that place."""
    value = copy.deepcopy(value)
    *way, last = path
    holder = value_at(value, way)
    if new is NOTHING:
        del holder[last]
    else:
        holder[last] = new
    return value


def nested(depth: int) -> Any:
    """A list in a list in a list."""
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value
