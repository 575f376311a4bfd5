import json

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebench.errors import DatasetError
from tunebench.training_data.training_files import chat_record, record, refuse_overlap


def test_a_record_is_a_prompt_and_a_completion():
    written = record("Schön 🙂 ->", " Positive").decode()
    assert written == '{"prompt":"Schön 🙂 ->","completion":" Positive"}\n'


def test_a_chat_record_is_the_text_and_the_label_after_the_instruction():
    assert json.loads(chat_record("Fine", "Positive", "Classify")) == {
        "messages": [
            {"role": "system", "content": "Classify"},
            {"role": "user", "content": "Fine"},
            {"role": "assistant", "content": "Positive"},
        ]
    }


@given(prompt=st.text(), completion=st.text(), instruction=st.none() | st.text())
def test_any_texts_are_one_line_that_reads_as_they_were(prompt, completion, instruction):
    lines = record(prompt, completion), chat_record(prompt, completion, instruction)
    for line in lines:
        assert line.endswith(b"\n")
        assert len(line.decode().splitlines()) == 1
    assert json.loads(lines[0]) == {"prompt": prompt, "completion": completion}
    turns = [(turn["role"], turn["content"]) for turn in json.loads(lines[1])["messages"]]
    system = [] if instruction is None else [("system", instruction)]
    assert turns == [*system, ("user", prompt), ("assistant", completion)]


def test_line_ends_of_every_kind_stay_within_the_record():
    text = "a\r\nb\rc\x0bd\x0ce\x1cf\x85g\u2028h\u2029i"
    for line in (record(text, text), chat_record(text, text, text)):
        assert len(line.decode().splitlines()) == 1
    assert json.loads(record(text, text)) == {"prompt": text, "completion": text}


@pytest.mark.parametrize("write", [record, lambda *texts: chat_record(*texts, None)])
def test_half_a_surrogate_pair_cannot_be_written(write):
    with pytest.raises(UnicodeEncodeError):
        write("half \ud83d", "fine")


def test_training_rows_that_are_tested_on_are_refused():
    rows = pd.DataFrame({"item": ["item-0", "item-1"], "text": ["a", "b"]})
    with pytest.raises(DatasetError, match=r"1 training rows .*items item-1"):
        refuse_overlap(rows, ["b", "c"])
    refuse_overlap(rows, ["c"])
