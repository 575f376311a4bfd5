import json

import pytest

from tunebench.errors import DatasetError
from tunebench.training_data.sources import read_rows

GOOD = '{"prompt": "a", "completion": "b"}\n'


def rows_in(tmp_path, name, content, **options):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    rows = read_rows(path, **options)
    return list(zip(rows.prompts, rows.completions, strict=True)), rows


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("f.jsonl", GOOD + '\n{"prompt": "ü", "completion": "ж"}\r\n'),
        ("f.jsonl", "\ufeff" + GOOD + '{"Prompt": "ü", "COMPLETION": "ж"}'),
        ("f.jsonl", GOOD + '{"prompt": "ü", "completion": "ж", "score": 1}'),
        ("f.json", GOOD + '{"prompt": "ü", "completion": "ж"}'),
        ("f.json", '[{"prompt":"a","completion":"b"},\n{"prompt":"ü","completion":"ж"}]'),
        ("f.json", '{"prompt":{"0":"a","1":"ü"},"completion":{"0":"b","1":"ж"}}'),
        ("f.csv", "prompt,completion\na,b\n\nü,ж\n"),
        ("f.CSV", "\ufeffCompletion , id,PROMPT\r\nb,1,a\r\nж,2,ü"),
        ("f.tsv", 'prompt\tcompletion\n"a"\tb\nü\tж'),
        ("f.csv", "prompt;completion\na;b\nü;ж\n"),
        ("f.csv", "sep=|\r\nid|prompt|completion\r\n1,5|a|b\r\n2|ü|ж\r\n"),
        ("f.tsv", "prompt,completion\na,b\nü,ж\n"),
    ],
)
def test_every_format_gives_the_same_rows(tmp_path, name, content):
    assert rows_in(tmp_path, name, content)[0] == [("a", "b"), ("ü", "ж")]


def test_lines_of_text_are_completions(tmp_path):
    assert rows_in(tmp_path, "f.txt", "a\r\nb\n")[0] == [("", "a"), ("", "b")]


def test_other_delimiters_and_encodings_are_read_when_they_are_given(tmp_path):
    content = "prompt;completion\nü;b\n".encode("latin-1")
    assert rows_in(tmp_path, "f.csv", content, delimiter=";", encoding="latin-1")[0] == [("ü", "b")]
    content = "prompt,completion\nü,b\n".encode("utf-16")
    assert rows_in(tmp_path, "f.csv", content, encoding="utf-16")[0] == [("ü", "b")]


@pytest.mark.parametrize("delimiter", ["", "ab", "\n", '"'])
def test_a_delimiter_is_one_character(tmp_path, delimiter):
    with pytest.raises(DatasetError, match="cannot separate columns; give one character"):
        rows_in(tmp_path, "f.csv", "prompt,completion\na,b\n", delimiter=delimiter)


def test_words_that_tables_use_for_nothing_stay_texts(tmp_path):
    content = "prompt,completion\nNA,None\nnull,nan\n"
    assert rows_in(tmp_path, "f.csv", content)[0] == [("NA", "None"), ("null", "nan")]


def test_null_and_nan_are_empty(tmp_path):
    content = '{"prompt": null, "completion": "b"}\n{"prompt": "a", "completion": NaN}\n'
    assert rows_in(tmp_path, "f.jsonl", content)[0] == [("", "b"), ("a", "")]


def test_a_row_knows_its_line(tmp_path):
    _, rows = rows_in(tmp_path, "f.csv", 'prompt,completion\n"a\nb",c\n\nd,e\n')
    assert (rows.places, rows.unit) == ([2, 5], "line")


def test_chat_records_stay_as_they_are(tmp_path):
    line = '{"tools": [], "messages":[{"role":"user","content":"é"}, '
    line += '{"role":"assistant","content":"ja"}]}'
    (tmp_path / "f.jsonl").write_text(line + "\n")
    rows = read_rows(tmp_path / "f.jsonl")
    assert rows.chat == [line + "\n"]
    assert rows.completions == ["ja"]


def messages(*turns):
    return json.dumps({"messages": [{"role": r, "content": c} for r, c in turns]})


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("f.jsonl", GOOD + "{broken\n", "line 2: this is not JSON"),
        ("f.jsonl", GOOD + GOOD + "[1, 2]\n", "line 3: this is not a JSON object"),
        ("f.jsonl", GOOD + '{"prompt": "a"}\n', "line 2: there is no column 'completion'"),
        ("f.jsonl", GOOD + '{"prompt": 3, "completion": "b"}', "line 2: .*'prompt' holds 3, not"),
        (
            "f.jsonl",
            '{"prompt": "a", "completion": [1]}',
            r"line 1: .*'completion' holds \[1\]",
        ),
        ("f.jsonl", '{"prompt": "a", "completion": true}', "line 1: .*'completion' holds true"),
        (
            "f.jsonl",
            GOOD + "\n" + GOOD.replace("a", r"\ud800"),
            "line 3: column 'prompt' holds half",
        ),
        ("f.jsonl", GOOD.encode() + GOOD.replace("a", "é").encode("latin-1"), "line 2.*UTF-8"),
        ("f.jsonl", "[" * 100_000, "line 1: this is not JSON"),
        ("f.jsonl", "", "holds no rows"),
        ("f.jsonl", "\n\n", "holds no rows"),
        ("f.jsonl", GOOD.encode("utf-16"), "UTF-16"),
        ("f.json", '{"a": [1,\n2}', "line 2: this is not JSON"),
        ("f.json", "3", "must be a list of records"),
        ("f.csv", "", "the file is empty"),
        ("f.csv", "prompt,completion\n", "holds no rows"),
        ("f.csv", "prompt,label\na,b\n", "line 1: there is no column 'completion' among"),
        ("f.csv", "Prompt,PROMPT,completion\na,b,c\n", "2 columns are called 'prompt'"),
        ("f.csv", "prompt,completion\na,b\nc,d,e\n", "line 3: there are 3 values under 2"),
        ("f.csv", 'prompt,completion\na,b\n"c,d\n', "line 3: the row that begins here is broken"),
        ("f.csv", b"prompt,completion\na,b\n\xff,d\n", "line 3.*UTF-8"),
        ("f.txt", b"a\n\xff\n", "line 2.*UTF-8"),
        ("f.parquet", GOOD, "are not read"),
        ("f", GOOD, "files without an ending are not read"),
        ("f.xlsx", "no workbook", "openpyxl|not a workbook"),
        ("f.jsonl", GOOD + messages(("user", "a"), ("assistant", "b")), "line 2: some records"),
        ("f.jsonl", messages(("user", "a"), ("assistant", "b")) + "\n" + GOOD, "line 2: some rec"),
        ("f.jsonl", '{"messages": []}', "a list of two or more"),
        ("f.jsonl", messages(("user", "a"), ("user", "b")), "the last message"),
        ("f.jsonl", messages(("usr", "a"), ("assistant", "b")), "message 1 has the role 'usr'"),
        ("f.jsonl", messages(("user", "a"), ("assistant", None)), "message 2 is empty"),
        ("f.jsonl", '{"messages": [1, 2]}', "message 1 is not an object"),
    ],
)
def test_bad_input_is_an_error_in_one_line_with_its_place(tmp_path, name, content, words):
    with pytest.raises(DatasetError, match=words) as raised:
        rows_in(tmp_path, name, content)
    assert str(tmp_path / name) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_unknown_encoding_is_an_error(tmp_path):
    with pytest.raises(DatasetError, match="--encoding"):
        rows_in(tmp_path, "f.jsonl", GOOD, encoding="utf-9")
    with pytest.raises(DatasetError, match="--encoding"):
        rows_in(tmp_path, "f.jsonl", "é", encoding="ascii")


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(DatasetError, match="cannot be read"):
        read_rows(tmp_path / "f.jsonl")


def test_the_first_sheet_of_a_workbook_is_read(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["Prompt", "completion", "x"], ["a", "b", 1], [None, "d", 2]):
        book.active.append(row)
    book.save(tmp_path / "f.xlsx")
    assert rows_in(tmp_path, "f.xlsx", (tmp_path / "f.xlsx").read_bytes())[0] == [
        ("a", "b"),
        ("", "d"),
    ]
