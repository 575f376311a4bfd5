"""A file is looked at as a replay reads it, but to its end; and two of them are compared."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunebench.cassettes.comparison import differences
from tunebench.cassettes.inspection import InspectedRow, inspect
from tunebench.cassettes.lines import RequestLine, without_rows
from tunebench.errors import CassetteError

from ..cassette_lines import line_of
from ..json_values import NOTHING, changed, json_values, paths
from .film_rows import (
    HEADER,
    LINE,
    fields_of,
    read_all,
    row,
    written_file,
    written_line,
    written_row,
)

FILE = written_file(range(3))
LINES = FILE.splitlines(keepends=True)
reusing = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m-1shot.jsonl"


def test_a_whole_file_has_no_problems(path: Path) -> None:
    path.write_bytes(FILE)
    found = inspect(path)
    assert (found.size, found.problems, found.torn, found.damaged) == (len(FILE), [], False, False)
    assert found.header == {"cassette": 2, "experiment": "films", "recording": "m-1shot"}
    assert found.rows == {number + 3: InspectedRow(row(number), LINE) for number in range(3)}
    assert found.numbers([row(2).key, row(0).key]) == [3, 5]


def test_every_line_with_a_problem_is_named(path: Path) -> None:
    other = {"text": " 9", "finish_reason": "stop"}
    lines = [
        *LINES[:3],
        LINES[3].replace(b" 1", b" 2"),
        b"<<<<<<< HEAD\n",
        LINES[4],
        written_row(7, RequestLine("e" * 64, "POST x")),
        written_row(0, answer=other),
        line_of(
            {"prompt": "g" * 64, **{k: v for k, v in fields_of(LINES[2]).items() if k != "prompt"}}
        ),
        LINES[2].replace(b"\n", b"\r\n"),
        LINES[3][:70],
    ]
    path.write_bytes(b"".join(lines))
    found = inspect(path)
    assert [
        problem.removeprefix(f"{path}, line ").partition(":")[0] for problem in found.problems
    ] == [*("4", "5", "7", "8", "9", "11")]
    assert all(problem.endswith(".") and "; " in problem for problem in found.problems)
    assert "it has the key of line 3; delete one of the two." in found.problems[3]
    assert (found.torn, found.damaged) == (True, True)
    assert {3, 6, 10} <= found.rows.keys()


@pytest.mark.parametrize("content", [b"", HEADER[:9], HEADER, FILE[:-1], b"\n", b"[]\n" + FILE])
def test_a_file_that_has_no_row_or_no_end_is_told(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    found = inspect(path)
    assert bool(found.problems) == (content != HEADER)
    assert found.torn == (content in (HEADER[:9], FILE[:-1]))
    assert found.damaged == (content in (b"", b"\n", b"[]\n" + FILE))


def test_what_is_no_regular_file_is_a_sentence(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path):
        with pytest.raises(CassetteError, match="the cassette is not a regular file; move it away"):
            inspect(path)
    with pytest.raises(CassetteError, match=r"the cassette cannot be read \(No such file"):
        inspect(tmp_path / "nowhere")


@reusing
@given(bit=st.integers(0, 8 * len(FILE) - 1))
def test_what_a_replay_refuses_is_named_and_nothing_else(bit: int, path: Path) -> None:
    content = bytearray(FILE)
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    compare(path)


@reusing
@given(data=st.data())
def test_so_it_is_with_lines_whose_checksum_is_right(data: Any, path: Path) -> None:
    number = data.draw(st.integers(2, len(LINES)))
    fields = fields_of(LINES[number - 1])
    at = data.draw(st.sampled_from(paths(fields)))
    new = data.draw(st.just(NOTHING) | json_values | st.just("A" * 64))
    lines = list(LINES)
    lines[number - 1] = line_of(changed(fields, at, new))
    path.write_bytes(b"".join(lines))
    compare(path)


def compare(path: Path) -> None:
    said, found = read_all(path), inspect(path)
    foreign = "belongs to the" in said  # which is not the file's fault
    assert foreign or bool(said) == found.damaged, (said, found.problems)


def test_rows_are_taken_out_with_what_described_nothing_but_these() -> None:
    other = RequestLine("e" * 64, "POST completions", "n")
    lines = [*LINES, written_line(other), written_row(1, other), LINES[2][:50]]
    keys = [row(1).key, row(1, other).key]
    assert without_rows(lines, keys) == [*LINES[:3], LINES[4]]
    assert without_rows(lines, [row(1).key]) == [*LINES[:3], LINES[4], *lines[5:7]]
    assert without_rows(lines, []) == lines[:-1]


def inspected(*rows: Any, line: RequestLine = LINE) -> list[InspectedRow]:
    return [InspectedRow(one, line) for one in rows]


def test_differences_are_told_by_item_and_by_what_differs() -> None:
    said = {"message": {"content": " 1"}, "finish_reason": "stop"}
    old = inspected(*map(row, range(3)))
    new = [
        *inspected(row(1, answer=said), row(3)),
        *inspected(row(2, prompt="f" * 64), line=RequestLine("e" * 64, "POST completions", "n")),
    ]
    assert differences(old, old) == {"only_old": [], "only_new": [], "changed": []}
    found = differences(old, new)
    assert (found["only_old"], found["only_new"]) == (["item-0"], ["item-3"])
    assert [(one["of"], one["what"]) for one in found["changed"]] == [
        ("item-2", "model"),
        ("item-2", "parameters"),
        ("item-2", "prompt_sha256"),
    ]


def test_of_what_is_no_answer_to_a_text_no_values_are_told() -> None:
    old, new = (inspected(row(1, item=None, answer=answer)) for answer in ({"id": 1}, {"id": 2}))
    ((change,),) = (differences(old, new)["changed"],)
    assert change["of"].startswith("POST completions (")
    assert (change["what"], change["old"], change["new"]) == ("answer", None, None)


@given(answer=json_values | st.sampled_from([{"message": 7}, {"logprobs": 7}, {"logprobs": {}}]))
def test_answers_of_any_kind_are_compared(answer: Any) -> None:
    found = differences(inspected(row(1, answer=answer)), inspected(row(1)))
    assert (found["only_old"], found["only_new"]) == ([], [])
    assert {change["what"] for change in found["changed"]} <= {"text", "logprobs"}
