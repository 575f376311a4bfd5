"""Single values of a provider's JSON."""

import json
from typing import Any

import pytest
from hypothesis import example, given

from tunebench.errors.text import keep_secret
from tunebench.wire import Unusable, parsed, within, words
from tunebench.wire.values import count, finite, name, optional_name, shown

from ..json_values import json_values, nested

KEY = "sk-made-up-key-0123456789"


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (-0.5, -0.5), (0, 0.0), ("-0.5", -0.5), (" 1e-3 ", 0.001), (10**300, 1e300),
        (True, None), (None, None), ("", None), ("nan", None), ("-inf", None), ("0x1", None),
        (float("nan"), None), (float("inf"), None), (10**400, None), ("9" * 400, None),
        ("1" * 41, None), ([0], None), ({}, None),
    ],
)  # fmt: skip
def test_a_number_is_finite_also_where_it_is_written_as_a_string(value: Any, read: Any) -> None:
    assert finite(value) == read


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (7, 7), (7.0, 7), ("7", 7), (0, 0), ("1e3", 1000), (2**53 - 1, 2**53 - 1),
        (-1, None), (7.5, None), (True, None), (None, None), ("", None), ("many", None),
        (2**53, None), (10**300, None), (10**400, None), (float("nan"), None), ([7], None),
    ],
)  # fmt: skip
def test_a_count_is_there_for_information_and_can_be_summed(value: Any, read: Any) -> None:
    assert count(value) == read


def test_a_name_is_what_it_must_be() -> None:
    assert (name("m", "id"), optional_name("m"), optional_name(None)) == ("m", "m", "")
    assert optional_name("m" * 257) == ""
    for value in (None, "", 7, "m" * 257, ["m"]):
        with pytest.raises(Unusable, match=r"^id is .* and must be a name$"):
            name(value, "id")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("busy", "busy"),
        ("two\nlines \x1b[31m", "two lines \\x1b[31m"),
        ({"message": "busy", "code": 7}, "busy"),
        ({"message": {"detail": "busy"}}, "busy"),
        ({"message": "", "detail": "busy"}, "busy"),
        ({"detail": [{"message": "first"}, {"message": "second"}]}, "first"),
        ([7, "busy"], "busy"),
        ({"message": 7}, "7"),
        ({"code": 7}, ""),
        (["", "x"], ""),
        (7, ""),
        (None, ""),
        ("x" * 10_000, "x" * 300),
    ],
)
def test_the_words_of_a_provider(value: Any, said: str) -> None:
    assert words(value) == said


@given(value=json_values)
@example(value=nested(90))
def test_of_any_value_something_short_can_be_said(value: Any) -> None:
    for said in (shown(value), words(value), words({"message": value}), words({"detail": [value]})):
        said.encode()
        assert len(said) <= 300
        assert "\n" not in said
    assert len(shown(value)) <= 61


@pytest.mark.parametrize("before", range(100, 121, 4))
def test_where_words_are_cut_off_no_part_of_a_key_is_left(
    before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunebench.errors.text._secrets", set())
    keep_secret(KEY)
    keys = KEY * (before // len(KEY))
    for value in (
        f"{' ' * (2400 - 10)}{KEY}",  # 2,400 characters are looked at
        f"{keys}{'x' * (before - len(keys))}{KEY}",  # of which 120 are shown
        [KEY * 9, {KEY: KEY}],
        {"a": [{'"': f'"{KEY}"'}]},
    ):
        for said in (words(value), shown(value)):
            assert "sk-m" not in said
            assert "made" not in said


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff", b"<html>", b"1" * 5000, b'{"a": 1}}', b"nul"]
)
def test_what_is_not_json_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError):
        parsed(content)


@pytest.mark.parametrize("depth", [150, 900, 100_000])
@pytest.mark.parametrize(("start", "end"), [("[", "]"), ('{"a":', "}")])
def test_what_is_nested_too_deeply_is_refused(depth: int, start: str, end: str) -> None:
    content = (start * depth + "1" + end * depth).encode()
    with pytest.raises(ValueError, match="nested too deeply"):
        parsed(content)
    with pytest.raises(ValueError, match="nested too deeply"):
        parsed(b'{"choices": [], "extra": [1, ' + content + b"]}")


def test_a_long_answer_is_not_a_deep_one() -> None:
    value = [{"a": [[], {}]}] * 500
    assert parsed(json.dumps(value).encode()) == value
    assert parsed(json.dumps(nested(95)).encode()) == nested(95)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ((), {"a": [{"b": 1}], "0": 2}),
        (("a", 0, "b"), 1),
        (("a", 1, "b"), None),
        (("a", "0"), None),
        ((0,), None),
        (("a", 0, "b", 0), None),
        (("c",), None),
    ],
)
def test_what_stands_at_a_path(path: tuple[str | int, ...], found: Any) -> None:
    assert within({"a": [{"b": 1}], "0": 2}, *path) == found
