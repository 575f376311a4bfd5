"""JSON values without numbers that JSON does not know."""

from __future__ import annotations

import math
from typing import Any


def finite(value: Any) -> Any:
    """A JSON value with null in place of each number that is infinite or NaN."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    return value
