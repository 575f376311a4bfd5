"""Foreign text is safe to print: no control characters, no commands to a CI, no keys."""

import base64
import json
import re
import subprocess
import sys
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tunebench.errors import (
    TunebenchError,
    hidden,
    keep_secret,
    printable,
    without_secrets,
)

KEY = "sk-made-up-key-0123456789"


@pytest.fixture(autouse=True)
def no_keys_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunebench.errors.text._secrets", set())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("plain words, 100 % of them", "plain words, 100 % of them"),
        ("Größe: 🙂 שלום", "Größe: 🙂 שלום"),
        ("two\nlines\r\nand\ttabs\v\f", "two lines and tabs "),
        ("next\x85line\u2028separator\u2029", "next line separator "),
        ("\x1b[31mred\x1b]0;title\x07", "\\x1b[31mred\\x1b]0;title\\x07"),
        ("nul \x00, delete \x7f, csi \x9b31m", "nul \\x00, delete \\x7f, csi \\x9b31m"),
        ("\u202etxt.exe\u2066", "\\u202etxt.exe\\u2066"),
        ("half \ud800 a pair", "half \\ud800 a pair"),
        ("::error::made up", ": :error::made up"),
        ("  \t::set-output name=x::y", "   : :set-output name=x::y"),
        ("ok\n::warning file=x::y", "ok ::warning file=x::y"),  # not at the start of a line
        ("\n::error::", " : :error::"),
        ("##[error]made up", "# #[error]made up"),
        ("a ###[group] b", "a ## #[group] b"),
        ("##vso[task.setvariable variable=x]y", "# #vso[task.setvariable variable=x]y"),
        ("##VSO[task.complete]", "# #VSO[task.complete]"),
        ("##teamcity[buildStop]", "# #teamcity[buildStop]"),
        ("## a heading, std::vector", "## a heading, std::vector"),
    ],
)
def test_a_text_is_one_line_that_does_nothing(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert str(TunebenchError(f"{text}.")) == printable(f"{text}.")


pieces = st.lists(
    st.text(st.characters(), max_size=4)
    | st.sampled_from(["::", ":", "#", "##", "[", "vso[", "error]", "\n", "\r", " ", KEY, "\x1b["]),
    max_size=12,
).map("".join)


@given(text=pieces)
@example(text="\x00".join(map(chr, range(0x300))))
def test_any_text_can_be_printed_anywhere(text: str) -> None:
    keep_secret(KEY)
    shown = printable(text)
    shown.encode()
    assert not re.search("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", shown)
    assert not re.match(r"\s*::", shown)
    assert not re.search(r"##(vso)?\[", shown, re.IGNORECASE)
    assert KEY not in shown
    assert printable(shown) == shown


def test_a_known_key_is_hidden_wherever_it_stands() -> None:
    keep_secret(KEY)
    text = f"Incorrect API key: {KEY}. Bearer {KEY}{KEY}"
    assert hidden(text) == printable(text) == "Incorrect API key: ***. Bearer ******"
    value = {"a": [KEY, 1, None, {KEY: f"x{KEY}"}], "b": True}
    assert without_secrets(value) == {"a": ["***", 1, None, {"***": "x***"}], "b": True}
    assert value["a"][0] == KEY  # the value itself is left as it is


@pytest.mark.parametrize("order", [1, -1])
def test_of_a_key_that_begins_with_another_nothing_is_left(order: int) -> None:
    for key in [KEY, f"{KEY}-longer"][::order]:
        keep_secret(key)
    assert hidden(f"<{KEY}-longer> <{KEY}>") == "<***> <***>"


def test_a_placeholder_is_no_key() -> None:
    for placeholder in ("", "x", "none", "replay", "EMPTY"):
        keep_secret(placeholder)
    assert hidden("none of them, x") == "none of them, x"
    assert without_secrets("none") == "none"


HOSTILE = """\
import json
from tunebench.errors import keep_secret, printable
from tunebench.wire import Asked, Unusable, other_model, parsed, read_answers, words
from tunebench.wire.values import shown

def refused(body):
    try:
        read_answers(body, Asked("m", 1, True, True))
    except Unusable as problem:
        return str(problem)

key = "sk-made-up-key-0123456789"
keep_secret(key)
n = 200_000
for piece in (":", "#", "##vso", " ", "\\n", "\\x1b", "-1234", "1", "@", "[", "\\ud800", '"', key,
              key[:9]):
    text = piece * (n // len(piece))
    for hostile in (text + "x", " " * n + text):
        printable(hostile)
        words({"message": [hostile]})
        shown([hostile])
        other_model("m", hostile, None)
        other_model(hostile, "m" + hostile, None)
        choice = {"index": 0, "finish_reason": hostile, "message": {"content": hostile}}
        body = {"model": "m" + hostile, "error": None, "choices": [choice], hostile: hostile}
        assert len(refused(body)) < 500
        assert len(refused(body | {"model": "m"})) < 500
        assert len(refused({"error": {"code": hostile}})) < 500
        assert len(refused({"errors": [hostile]})) < 500
for deep in ("[" * n, '{"a":' * n, "[" * n + "]" * n, '{"a":' * n + "1" + "}" * n, "1" * n):
    try:
        parsed(deep.encode())
    except ValueError:
        pass
print("done")
"""


def test_long_hostile_texts_take_time_in_proportion_to_their_length() -> None:
    """The limit is for what never ends: in proportion this takes some seconds."""
    command = [sys.executable, "-c", HOSTILE]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert (ended.stdout, ended.stderr) == ("done\n", "")


ODD_KEY = 'sk-Te+st/K3y"q=unusual&01'


@pytest.mark.parametrize("key", [KEY, ODD_KEY, f"{ODD_KEY}2", f"{ODD_KEY}23"])
@pytest.mark.parametrize(
    "written",
    [
        lambda key: quote(key, safe=""),
        quote,
        lambda key: re.sub("%..", lambda found: found[0].lower(), quote(key, safe="")),
        lambda key: json.dumps(key)[1:-1],
        lambda key: key.replace("/", "\\/"),
        lambda key: "".join(f"\\u{ord(c):04X}" for c in key),
        lambda key: "".join(f"&#{ord(c)};" for c in key),
        lambda key: f"{key[:9]}\n    {key[9:]}",
        lambda key: "\u200b".join(key),
    ],
)
def test_a_key_is_hidden_however_it_is_written(key: str, written: Callable[[str], str]) -> None:
    keep_secret(key)
    assert hidden(f"the key {written(key)} is wrong") == "the key *** is wrong"


@given(before=st.binary(max_size=7), after=st.binary(max_size=7), url=st.booleans())
def test_a_key_in_base64_is_hidden_wherever_it_stands(
    before: bytes, after: bytes, url: bool
) -> None:
    keep_secret(ODD_KEY)
    encode = base64.urlsafe_b64encode if url else base64.b64encode
    text = encode(before + ODD_KEY.encode() + after).decode()
    shown = hidden(text)
    assert "***" in shown
    assert len(shown) <= len(text) - len(ODD_KEY)


def test_a_text_that_is_much_like_a_key_stays() -> None:
    keep_secret(KEY)
    for text in (KEY[:-1], KEY.replace("m", "n"), "sk-made-up-kay-0123456789"):
        assert hidden(text) == text
