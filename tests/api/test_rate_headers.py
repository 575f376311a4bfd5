from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebench.api.rate_headers import Window, retry_after, seconds, windows_of

NOW = 1_795_000_000.0
UNITS = [("d", 86400.0), ("h", 3600.0), ("m", 60.0), ("s", 1.0), ("ms", 1e-3), ("us", 1e-6)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("6m0s", 360), ("120ms", 0.12), ("1.5s", 1.5), ("2m59.56s", 179.56), ("1h0m0s", 3600),
        ("0s", 0), ("500µs", 0.0005), ("1d", 86400), ("10", 10), (" 0.5 ", 0.5), ("0", 0),
        ("1795000007", 7), ("1794999999", 0), ("2026-11-18T11:06:45Z", 5),
        ("Wed, 18 Nov 2026 11:06:45 GMT", 5), ("Wed, 18 Nov 2026 11:00:00 GMT", 0),
    ],
)  # fmt: skip
def test_durations_numbers_and_points_in_time_are_read(text: str, expected: float) -> None:
    assert seconds(text, NOW) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("text", ["", "soon", "-3", "s", "5 s", "1m-3s", "nan", "inf", "9" * 400])
def test_what_is_no_duration_is_as_if_it_were_not_there(text: str) -> None:
    assert seconds(text, NOW) is None


@given(st.dictionaries(st.sampled_from(UNITS), st.integers(0, 10_000), min_size=1))
def test_every_duration_written_in_units_is_their_sum(parts: dict[tuple[str, float], int]) -> None:
    written = "".join(f"{parts[unit]}{unit[0]}" for unit in UNITS if unit in parts)
    expected = sum(number * size for (_, size), number in parts.items())
    assert seconds(written, NOW) == pytest.approx(expected)


@given(st.floats(0, 1e6, allow_nan=False))
def test_a_number_means_seconds_to_the_digit(number: float) -> None:
    written = f"{number:.6f}"
    assert seconds(written, NOW) == float(written)


@given(st.integers(0, 10**9))
def test_points_in_time_mean_the_seconds_until_then(wait: int) -> None:
    point = datetime.fromtimestamp(NOW + wait, UTC)
    for written in (point.isoformat(), format_datetime(point, usegmt=True), str(int(NOW) + wait)):
        assert seconds(written, NOW) == wait


@given(st.text(), st.text(), st.text())
def test_no_header_whatever_it_holds_is_an_error(one: str, two: str, three: str) -> None:
    headers = {
        "retry-after": one,
        "retry-after-ms": two,
        "x-ratelimit-remaining-tokens": three,
        "x-ratelimit-reset-tokens": one,
    }
    wait = retry_after(headers, NOW)
    assert wait is None or wait >= 0
    assert all(told.remaining >= 0 <= told.reset for told in windows_of(headers, NOW).values())


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "1"}, 1),
        ({"retry-after": "20"}, 20),
        ({}, None),
    ],
)
def test_milliseconds_are_believed_before_seconds(
    headers: dict[str, str], expected: float | None
) -> None:
    assert retry_after(headers, NOW) == expected


def test_each_kind_of_limit_is_told_by_itself() -> None:
    openai = {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-limit-tokens": "150000",
        "x-ratelimit-remaining-tokens": "149984",
        "x-ratelimit-reset-tokens": "6m0s",
    }
    assert windows_of(openai, NOW) == {
        "requests": Window(59, 1, 60),
        "tokens": Window(149984, 360, 150000),
    }
    azure = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "10"}
    assert windows_of(azure, NOW) == {"requests": Window(0, 10)}
    # What is left without a word of when it is renewed says nothing of how long to wait.
    assert windows_of({"x-ratelimit-remaining-tokens": "3"}, NOW) == {}
