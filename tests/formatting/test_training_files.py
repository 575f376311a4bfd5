import json
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebench.errors import DatasetError
from tunebench.training_data.training_files import (
    read_training_file,
    refuse_overlap,
    write_training_file,
)

LABELS = ["Negative", "Positive"]


def frame(*rows: tuple[str, int]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "item": [f"item-{i}" for i in range(len(rows))],
            "text": pd.Series([text for text, _ in rows], dtype=object),
            "label": [label for _, label in rows],
        }
    )


def test_a_record_is_the_bare_prompt_and_the_completion(tmp_path):
    write_training_file(tmp_path / "t.jsonl", frame(("Schön 🙂", 1)), LABELS)
    written = (tmp_path / "t.jsonl").read_text(encoding="utf-8")
    assert written == '{"prompt":"Schön 🙂 ->","completion":" Positive"}\n'


def test_a_chat_record_is_the_text_and_the_label_after_the_instruction(tmp_path):
    path = tmp_path / "t.jsonl"
    write_training_file(path, frame(("Fine", 1)), LABELS, style="chat", instruction="Classify")
    assert json.loads(path.read_bytes()) == {
        "messages": [
            {"role": "system", "content": "Classify"},
            {"role": "user", "content": "Fine"},
            {"role": "assistant", "content": "Positive"},
        ]
    }


@pytest.mark.parametrize("style", ["completions", "chat"])
@given(rows=st.lists(st.tuples(st.text(), st.integers(0, 1)), max_size=5))
def test_any_texts_are_read_as_they_were_written(style, rows):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.jsonl"
        write_training_file(path, frame(*rows), LABELS, style=style)
        back = read_training_file(path, LABELS)
        assert list(zip(back["text"], back["label"], strict=True)) == rows
        assert len(path.read_bytes().decode().splitlines()) == len(rows)
        assert [file.name for file in Path(folder).iterdir()] == ["t.jsonl"]


def test_line_ends_of_every_kind_stay_within_the_record(tmp_path):
    text = "a\r\nb\rc\x0bd\x0ce\x1cf\x85g\u2028h\u2029i"
    write_training_file(tmp_path / "t.jsonl", frame((text, 0)), LABELS)
    assert len((tmp_path / "t.jsonl").read_bytes().decode().splitlines()) == 1
    assert read_training_file(tmp_path / "t.jsonl", LABELS)["text"].tolist() == [text]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (("half \ud83d", 0), "item 'item-1' holds half a surrogate pair"),
        ((None, 0), "the text of item 'item-1' is None"),
        ((float("nan"), 0), "the text of item 'item-1' is nan"),
        (("fine", 2), "the label of item 'item-1' is 2"),
    ],
)
def test_a_row_that_cannot_be_written_is_named_and_nothing_is_left(tmp_path, row, words):
    with pytest.raises(DatasetError, match=words):
        write_training_file(tmp_path / "t.jsonl", frame(("fine", 0), row), LABELS)
    assert list(tmp_path.iterdir()) == []


def test_after_an_error_the_file_that_was_there_still_is(tmp_path):
    (tmp_path / "t.jsonl").write_text("before")
    with pytest.raises(DatasetError):
        write_training_file(tmp_path / "t.jsonl", frame(("half \ud83d", 0)), LABELS)
    assert (tmp_path / "t.jsonl").read_text() == "before"


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(DatasetError, match="could not be written"):
        write_training_file(tmp_path / "no" / "t.jsonl", frame(("fine", 0)), LABELS)


@pytest.mark.parametrize(
    "line",
    [
        '{"prompt":"fine","completion":" Positive"}',
        '{"prompt":"fine ->","completion":"Positive"}',
        '{"prompt":"fine ->","completion":" Other"}',
        '{"messages":[]}',
        '{"prompt":1,"completion":" Positive"}',
        "[]",
        "{",
    ],
)
def test_a_line_that_was_not_so_written_is_named(tmp_path, line):
    good = '{"prompt":"fine ->","completion":" Positive"}'
    (tmp_path / "t.jsonl").write_text(f"{good}\n{line}\n")
    with pytest.raises(DatasetError, match="line 2: this is no record"):
        read_training_file(tmp_path / "t.jsonl", LABELS)


def test_a_file_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(DatasetError, match="cannot be read"):
        read_training_file(tmp_path / "t.jsonl", LABELS)


def test_training_rows_that_are_tested_on_are_refused():
    with pytest.raises(DatasetError, match=r"1 training rows .*items item-1"):
        refuse_overlap(frame(("a", 0), ("b", 1)), ["b", "c"])
    refuse_overlap(frame(("a", 0), ("b", 1)), ["c"])
