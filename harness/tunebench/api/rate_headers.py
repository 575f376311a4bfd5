"""A provider's limits in the headers of its answers.

OpenAI writes ``x-ratelimit-remaining-requests: 59`` and ``x-ratelimit-reset-requests: 6m0s``, and
the same for tokens; Azure writes the reset as plain seconds, others as a point in time. Nothing is
relied on: what cannot be read is as if it were not there.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS = ("requests", "tokens")

_NUMBER = r"\d+(?:\.\d+)?"
_PART = re.compile(rf"({_NUMBER})(ns|us|µs|μs|ms|s|m|h|d)")
_DURATION = re.compile(rf"(?:{_NUMBER}(?:ns|us|µs|μs|ms|s|m|h|d))+")
_UNITS = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3,
    "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0,
}  # fmt: skip
# A number of seconds as large as this one is a time of day since 1970.
_EPOCH = 1e9


@dataclass(frozen=True)
class Window:
    """A limit in headers: `remaining` requests or tokens, renewed in `reset` seconds."""

    remaining: float
    reset: float
    limit: float | None = None


def seconds(text: str, now: float) -> float | None:
    """The seconds that a header says to wait, 0 for the past; None if it says none.

    It may be a duration as ``6m0s``, ``120ms`` or ``1.5s``, a number of seconds, or a point in
    time: seconds since 1970 (as is `now`), ISO 8601, or an HTTP date.
    """
    text = text.strip()
    value = _number(text)
    if value is not None:
        value = max(0.0, value - now) if value >= _EPOCH else value
    elif _DURATION.fullmatch(text):
        value = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    else:
        point = _point_in_time(text)
        if point is None:
            return None
        value = max(0.0, point - now)
    return value if math.isfinite(value) else None


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """The seconds that a refusal says to wait, by ``retry-after-ms``, or else ``retry-after``."""
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    return seconds(headers.get("retry-after", ""), now)


def windows_of(headers: Mapping[str, str], now: float) -> dict[str, Window]:
    """The limits in headers, by ``requests`` or ``tokens``."""
    found = {}
    for kind in KINDS:
        remaining = _number(headers.get(f"x-ratelimit-remaining-{kind}", ""))
        reset = seconds(headers.get(f"x-ratelimit-reset-{kind}", ""), now)
        if remaining is not None and reset is not None:
            limit = _number(headers.get(f"x-ratelimit-limit-{kind}", ""))
            found[kind] = Window(remaining, reset, limit)
    return found


def _number(text: str) -> float | None:
    if not re.fullmatch(_NUMBER, text.strip(), re.ASCII):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def _point_in_time(text: str) -> float | None:
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            point = read(text)
            return (point if point.tzinfo else point.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            continue
    return None
