"""The file of a cassette: what is written and read, and which files are refused."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebench.cassettes import CassetteFile
from tunebench.cassettes.lines import RequestLine
from tunebench.errors import CassetteError

from .film_rows import (
    DIGEST,
    HEADER,
    LINE,
    error_of,
    found,
    numbers,
    opened,
    row,
    written_file,
    written_line,
    written_row,
)


@pytest.fixture
def recorded(open_file, path: Path) -> Path:
    """A cassette of three rows, 0 to 2."""
    file = open_file(record=True)
    assert file.append(LINE, map(row, range(3))) == 3
    file.close()
    return path


def test_rows_are_read_as_they_were_written(recorded: Path, open_file) -> None:
    file = open_file()
    assert (len(file), numbers(file)) == (3, [0, 1, 2])
    for number in range(3):
        stored = found(file, number)
        assert (stored.row, stored.request) == (row(number), LINE)
        assert stored.answer == b'{"text":" %d","finish_reason":"stop"}' % number
        assert file.holds(DIGEST, f"{number:064x}")
    assert found(file, 3) is None
    assert found(file, 1, digest="e" * 64) is None
    assert not file.holds("e" * 64, f"{1:064x}")


def test_a_row_can_be_replayed_at_once(open_file, path: Path) -> None:
    file = open_file(record=True)
    file.append(LINE, [row(1)])
    assert found(file, 1).row == row(1)
    assert path.read_bytes() == written_file([1])


def test_a_file_stays_what_it_is_from_version_to_version(recorded: Path) -> None:
    # Recorded cassettes are read so: a change here makes all of them worthless.
    lines = recorded.read_text().splitlines()
    assert len(lines) == 5
    assert lines[:3] == [
        '{"cassette": 2, "experiment": "films", "recording": "m-1shot"}',
        '{"request":"3bd8454d234efe08","digest":"' + "d" * 64 + '","endpoint":"POST completions",'
        '"model":"m","parameters":{"max_tokens":1},"server":"","answered_by":"","crc32":"4968b652"}',
        '{"prompt":"' + "0" * 64 + '","request":"3bd8454d234efe08","item":"item-0",'
        '"recorded_at":"2026-11-22T12:00:00+00:00","latency_ms":1.5,"prompts":1,"usage":[10,1],'
        '"answer":{"text":" 0","finish_reason":"stop"},"crc32":"d86bd138"}',
    ]  # fmt: skip


def test_recording_goes_on_behind_what_is_there(recorded: Path, open_file) -> None:
    file = open_file(record=True)
    assert file.append(LINE, [row(3)]) == 1
    assert numbers(file) == [0, 1, 2, 3]
    assert recorded.read_bytes() == written_file(range(4))


def test_what_rows_have_in_common_is_written_once_and_again_where_it_changes(
    open_file, path: Path
) -> None:
    other = RequestLine(DIGEST, LINE.endpoint, "m", LINE.parameters, server="another server")
    file = open_file(record=True)
    for number in range(6):
        line = other if number % 2 else LINE
        file.append(line, [row(number, line)])
    lines = path.read_bytes().splitlines(keepends=True)[1:]
    assert [line for line in lines if line.startswith(b'{"request"')] == [
        written_line(),
        written_line(other),
    ]
    assert {stored.request.server for stored in open_file().rows()} == {"", "another server"}


def test_a_prompt_that_is_there_is_not_written_again(recorded: Path, open_file) -> None:
    file = open_file(record=True)
    answer = {"text": " 99", "finish_reason": "stop"}
    again = [row(1, answer=answer), row(3), row(3, answer=answer), row(2)]
    assert file.append(LINE, again) == 1
    assert file.append(LINE, again) == 0
    assert [found(file, number).row.answer["text"] for number in (1, 2)] == [" 1", " 2"]
    assert len(recorded.read_bytes().splitlines()) == 6


def test_one_prompt_of_two_kinds_of_request_has_two_rows(open_file) -> None:
    other = RequestLine("e" * 64, "POST completions", "n")
    file = open_file(record=True)
    file.append(LINE, [row(1)])
    file.append(other, [row(1, other, answer={"text": " 7", "finish_reason": "stop"})])
    file = open_file()
    assert [found(file, 1, digest).row.answer["text"] for digest in (DIGEST, "e" * 64)] == [
        " 1",
        " 7",
    ]


@given(cut=st.integers(0, len(written_file(range(3)))))
def test_wherever_a_file_is_cut_only_the_torn_line_is_lost(cut: int, tmp_path_factory) -> None:
    path = tmp_path_factory.mktemp("cut") / "m-1shot.jsonl"
    content = written_file(range(3))
    path.write_bytes(content[:cut])
    whole = content[:cut].count(b"\n")
    file = opened(path)
    assert numbers(file) == list(range(max(whole - 2, 0)))
    file.check()
    file.start_recording()
    file.close()
    lines = content.splitlines(keepends=True)
    assert path.exists() == bool(whole)
    assert not whole or path.read_bytes() == b"".join(lines[:whole])
    file.start_recording()
    file.append(LINE, map(row, range(3)))
    file.close()
    assert path.read_bytes() == content


def test_a_recording_that_got_nothing_leaves_no_file(open_file, path: Path) -> None:
    file = open_file()
    assert (file.exists, len(file), path.exists()) == (False, 0, False)
    file.start_recording()
    assert file.append(LINE, []) == 0
    assert file.exists
    file.close()
    assert not path.exists()
    assert error_of(lambda: file.check()) == ""


def test_a_file_with_nothing_but_a_header_is_left_as_it_is(open_file, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(HEADER)
    open_file(record=True).close()
    assert path.read_bytes() == HEADER


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_file_of_either_kind_of_line_end_is_read_and_goes_on(path: Path, open_file, end) -> None:
    path.parent.mkdir()
    path.write_bytes(written_file(range(3)).replace(b"\n", end))
    file = open_file()
    file.check()
    assert [found(file, number).row for number in range(3)] == list(map(row, range(3)))
    file = open_file(record=True)
    file.append(LINE, [row(3)])
    assert numbers(open_file()) == [0, 1, 2, 3]


def test_two_equal_rows_are_one(path: Path, open_file) -> None:
    path.parent.mkdir()
    once = written_file(range(2))
    path.write_bytes(
        once + written_line() + written_row(1) + written_row(0).replace(b"\n", b"\r\n")
    )
    file = open_file()
    assert (len(file), numbers(file)) == (2, [0, 1])
    assert open_file(record=True).append(LINE, [row(0), row(1)]) == 0


def test_two_different_rows_of_one_key_are_refused_with_both_lines(path: Path, open_file) -> None:
    path.parent.mkdir()
    other = written_row(1, answer={"text": " 9", "finish_reason": "stop"})
    path.write_bytes(written_file(range(4)) + other)
    before = path.read_bytes()
    for record in (False, True):
        assert error_of(lambda: open_file(record=record)) == (  # noqa: B023
            f"{path}, line 7: the row has the key of line 4 and another content; delete one of the "
            "two."
        )
    assert path.read_bytes() == before


def test_the_same_prompt_answered_by_another_server_is_another_content_of_one_key(
    path: Path, open_file
) -> None:
    path.parent.mkdir()
    other = RequestLine(DIGEST, LINE.endpoint, "m", LINE.parameters, server="another server")
    path.write_bytes(written_file([0]) + written_line(other) + written_row(0, other))
    assert "line 5: the row has the key of line 3 and another content" in error_of(open_file)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (b"interactions:\n- request: x\n", "line 1: this is not a tunebench cassette"),
        (b"[1, 2]\n", "line 1: this is not a tunebench cassette"),
        (b'"cassette"\n', "line 1: this is not a tunebench cassette"),
        (b"\n", "line 1: this is not a tunebench cassette"),
        (b"\xff\xd8\xff\n", "line 1: this is not a tunebench cassette"),
        (b"[" * 100_000 + b"\n", "line 1: this is not a tunebench cassette"),
        (b'{"a letter": "without a line break"}', "line 1: this is not a tunebench cassette"),
        (b'{"cassette": 2, "experiment": "films"}\n', "line 1: this is not a tunebench cassette"),
        (b'{"cassette": 1}\n', "line 1: this is not a tunebench cassette"),
        (HEADER.replace(b"2", b"1", 1), "format version 1; turn it into the current one with"),
        (HEADER.replace(b"2", b"3", 1), "format version 3 and this tunebench reads version 2"),
        (HEADER.replace(b"2", b"[]", 1), "format version [] and this tunebench reads"),
        (HEADER.replace(b"films", b"books"), "belongs to the experiment 'books', not to 'films'"),
        (HEADER.replace(b"m-1", b"m-4"), "belongs to the recording 'm-4shot', not to 'm-1shot'"),
    ],
)
def test_a_file_that_is_not_this_cassette_is_refused_and_left_alone(
    path: Path, header: bytes, said: str
) -> None:
    path.parent.mkdir()
    path.write_bytes(header)
    with pytest.raises(CassetteError, match=f"^{path}, line 1: ") as raised:
        opened(path).start_recording()
    assert said in str(raised.value)
    assert path.read_bytes() == header


def test_without_recording_nothing_is_written(recorded: Path, open_file) -> None:
    before = recorded.read_bytes()
    with pytest.raises(CassetteError, match="not open for recording"):
        open_file().append(LINE, [row(3)])
    assert recorded.read_bytes() == before


def test_a_closed_cassette_answers_nothing(recorded: Path, open_file) -> None:
    file = open_file()
    file.close()
    file.close()
    with pytest.raises(CassetteError, match="the cassette is closed"):
        found(file, 0)


def bytes_read() -> int:
    counters = Path("/proc/self/io").read_text().split()
    return int(counters[counters.index("rchar:") + 1])


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="counts reads by Linux's /proc")
def test_an_answer_costs_its_own_bytes_however_many_rows_there_are(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(written_file(range(10_000)))
    file = opened(path)
    before = bytes_read()
    for number in range(0, 10_000, 25):
        assert found(file, number).row.item == f"item-{number}"
    read = bytes_read() - before
    file.close()
    assert len(file) == 10_000
    assert read < 2 * 400 * (len(written_row(9_999)) + 20)


def test_rows_are_forced_to_the_disk_once_a_second_at_once_where_told_and_at_the_end(
    open_file, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, synced = [100.0], []
    monkeypatch.setattr("tunebench.cassettes.store.time.monotonic", lambda: now[0])
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(now[0]))
    file = open_file(record=True)
    for number in range(5):
        now[0] += 0.4
        file.append(LINE, [row(number)])
    assert synced == [pytest.approx(101.2)]
    file.append(LINE, [row(5)], sync=True)
    assert len(synced) == 2
    file.close()
    assert len(synced) == 3


def test_the_header_states_experiment_and_recording_of_any_name(tmp_path: Path) -> None:
    names = {"experiment": 'films "é"\n', "recording": "m 🙂-1shot"}
    file = CassetteFile(tmp_path / "c.jsonl", **names)
    file.start_recording()
    file.append(LINE, [row(1)])
    file.close()
    assert CassetteFile(tmp_path / "c.jsonl", **names).header == json.loads(
        (tmp_path / "c.jsonl").read_bytes().splitlines()[0]
    )
