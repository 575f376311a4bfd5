"""A user's own file as `inspect_table` reads it, whatever its format, and what it refuses."""

import csv
import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunebench.datasets import TableSummary, inspect_table
from tunebench.datasets.labelled_texts import LONGEST, normalised
from tunebench.errors import DatasetError

ROWS = [
    {"id": "1", "body": 'it says "no",\nthen stops', "queue": "login"},
    {"id": "2", "body": "Grüße; 🙂", "queue": "billing"},
    {"id": "3", "body": "  spaced\tout ", "queue": "login"},
]


def write(path: Path, rows: list[dict[str, Any]], delimiter: str = ",") -> Path:
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".xlsx":
        book = pytest.importorskip("openpyxl").Workbook()
        for row in (list(rows[0]), *(list(row.values()) for row in rows)):
            book.active.append(row)
        book.save(path)
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, rows[0], delimiter=delimiter)
            table.writeheader()
            table.writerows(rows)
    return path


def inspect(path: Path) -> TableSummary:
    return inspect_table(path, "body", "queue")


@pytest.fixture
def refused(tmp_path: Path) -> Callable[..., str]:
    """What is said of a file's content, after its name."""

    def refused(content: str | bytes, name: str = "tickets.csv", *columns: str) -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        with pytest.raises(DatasetError) as raised:
            inspect_table(path, *(columns or ("body", "queue")))
        sentence = str(raised.value)
        assert sentence.startswith(str(path))
        assert "\n" not in sentence
        return sentence.removeprefix(str(path)).removeprefix(": ").removeprefix(", ")

    return refused


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet", "CSV"])
def test_every_format_gives_the_same_texts_and_labels(ending: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"tickets.{ending}", ROWS, "\t" if ending == "tsv" else ",")
    assert inspect(path) == TableSummary(
        rows=3,
        labels=("billing", "login"),
        counts={"billing": 1, "login": 2},
        repeated=0,
        texts=[row["body"] for row in ROWS],
        runs=False,
    )


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_a_csv_with_semicolons_or_tabs_is_recognised_by_its_first_line(
    delimiter: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "tickets.csv", ROWS, delimiter)
    assert inspect(path).texts == [row["body"] for row in ROWS]


@pytest.mark.parametrize("separator_line", ["sep=;\n", "sep=;\r\n", '"sep=;"\r\n'])
def test_a_first_line_may_name_the_delimiter(separator_line: str, refused, tmp_path: Path) -> None:
    content = separator_line + 'body;queue\r\none, two;a\r\n"three\nfour";b\r\n'
    path = tmp_path / "tickets.csv"
    path.write_bytes(content.encode("utf-8-sig"))
    assert inspect(path).texts == ["one, two", "three\nfour"]
    assert refused(content + ";a\r\n") == (
        "1 row has no text (line 6); fill it in, or take the row out."
    )
    assert refused("sep=;\nbody;team\n").startswith("line 2: there is no column 'queue' among")


def test_a_byte_order_mark_and_blank_lines_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "tickets.csv"
    path.write_bytes(b"\xef\xbb\xbfbody,queue\r\n\r\none,a\r\ntwo,b\r\n\r\n")
    assert inspect(path).texts == ["one", "two"]
    path = path.with_suffix(".jsonl")
    path.write_bytes(b'\xef\xbb\xbf{"body": "one", "queue": 0}\r\n\n{"body": "two", "queue": 1}')
    assert inspect(path).counts == {"0": 1, "1": 1}


def test_repeated_texts_are_counted_and_the_first_is_kept(refused, tmp_path: Path) -> None:
    rows = [{"body": text, "queue": "ab"[i % 2]} for i, text in enumerate(["x  y", "z", " x\ny"])]
    found = inspect(write(tmp_path / "tickets.csv", rows))
    assert (found.rows, found.repeated, found.texts) == (3, 1, ["x  y", "z"])


@settings(max_examples=40)
@given(
    texts=st.lists(
        st.text(st.characters(codec="utf-8"), min_size=1), min_size=2, unique_by=normalised
    ),
    ending=st.sampled_from(["csv", "tsv", "jsonl", "parquet"]),
)
def test_any_text_is_read_as_it_was_written(
    texts: list[str], ending: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rows = [{"body": f"{text}.", "queue": "ab"[i % 2]} for i, text in enumerate(texts)]
    path = tmp_path_factory.mktemp("any") / f"tickets.{ending}"
    write(path, rows, "\t" if ending == "tsv" else ",")
    assert inspect(path).texts == [row["body"] for row in rows]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "the file is empty or begins with an empty line; give one whose first line names the "
         "columns."),
        ("body,queue\n", "the file holds no rows, and a benchmark needs some to test on and others "
         "to learn from; add rows."),
        ("body,queue\none,a\n", "the file holds one row only, and a benchmark needs some to "
         "test on and others to learn from; add rows."),
        ("boddy,queue\none,a\n", "line 1: there is no column 'body' among 'boddy', 'queue'; set "
         'text_column = "boddy" in [task], or fix the file.'),
        ("body,team\none,a\n", "line 1: there is no column 'queue' among 'body', 'team'; set "
         "label_column to one of them in [task], or fix the file."),
        ("body,body,queue\none,x,a\n", "line 1: 2 columns are called 'body'; rename all but one."),
        ('"body,queue\none,a\n', "line 1: the row that begins here is broken (unexpected end of "
         "data); fix its quotes."),
        ("body,queue\none,a\ntwo\n", "line 3: there is 1 value under 2 column names; put quotes "
         "around a value that holds the delimiter or a quote."),
        ('body,queue\none,a\n"two,b\nthree,a\n', "line 3: the row that begins here is broken "
         "(unexpected end of data); fix its quotes."),
        ("body,queue\none,a\n ,b\n\"\",a\n", "2 rows have no text (lines 3, 4); fill it in, or "
         "take the row out."),
        ('body,queue\none,\n"a\nb",a\nthree, \n', "2 rows have no label (lines 2, 5); fill it in, "
         "or take the row out."),
        ("body,queue\none,Pos\ntwo,neg\nthree,pos \n", "the labels 'Pos' (1 row, line 2) and "
         "'pos ' (1 row, line 4) differ only by case, spaces, invisible characters or how a letter "
         "is encoded; write them alike."),
        ("body,queue\none,spam\ntwo,ham\nthree,spam\u200b\nfour,spam\n", "the labels 'spam' (2 "
         "rows, lines 2, 5) and 'spam\\u200b' (1 row, line 4) differ only by case, spaces, "
         "invisible characters or how a letter is encoded; write them alike."),
        ("body,queue\none,Caf\u00e9\ntwo,ham\nthree,Cafe\u0301\n", "the labels 'Caf\\xe9' (1 row, "
         "line 2) and 'Cafe\\u0301' (1 row, line 4) differ only by case, spaces, invisible "
         "characters or how a letter is encoded; write them alike."),
        ("body,queue\none,a\ntwo,\u200b\nthree,b\n", "1 row has no label (line 3); fill it in, or "
         "take the row out."),
        ("body,queue\none,a\ntwo,a\n", "the label column holds one label, 'a', and a "
         "task has 2 to 200; name another column, or fix the file."),
        ("body,queue\n" + "".join(f"text {i},label {i}\n" for i in range(201)), "the label column "
         "holds 201 labels, and a task has 2 to 200; name another column, or fix the "
         "file."),
        ("body,queue\none,a\ntwo,b\none ,b\n", "1 text has two different labels (lines 2 'a' and 4 "
         "'b'); decide for one of them, or take the rows out."),
    ],
)  # fmt: skip
def test_an_unusable_table_is_an_error_with_its_place(content, sentence, refused) -> None:
    assert refused(content) == sentence


def test_contradictions_are_counted_and_the_first_are_shown(refused) -> None:
    rows = "".join(f"text {i},a\ntext {i},b\n" for i in range(7))
    assert refused("body,queue\n" + rows).startswith(
        "7 texts have two different labels (lines 2 'a' and 3 'b', 4 'a' and 5 'b', "
    )


def test_an_error_of_encoding_names_the_line(refused) -> None:
    sentence = refused("body,queue\none,a\nGrüße,b\n".encode("latin-1"))
    assert sentence == (
        "line 3: this is not UTF-8; convert the file, as with `iconv -f WINDOWS-1252 -t UTF-8` if "
        "that is what it was saved in, or save it as UTF-8."
    )
    assert "iconv -f UTF-16 " in refused("body,queue\none,a\n".encode("utf-16"))


def test_a_huge_cell_is_refused_with_its_place_and_size(refused) -> None:
    before = csv.field_size_limit()
    huge = "x" * 50_000_000
    assert refused(f"body,queue\none,a\n{huge},b\n") == (
        "line 3: column 'body' has a cell of 50,000,000 characters, and 1,000,000 are the most; "
        "shorten it, or close its quote."
    )
    assert csv.field_size_limit() == before
    line = json.dumps({"body": "x" * (LONGEST + 1), "queue": "a"})
    assert refused(line, "tickets.jsonl").startswith("line 1: column 'body' has a cell of 1,000")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('{"body": "x", "queue"}', "line 2: this is not JSON (Expecting ':' delimiter); fix the "
         "line."),
        ('["x", "a"]', "line 2: this is not a JSON object; write one with the keys 'body' and "
         "'queue'."),
        ('{"body": "x", "Queue": "a"}', "line 2: there is no column 'queue' among 'body', "
         "'Queue'; set label_column = \"Queue\" in [task], or fix the file."),
        ('{"body": 5, "queue": "a"}', "line 2: column 'body' holds 5, not a text; put it in "
         "quotes."),
        ('{"body": "x", "queue": [true]}', "line 2: column 'queue' holds [true], not a text; put "
         "it in quotes."),
        ('{"body": "x", "queue": 1e999}', "line 2: column 'queue' holds Infinity, not a text; put "
         "it in quotes."),
        ('{"body": "\\ud800", "queue": "a"}', "line 2: column 'body' holds half a surrogate pair, "
         "which is not a character; fix it."),
        ('{"body": null, "queue": "a"}', "1 row has no text (line 2); fill it in, or take the row "
         "out."),
        ("[" * 100_000, "line 2: this is not JSON (nested too deeply); fix the line."),
    ],
)  # fmt: skip
def test_a_broken_line_of_json_is_an_error_with_its_line(line, sentence, refused) -> None:
    assert refused(f'{{"body": "one", "queue": "a"}}\n{line}\n', "tickets.jsonl") == sentence


def test_a_damaged_parquet_file_is_an_error(refused) -> None:
    assert refused(b"no parquet", "tickets.parquet").startswith(
        "this is not a sound Parquet file (Parquet magic bytes not found"
    )


def test_places_in_a_parquet_file_are_rows(tmp_path: Path) -> None:
    rows = [{"body": "one", "queue": "a"}, {"body": None, "queue": "b"}]
    with pytest.raises(DatasetError, match=r"1 row has no text \(row 2\)"):
        inspect(write(tmp_path / "tickets.parquet", rows))


def test_without_pyarrow_the_error_names_the_extra(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(DatasetError, match=r"pip install 'tunebench\[parquet\]'"):
        inspect(write(tmp_path / "tickets.parquet", ROWS))


def test_a_missing_file_and_another_ending_are_errors(tmp_path: Path, refused) -> None:
    with pytest.raises(DatasetError) as raised:
        inspect(tmp_path / "nothing.csv")
    assert str(raised.value) == (
        f"{tmp_path / 'nothing.csv'}: the file cannot be read (No such file or directory); check "
        "its path."
    )
    for ending in (".ods", ".parquet.gz", ".gz"):
        assert refused("x", f"tickets{ending}") == (
            f"files that end with {ending!r} are not read; give a .csv, .tsv, .jsonl, .parquet, "
            ".xlsx, .csv.gz, .tsv.gz or .jsonl.gz file."
        )
    assert refused("x", "tickets.csv", "body", "body") == (
        "text_column and label_column are both 'body'; name two columns."
    )


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_an_error_on_a_misspelt_column_lists_the_others_with_any_separator(
    delimiter: str, refused: Callable[..., str]
) -> None:
    said = refused(f"bodi{delimiter}queue\r\na{delimiter}b\r\n")
    assert "there is no column 'body' among 'bodi', 'queue';" in said


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([True, False], ("false", "true")),
        ([1, 2], ("1", "2")),
        ([1.0, 2.5], ("1.0", "2.5")),
        ([-1.5e-7, 1e22], ("-1.5e-07", "1e+22")),
    ],
)
@pytest.mark.parametrize("ending", [".jsonl", ".parquet", ".xlsx"])
def test_labels_may_be_numbers_or_true_and_false(values, labels, ending, tmp_path: Path) -> None:
    if ending == ".xlsx" and values == [1.0, 2.5]:
        labels = ("1", "2.5")  # as a sheet has it
    rows = [{"body": f"text {i}", "queue": values[i % 2]} for i in range(4)]
    path = write(tmp_path / f"tickets{ending}", rows)
    assert inspect(path).labels == labels


def test_a_number_is_as_the_line_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "tickets.jsonl"
    path.write_text('{"body": "a", "queue": 1.50}\n{"body": "b", "queue": 1E3}\n')
    assert inspect(path).labels == ("1.50", "1E3")


def test_small_floats_and_categories_of_a_parquet_file_are_as_they_were_written(tmp_path) -> None:
    path = tmp_path / "tickets.parquet"
    body = pa.array(["one", "two", "three"])
    for column, labels in (
        (pa.array([0.1, 1.0, 0.1], pa.float32()), ("0.1", "1.0")),
        (pa.array(["b", "a", "b"]).dictionary_encode(), ("a", "b")),
        (pa.array([2, 1, 2], pa.int8()).dictionary_encode(), ("1", "2")),
    ):
        pq.write_table(pa.table({"body": body, "queue": column}), path)
        assert inspect(path).labels == labels


def test_one_number_written_in_two_ways_is_refused(refused) -> None:
    said = refused('{"body": "a", "queue": 1}\n{"body": "b", "queue": 1.0}\n', "tickets.jsonl")
    assert said == (
        "the labels '1' (1 row, line 1) and '1.0' (1 row, line 2) are the same number; write them "
        "alike."
    )


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl"])
def test_a_compressed_file_is_read_as_the_one_in_it(ending: str, refused, tmp_path: Path) -> None:
    path = write(tmp_path / f"tickets.{ending}", ROWS, "\t" if ending == "tsv" else ",")
    packed = path.with_name(f"tickets.{ending}.GZ")
    content = gzip.compress(path.read_bytes())
    packed.write_bytes(content)
    assert inspect(packed) == inspect(path)
    for damaged in (content[:-20], b"no gzip", content[:20] + b"x" + content[21:], b"\x1f\x8b"):
        said = refused(damaged, packed.name)
        assert said.startswith("this is not a sound gzip file (")
        assert said.endswith("; compress it again.")
    assert refused(gzip.compress(b""), packed.name)


def test_a_workbook_s_first_sheet_is_read_without_its_empty_rows(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["body", "queue", "x"], ["one", "a", 1], [], ["two", "b"], [], ["three"]):
        book.active.append(row)
    path = tmp_path / "tickets.xlsx"
    book.save(path)
    with pytest.raises(DatasetError, match=r"1 row has no label \(row 6\)"):
        inspect(path)
    book.active.cell(6, 2, "a")
    book.create_sheet("others")
    book.save(path)
    found = inspect(path)
    assert (found.texts, found.places) == (["one", "two", "three"], ["row 2", "row 4", "row 6"])
    assert found.notes == ("Of 2 sheets the first, 'Sheet', is read.",)


def test_an_unusable_workbook_is_one_sentence(refused, tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    path = tmp_path / "tickets.xlsx"
    book.save(path)
    assert refused(path.read_bytes(), "a.xlsx") == (
        "the first row is empty; put the names of the columns there."
    )
    for row in (["body", "queue"], ["one", "a"], [5, "b"]):
        book.active.append(row)
    book.active.delete_rows(1, 0)
    book.save(path)
    content = path.read_bytes()
    assert "not a workbook" in refused(content[: len(content) // 2], "a.xlsx")
    assert "not a workbook" in refused(b"no zip", "a.xlsx")


def test_a_number_among_the_texts_of_a_sheet_is_an_error_with_its_row(refused, tmp_path) -> None:
    path = write(tmp_path / "tickets.xlsx", [{"body": 5, "queue": "a"}])
    assert refused(path.read_bytes(), "a.xlsx") == (
        "row 2: column 'body' holds 5, not a text; make it a text."
    )


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "tickets.csv"
    os.mkfifo(path)
    with pytest.raises(DatasetError) as raised:
        inspect_table(path, "body", "queue")
    assert str(raised.value) == (
        f"{path}: this is a device or a pipe, and not a file; save what it gives as a file."
    )
