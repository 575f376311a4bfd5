"""Damage to a cassette's file is an error that names it, or a miss; it is never another answer."""

import re
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tunebench.cassettes.lines import RequestLine

from ..cassette_lines import line_of
from .film_rows import (
    error_of,
    found,
    opened,
    read_all,
    row,
    written_file,
    written_line,
    written_row,
)

FILE = written_file(range(3))
LINES = FILE.splitlines(keepends=True)
RESTORE = "; restore the file from version control, or delete it and record again."


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m-1shot.jsonl"


@pytest.mark.parametrize("number", [2, 3, 4])
@pytest.mark.parametrize(
    "damage",
    [
        b"\n",
        b"<<<<<<< HEAD\n",
        b'{"prompt":"abc","answer":{}}\n',
        b'{"prompt":"' + b"g" * 64 + b'","request":"3bd8454d234efe08"}\n',
        b'{"prompt":"' + b"0" * 64 + b'","request":"3bd8454d234efe08","answer":{"num\n',
        b'{"request":"' + b"0" * 16 + b'","answer":{"num\n',
        b"\x00" * 100 + b"\n",
        b"[" * 100_000 + b"\n",
        line_of({"prompt": f"{7:064x}", "request": "3bd8454d234efe08", "answer": {}}),
        line_of({"prompt": f"{7:064x}", "request": "f" * 16, "answer": {}}),
        line_of({"request": "f" * 16}),
        line_of({"a": 1}),
        written_line(RequestLine("e" * 64, "POST x")).replace(b"POST x", b"POST y"),
        written_row(7, answer="an answer").replace(b"an answer", b"no answer"),
    ],
)
def test_a_damaged_line_is_named_by_its_number(path: Path, number: int, damage: bytes) -> None:
    path.write_bytes(b"".join([*LINES[: number - 1], damage, *LINES[number:]]))
    said = read_all(path)
    # Where the line is gone that describes its request, a row is named.
    lines = "[23]" if number == 2 else str(number)
    assert re.match(rf"{path}, line {lines}: the line is damaged( \(.*\))?; restore", said)
    assert said.endswith(RESTORE)


@pytest.mark.parametrize("cut", [1, 40, 100, 200])
def test_a_torn_line_between_others_is_refused(path: Path, cut: int) -> None:
    path.write_bytes(b"".join([*LINES[:3], LINES[3][:-cut], LINES[4]]))
    assert read_all(path).startswith(f"{path}, line 4: the line is damaged")


def test_before_an_answer_is_said_to_be_missing_each_line_is_looked_at(path: Path) -> None:
    other_key = LINES[3].replace(b"%064x" % 1, b"%064x" % 9)
    path.write_bytes(b"".join([*LINES[:3], other_key, LINES[4]]))
    file = opened(path)
    assert found(file, 1) is None
    assert error_of(file.check).startswith(f"{path}, line 4: the line is damaged")


def test_a_file_that_was_damaged_after_it_was_opened_is_refused_too(path: Path) -> None:
    path.write_bytes(FILE)
    file = opened(path)
    with path.open("r+b") as other:
        other.seek(FILE.index(b'" 1"'))
        other.write(b'" 7"')
    assert found(file, 0).row == row(0)
    assert error_of(lambda: found(file, 1)).startswith(f"{path}, line 4: the line is damaged")
    with path.open("r+b") as other:
        other.truncate(40)
    assert str(path) in error_of(lambda: found(file, 2))


def test_a_damaged_line_is_named_also_where_the_file_has_gone_since(path: Path) -> None:
    path.write_bytes(FILE.replace(b'" 1"', b'" 7"'))
    file = opened(path)
    path.unlink()
    assert error_of(lambda: found(file, 1)).startswith(f"{path}, line 4: the line is damaged")


def test_the_keys_of_two_rows_cannot_be_swapped(path: Path) -> None:
    one, two = LINES[2:4]
    path.write_bytes(b"".join([*LINES[:2], two[:104] + one[104:], one[:104] + two[104:], LINES[4]]))
    file = opened(path)
    assert "line 4: the line is damaged" in error_of(lambda: found(file, 0))
    assert "line 3: the line is damaged" in error_of(lambda: found(file, 1))
    assert found(file, 2).row == row(2)


@pytest.mark.parametrize("name", ["prompt", "request"])
def test_a_row_is_of_the_key_that_it_begins_with(path: Path, name: str) -> None:
    other = {"prompt": f"{2:064x}", "request": "0" * 16}[name]
    content = written_row(1).rpartition(b',"crc32"')[0] + b',"%b":"%b"' % (
        name.encode(),
        other.encode(),
    )
    twice = b'%b,"crc32":"%08x"}\n' % (content, zlib.crc32(content))
    path.write_bytes(b"".join([*LINES[:3], twice]))
    assert error_of(lambda: found(opened(path), 1)).startswith(f"{path}, line 4: the line is dama")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bit=st.integers(0, 8 * len(FILE) - 1))
@example(bit=8 * FILE.index(b"\n") + 1)
@example(bit=8 * (len(FILE) - 1))
def test_a_flipped_bit_never_gives_another_answer(bit: int, path: Path) -> None:
    content = bytearray(FILE)
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)

    def read(number: int) -> None:
        file = opened(path)
        try:
            stored = found(file, number)
            if stored is not None:
                assert (stored.row, stored.answer) == (row(number), answers[number])
                return
            file.check()
            assert bit // 8 == len(FILE) - 1  # a torn last line counts for nothing
        finally:
            file.close()

    answers = [b'{"text":" %d","finish_reason":"stop"}' % number for number in range(3)]
    for number in range(3):
        said = error_of(lambda: read(number))  # noqa: B023
        assert not said or said.startswith(f"{path}, line ")
