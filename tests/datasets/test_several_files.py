"""Several files of a user's own, read as one by a pattern."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunebench.datasets import Options, chat_instruction, inspect_table, is_here, load
from tunebench.errors import DatasetError

from .test_own_data_sets import LABELS, tickets, write

OPTIONS = Options(labels=LABELS)


def parts(folder: Path, *rows: Iterable[tuple[str, str]]) -> str:
    """Rows as `part-a.csv`, `part-b.csv` and so on; their pattern."""
    for letter, some in zip("abcdefgh", rows, strict=False):
        write(folder / f"part-{letter}.csv", some)
    return str(folder / "part-*.csv")


@given(st.lists(st.integers(0, 20), min_size=2, max_size=6))
@settings(max_examples=25)
def test_it_is_the_data_set_of_one_file_with_all_rows(tmp_path_factory, counts) -> None:
    folder = tmp_path_factory.mktemp("parts")
    counts = [60, *counts]
    starts = [sum(counts[:i]) for i in range(len(counts))]
    rows = [tickets(count, start) for count, start in zip(counts, starts, strict=True)]
    whole = load(str(write(folder / "all.csv", [row for some in rows for row in some])), OPTIONS)
    found = load(parts(folder, *rows), OPTIONS)
    assert found.train.equals(whole.train)
    assert found.test.equals(whole.test)
    assert str(found.report).split(";")[1:] == str(whole.report).split(";")[1:]


def test_places_name_each_rows_own_file(tmp_path: Path) -> None:
    data = load(parts(tmp_path, tickets(40), tickets(40, 40)), OPTIONS)
    texts = {row.item: row.text for row in (*data.train.itertuples(), *data.test.itertuples())}
    assert len(texts) == 80
    for item, text in texts.items():
        number = int(text.split()[1])
        file, line = ("a", number + 2) if number < 40 else ("b", number - 38)
        assert data.places[item] == f"part-{file}.csv, line {line}"


def test_a_summary_counts_the_rows_of_all_files(tmp_path: Path) -> None:
    summary = inspect_table(Path(parts(tmp_path, tickets(40), [("ticket 0", tickets(1)[0][1])])))
    assert (summary.rows, summary.repeated, len(summary.texts)) == (41, 1, 40)
    assert summary.places[0] == "part-a.csv, line 2"


def test_columns_may_stand_in_another_order(tmp_path: Path) -> None:
    pattern = parts(tmp_path, tickets(40))
    (tmp_path / "part-b.csv").write_text("label,text\nlogin,another ticket\n")
    data = load(pattern, OPTIONS)
    assert "another ticket" in {*data.train["text"], *data.test["text"]}


def test_hidden_files_and_folders_are_none_of_them(tmp_path: Path) -> None:
    pattern = parts(tmp_path, tickets(40))
    (tmp_path / ".part-b.csv").write_text("nothing to read")
    (tmp_path / "part-c.csv").mkdir()
    assert load(pattern, OPTIONS).report.rows == 40  # type: ignore[union-attr]
    hidden = tmp_path / "*.csv"
    write(tmp_path / ".~lock.csv", [("a", "b")])
    assert load(str(hidden), OPTIONS).report.rows == 40  # type: ignore[union-attr]


def test_a_file_whose_name_has_a_star_is_that_file(tmp_path: Path) -> None:
    parts(tmp_path, tickets(40))
    write(tmp_path / "part-*.csv", tickets(30, 100))
    data = load(str(tmp_path / "part-*.csv"), OPTIONS)
    assert data.report.rows == 30  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("text,label\n", ""),
        ("body,label\na,login\n", "part-b.csv, line 1: there is no column 'text'"),
        ("text,label\na,login,b\n", "part-b.csv, line 2: there are 3 values"),
        ("text,label\n,login\n", "1 row has no text (part-b.csv, line 2)"),
        ("text,label\nticket 3,nobody\n", "'nobody' (1 row, part-b.csv, line 2) is not among"),
        (
            "text,label\nticket 3,OTHER\n",
            "1 text has two different labels (part-a.csv, line 5 'ONE' and part-b.csv, line 2 "
            "'OTHER')",
        ),
    ],
)
def test_what_is_wrong_in_one_names_it(tmp_path: Path, more: str, said: str) -> None:
    rows = tickets(40)
    one = rows[3][1]
    other = next(label for label in LABELS if label != one)
    pattern = parts(tmp_path, rows)
    (tmp_path / "part-b.csv").write_text(more.replace("OTHER", other))
    if not said:
        assert load(pattern, OPTIONS).report.rows == 40  # type: ignore[union-attr]
        return
    with pytest.raises(DatasetError) as raised:
        load(pattern, OPTIONS)
    assert said.replace("ONE", one).replace("OTHER", other) in str(raised.value)


def test_a_pattern_that_finds_nothing_is_refused(tmp_path: Path) -> None:
    pattern = str(tmp_path / "nothing-*.csv")
    assert not is_here(pattern, OPTIONS)
    with pytest.raises(DatasetError, match=r"nothing-\*\.csv: no file has a name of this pattern"):
        load(pattern, OPTIONS)


def test_given_test_rows_among_them_are_named(tmp_path: Path) -> None:
    pattern = parts(tmp_path, tickets(40), tickets(20, 40))
    options = replace(OPTIONS, test_dataset=str(tmp_path / "part-b.csv"))
    with pytest.raises(DatasetError, match=r"20 rows are also in .*\(part-b\.csv, line 2; part-b"):
        load(pattern, options)
    assert len(load(pattern, replace(options, overlap="move")).train) == 40


def test_chat_files_have_one_system_message(tmp_path: Path) -> None:
    def chat(name: str, system: str) -> None:
        roles = {"system": system, "user": "a text", "assistant": "good"}
        messages = [{"role": role, "content": content} for role, content in roles.items()]
        (tmp_path / name).write_text(json.dumps({"messages": messages}) + "\n")

    chat("a.jsonl", "Good or bad?")
    chat("b.jsonl", "Good or bad?")
    assert chat_instruction(tmp_path / "?.jsonl") == "Good or bad?"
    chat("b.jsonl", "Bad or good?")
    with pytest.raises(DatasetError) as raised:
        chat_instruction(tmp_path / "?.jsonl")
    where = tmp_path / "a.jsonl"
    expected = f"b.jsonl, line 1: the system message is not that of {where}, line 1"
    assert expected in str(raised.value)
