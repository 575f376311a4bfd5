"""A user's own table as a data set: its split, its items, its report, and what is refused."""

import csv
import random
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunebench.datasets import (
    Dataset,
    Options,
    load,
    near_duplicates,
)
from tunebench.errors import DatasetError

LABELS = ("billing", "login", "shipping")


def write(path: Path, rows: Iterable[tuple[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    return path


def tickets(count: int, start: int = 0) -> list[tuple[str, str]]:
    draw = random.Random(start)
    return [(f"ticket {i}", draw.choice(LABELS)) for i in range(start, start + count)]


def read(folder: Path, rows: Iterable[tuple[str, str]], **options: object) -> Dataset:
    write(folder / "tickets.csv", rows)
    return load("tickets.csv", replace(Options(folder, LABELS), **options))


def test_label_ids_follow_the_tasks_labels(tmp_path: Path) -> None:
    rows = tickets(60)
    for labels in (LABELS, LABELS[::-1]):
        data = read(tmp_path, rows, labels=labels)
        assert data.label_names == labels
        for frame in (data.train, data.test):
            assert [labels[i] for i in frame["label"]] == [dict(rows)[t] for t in frame["text"]]


def test_without_labels_they_are_those_found_by_name(tmp_path: Path) -> None:
    assert read(tmp_path, tickets(60), labels=None).label_names == LABELS


def test_an_error_shows_how_a_label_differs_from_a_listed_one(tmp_path: Path) -> None:
    rows = [(text, label.replace("o", "o\u2060")) for text, label in tickets(60)]
    with pytest.raises(DatasetError) as raised:
        read(tmp_path, [*rows[:30], *tickets(30, start=30)], labels=("billing", "shipping"))
    assert "the labels 'lo\\u2060gin' (" in str(raised.value)
    with pytest.raises(DatasetError) as raised:
        read(tmp_path, rows)
    sentence = str(raised.value)
    assert "the label 'lo\\u2060gin' (" in sentence
    assert sentence.endswith(
        ") and the label 'login' of [task] differ only by spaces, invisible characters or how a "
        "letter is encoded; write them alike."
    )


def test_labels_may_hold_invisible_characters(tmp_path: Path) -> None:
    labels = ("می\u200cخواهم", "❤\ufe0f", "نه")
    named = dict(zip(LABELS, labels, strict=True))
    data = read(tmp_path, [(t, named[label]) for t, label in tickets(60)], labels=labels)
    assert data.label_names == labels


def test_a_path_may_begin_in_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    write(tmp_path / "tickets.csv", tickets(60))
    data = load("../../tickets.csv", Options(tmp_path / "benchmarks" / "tickets", LABELS))
    assert len(data.train) + len(data.test) > 50


def test_frames_are_as_every_data_sets_and_share_no_item(tmp_path: Path) -> None:
    data = read(tmp_path, tickets(300))
    for frame in (data.train, data.test):
        assert frame.dtypes.astype(str).to_dict() == {
            "item": "str",
            "text": "str",
            "label": "int64",
        }
    items = [*data.train["item"], *data.test["item"]]
    assert len(set(items)) == len(items)
    assert not any("ticket" in item for item in items)


@settings(max_examples=25)
@given(count=st.integers(40, 200), more=st.integers(1, 200), test_size=st.integers(1, 60))
def test_a_file_that_grows_keeps_its_first_test_and_training_rows(
    count: int, more: int, test_size: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("grown")
    before = read(folder, tickets(count))
    after = read(folder, tickets(count) + tickets(more, start=count))
    for side in ("train", "test"):
        old, new = getattr(before, side), getattr(after, side)
        assert new.head(len(old)).equals(old)
        assert new.head(test_size).equals(new.head(2 * test_size).head(test_size))


@settings(max_examples=25)
@given(seed=st.integers(0, 3), shuffle=st.randoms(), dropped=st.integers(0, 50))
def test_no_row_changes_sides_when_others_move_or_go(
    seed: int, shuffle: random.Random, dropped: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("moved")
    rows = tickets(150)
    before = read(folder, rows, seed=seed)
    shuffle.shuffle(rows)
    after = read(folder, rows[dropped:], seed=seed)
    assert not set(before.train["item"]) & set(after.test["item"])
    assert not set(before.test["item"]) & set(after.train["item"])


@settings(max_examples=25)
@given(seed=st.integers(0, 3), shuffle=st.randoms())
def test_by_hash_the_order_of_the_file_does_not_matter(
    seed: int, shuffle: random.Random, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("by hash")
    rows = tickets(150)
    before = read(folder, rows, seed=seed, order="hash")
    shuffle.shuffle(rows)
    after = read(folder, rows, seed=seed, order="hash")
    assert after.train.equals(before.train)
    assert after.test.equals(before.test)


@settings(max_examples=25)
@given(count=st.integers(40, 200), more=st.integers(1, 200))
def test_by_hash_no_row_of_a_file_that_grows_changes_sides(
    count: int, more: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("grown by hash")
    before = read(folder, tickets(count), order="hash")
    after = read(folder, tickets(count) + tickets(more, start=count), order="hash")
    assert not set(before.train["item"]) & set(after.test["item"])
    assert not set(before.test["item"]) & set(after.train["item"])


def test_by_hash_each_beginning_of_a_sorted_file_holds_all_labels(tmp_path: Path) -> None:
    rows = sorted(tickets(600), key=lambda row: row[1])
    assert read(tmp_path, rows).test["label"].head(30).nunique() == 1
    data = read(tmp_path, rows, order="hash")
    for frame in (data.train, data.test):
        counts = frame["label"].head(30).value_counts()
        assert counts.min() >= 5
        assert len(counts) == 3


def test_by_hash_given_test_rows_have_that_order_too(given_split: None, tmp_path: Path) -> None:
    data = read(tmp_path, tickets(50), test_dataset="test.csv", overlap="move", order="hash")
    for frame in (data.train, data.test):
        assert frame["item"].tolist() == sorted(frame["item"])
    with pytest.raises(DatasetError, match=r"\(lines 6, 7, 8\)"):
        read(tmp_path, tickets(50), test_dataset="test.csv", order="hash")


def test_the_report_counts_everything_that_was_read(tmp_path: Path) -> None:
    data = read(tmp_path, [*tickets(100), *tickets(7)], test_share=0.3)
    report = data.report
    assert (report.rows, report.repeated, report.kept) == (107, 7, 100)
    assert len(data.train) + len(data.test) + report.waiting == 100
    for frame, counts in ((data.train, report.train), (data.test, report.test)):
        assert dict(counts) == {
            label: int((frame["label"] == i).sum()) for i, label in enumerate(LABELS)
        }
    lines = str(report).splitlines()
    assert lines[0] == "tickets.csv: 107 rows, 100 kept; split: 0.3 of the texts held out"
    assert lines[2].startswith(f"test: {len(data.test)} rows (billing ")
    assert "7 rows left out: the text came before" in lines


def test_places_name_file_and_line(tmp_path: Path) -> None:
    data = read(tmp_path, tickets(50))
    for item, text in zip(data.test["item"], data.test["text"], strict=True):
        assert data.places[item] == f"tickets.csv, line {int(text.split()[1]) + 2}"


def test_a_label_that_is_not_listed_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as raised:
        read(tmp_path, [*tickets(5), ("another", "biling"), ("one more", "biling")])
    assert str(raised.value) == (
        f"{tmp_path}/tickets.csv: the label 'biling' (2 rows, lines 7, 8) is not among the labels "
        "of [task]; fix the file or add it there; did you mean 'billing'?"
    )


@pytest.fixture
def given_split(tmp_path: Path) -> None:
    """Ten test rows, of which three are also in the training file."""
    write(tmp_path / "test.csv", [*tickets(7, start=100), *tickets(50)[4:7]])


def test_given_test_rows_are_taken_as_they_are(given_split: None, tmp_path: Path) -> None:
    rows = [row for row in tickets(50) if row not in tickets(50)[4:7]]
    data = read(tmp_path, rows, test_dataset="test.csv")
    assert data.train["text"].tolist() == [text for text, _ in rows]
    assert data.test["text"].tolist() == [f"ticket {i}" for i in (*range(100, 107), 4, 5, 6)]
    assert data.report.share is None


def test_training_rows_that_stand_in_test_are_refused_or_moved(
    given_split: None, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError) as raised:
        read(tmp_path, tickets(50), test_dataset="test.csv")
    assert str(raised.value) == (
        f"{tmp_path}/tickets.csv: 3 rows are also in {tmp_path}/test.csv (lines 6, 7, 8); take "
        'them out of one, or set overlap = "move" in [task], which leaves them to the test rows.'
    )
    data = read(tmp_path, tickets(50), test_dataset="test.csv", overlap="move")
    assert (len(data.train), len(data.test), data.report.moved) == (47, 10, 3)
    assert "3 rows taken out of train: the text is in test" in str(data.report)


def test_another_label_in_the_test_file_is_refused_even_where_rows_are_moved(
    given_split: None, tmp_path: Path
) -> None:
    other = next(label for label in LABELS if label != tickets(50)[4][1])
    rows = [*tickets(4), ("ticket 4", other)]
    with pytest.raises(
        DatasetError, match=r"1 text has another label in .*test\.csv, the first in"
    ):
        read(tmp_path, rows, test_dataset="test.csv", overlap="move")


def test_near_duplicates_across_the_split_are_found_with_their_lines(tmp_path: Path) -> None:
    pytest.importorskip("rensa")
    long = "my parcel was said to come on monday and has not come since then, where can it be"
    near = long.upper().replace("MONDAY", "FRIDAY")
    write(tmp_path / "test.csv", [(long, "shipping"), ("I cannot log in", "login")])
    data = read(tmp_path, [("a bill", "billing"), (near, "shipping")], test_dataset="test.csv")
    (pair,) = near_duplicates(data, 0.7)
    first, second = ({t.lower()[i : i + 5] for i in range(len(t) - 4)} for t in (long, near))
    assert pair.similarity == len(first & second) / len(first | second)
    assert (pair.test_item, pair.train_item) == (data.test["item"][0], data.train["item"][1])
    assert str(pair).startswith("test.csv, line 2 (test) and tickets.csv, line 3 (train): 0.8")
    assert near_duplicates(data, 0.95) == []


def test_near_duplicates_are_those_of_a_comparison_of_all_pairs(tmp_path: Path) -> None:
    pytest.importorskip("rensa")
    draw = random.Random(1)
    texts = ["".join(draw.choices("abcdefgh ", k=80)) for _ in range(60)]
    changed = [
        t[: (cut := draw.randrange(80))] + "#" * (draw.randrange(9)) + t[cut:] for t in texts
    ]
    write(tmp_path / "test.csv", [(text, "login") for text in changed] + [("a", "billing")])
    rows = [(text + ".", "login") for text in texts] + [("b", "billing")]
    data = read(tmp_path, rows, test_dataset="test.csv")

    def grams(text: str) -> set[str]:
        bare = " ".join(text.split())
        return {bare[i : i + 5] for i in range(max(1, len(bare) - 4))}

    expected = {
        (item, other)
        for item, text in zip(data.test["item"], data.test["text"], strict=True)
        for other, train in zip(data.train["item"], data.train["text"], strict=True)
        if len(grams(text) & grams(train)) / len(grams(text) | grams(train)) >= 0.8
    }
    assert len(expected) > 30
    assert {(pair.test_item, pair.train_item) for pair in near_duplicates(data)} == expected


def test_without_rensa_the_error_names_the_extra(tmp_path: Path, monkeypatch) -> None:
    data = read(tmp_path, tickets(30))
    monkeypatch.setitem(__import__("sys").modules, "rensa", None)
    with pytest.raises(DatasetError, match=r"pip install 'tunebench\[near-duplicates\]'"):
        near_duplicates(data)
    with pytest.raises(DatasetError, match=r"0\.7 to 1"):
        near_duplicates(data, 0.2)
