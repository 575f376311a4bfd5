"""Tables of text: alignment, and what a narrow terminal shows of them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebench.reports import CellRow, RivalRow, aligned, cell_table, model_table

from . import made_results


def cell(*args, **more):
    return CellRow(**made_results.cell(*args, **more) | {"majority_rate": 0.5})


def rival(size, accuracy, n=50):
    right = round(accuracy * n)
    return RivalRow(
        experiment="imdb", model="tf-idf", train_size=size, n=n, correct=right,
        accuracy=right / n, ci_low=0.0, ci_high=1.0,
    )  # fmt: skip


def test_figures_stand_right_and_names_left():
    rows = [("m-0shot", "100", "0.500", "-0.1 to +0.2"), ("longer-0shot", "9", "-", "-1 to +10")]
    assert aligned(("cell", "n", "accuracy", "interval"), rows) == [
        "cell            n  accuracy      interval",
        "m-0shot       100     0.500  -0.1 to +0.2",
        "longer-0shot    9         -     -1 to +10",
    ]


def test_a_table_that_is_too_wide_goes_on_below_itself_with_its_keys():
    lines = aligned(("cell", "first", "second"), [("a", "x" * 9, "y" * 9)], 16)
    assert lines == [
        "cell  first",
        "a     xxxxxxxxx",
        "",
        "cell  second",
        "a     yyyyyyyyy",
    ]


def test_keys_stay_whole_as_long_as_another_text_can_be_shortened():
    rows = [("model-one-0shot", "0.5", "ft:model-one:films:0123"), ("model-one-1shot", "0.6", "-")]
    assert aligned(("cell", "accuracy", "fine-tuned model"), rows, 40) == [
        "cell             accuracy  fine-...model",
        "model-one-0shot       0.5  ft:mo...:0123",
        "model-one-1shot       0.6  -",
    ]


def test_keys_stay_whole_where_the_table_can_continue_below():
    rows = [("model-one-0shot-label_logprobs", "100", "0.500 to 0.800", "pass")]
    lines = aligned(("cell", "n", "95 % interval", "verdict"), rows, 51)
    assert lines == [
        "cell                              n   95 % interval",
        "model-one-0shot-label_logprobs  100  0.500 to 0.800",
        "",
        "cell                            verdict",
        "model-one-0shot-label_logprobs  pass",
    ]


def test_keys_lose_their_middle_where_they_leave_no_room():
    rows = [("model-one-0shot-label_logprobs", "0.5"), ("model-one-1shot", "0.6")]
    assert aligned(("cell", "accuracy"), rows, 30) == [
        "cell                  accuracy",
        "model-one...logprobs       0.5",
        "model-one-1shot            0.6",
    ]


texts = st.text("abc-0123456789.", min_size=1, max_size=60)


@given(st.data(), st.integers(40, 100), st.integers(1, 3), st.integers(0, 6))
def test_no_line_is_wider_than_the_terminal_and_no_column_is_lost(data, width, keys, more):
    header = [f"title{i}" for i in range(keys + more)]
    rows = data.draw(st.lists(st.tuples(*[texts] * len(header)), min_size=1, max_size=4))
    lines = aligned(header, rows, width, keys)
    assert max(map(len, lines)) <= width
    shown = re.findall(r"\w+(?:\.\.\.\w*)?", " ".join(lines))
    assert all(title in shown for title in header)


@pytest.mark.parametrize("title", ["cell", "verdict"])
def test_paint_is_given_each_text_with_its_title(title):
    lines = aligned(
        ("cell", "verdict"), [("a", "pass")], paint=lambda t, x: f"<{x}>" if t == title else x
    )
    assert lines == ["cell  verdict", {"cell": "<a   >  pass", "verdict": "a     <pass   >"}[title]]


def test_a_model_has_one_line_with_its_best_prompt_and_the_best_of_each_size():
    cells = [
        cell("m", 50, skill=0.2),
        best := cell("m", 50, shots=4, skill=0.9),
        low := cell("m", 50, size=300, skill=0.3),
        high := cell("m", 50, size=300, rule="label_logprobs", skill=0.9),
        large := cell("m", 50, size=500, skill=0.9),
        cell("prompted-only", 50, skill=0.5),
    ]
    assert low.accuracy < high.accuracy
    header, first, second, third, last = model_table(cells, [rival(500, 0.8)])
    assert header.split("  ")[0] == "model"
    assert first.split() == [
        *("m", "4shot", f"{best.accuracy:.3f}", f"({best.ci_low:.3f}-{best.ci_high:.3f})"),
        *(f"{high.accuracy:.3f}", f"{large.accuracy:.3f}"),
    ]
    assert second.split()[0] == "prompted-only"
    assert second.split()[-2:] == ["-", "-"]
    assert third.split() == ["tf-idf", "-", "-", "0.800"]
    assert last.split() == ["most", "frequent", "label", f"{cells[0].majority_rate:.3f}", "-", "-"]


def gate(name, limit=0.0):
    return {"gate": name, "value": 0.9, "limit": limit, "mode": "point", "verdict": "pass",
            "sentence": "It passes."}  # fmt: skip


def test_the_limit_counts_those_that_the_column_does_not_show():
    names = ["min_accuracy", "min_macro_f1", "min_recall.Positive"]
    rows = [
        cell("all", 50, skill=1, gates=[gate(name) for name in names]),
        cell("f1", 50, size=300, verdict="pass", gates=[gate("min_macro_f1")]),
        cell("one", 50, skill=1, gates=[gate("min_accuracy")]),
        cell("none", 50, size=300),
    ]
    header, *lines, last = cell_table(rows)
    assert last == "limit +N: N others; --results has them."
    limits = [" ".join(line.split()[5:]) for line in lines]
    assert header.split()[-2:] == ["limit", "verdict"]
    assert limits == ["0.500 +2 pass", "+1 pass", "0.500 pass", "- -"]
    assert len(last) <= 40
    assert len(cell_table(rows[2:])) == 3


def test_control_characters_in_a_table_are_escaped_before_columns_are_measured():
    rows = [("\x1b[31mred", "1"), ("plain", "2")]
    assert aligned(("label", "n"), rows) == [
        "label        n",
        "\\x1b[31mred  1",
        "plain        2",
    ]
